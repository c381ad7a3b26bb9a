"""The journal's writer: cheap for a training, whole for its reader, also on a full disk.

`report` puts a line into memory, a few microseconds; a line goes to the file when the last write is 0.2 s ago,
when 64 KB are waiting, or from the background thread (`heartbeat`). Only whole lines are ever left in the
file: when the disk is full in the middle of one, its beginning is cut off again, the line stays in memory and
NoSpace is raised. A few kilobytes are set aside at the start, so that the outcome can be said even then.

A process that the recipe forks holds a copy of the buffer and would write lines twice: it is refused.
"""

import os
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from arc.core.clock import Clock, unix
from arc.core.errors import ArcError, NoSpace, RecipeBroken
from arc.core.journal import JOURNAL, encode
from arc.worker.durable import disk_full, no_space

FLUSH_S: Final = 0.2
_FLUSH_BYTES: Final = 64 << 10
_MAX_WAITING: Final = 8 << 20  # a recipe that goes on without room on the disk is stopped here
_RESERVE_BYTES: Final = 32 << 10
_RESERVE: Final = ".journal.reserve"


class Journal:
    """Appends lines to the journal of one attempt; safe for several threads of one process."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.waiting = threading.Event()  # set while lines wait in memory
        self._path = folder / JOURNAL
        self._clock = clock
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._size = 0
        self._flushed_at = clock.monotonic()
        self._refusal: ArcError | None = None
        self._reserve = folder / _RESERVE
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._end = os.fstat(self._file).st_size  # where the last whole line ends
        _open_journals.add(self)
        self._set_aside()

    def metrics(self, step: float, values: Mapping[str, float]) -> None:
        """One line of metric values."""
        self._put(encode("metrics", s=step, v=values, at=unix(self._clock.now())))

    def line(self, kind: str, /, **fields: Any) -> None:
        """One line of any kind but the outcome."""
        self._put(encode(kind, **fields, at=unix(self._clock.now())))

    def flush(self) -> None:
        """Write what waits in memory; NoSpace when the disk is full."""
        with self._lock:
            self._flush()

    def sync(self) -> None:
        """Write what waits in memory and wait until it is on disk."""
        with self._lock:
            self._flush()
            os.fsync(self._file)

    def outcome(self, **fields: Any) -> None:
        """The last line, on disk when this returns. Metrics that find no room are given up for it; NoSpace when nothing helps."""
        line = encode("outcome", **fields, at=unix(self._clock.now()))
        with self._lock:
            self._check()
            self._reserve.unlink(missing_ok=True)
            try:
                self._flush()
            except NoSpace:
                self._lines, self._size = [], 0
            self._lines.append(line)
            self._flush()
            os.fsync(self._file)

    @property
    def removed(self) -> bool:
        """Whether someone deleted the file: nothing the attempt does can count any more."""
        return self._file >= 0 and os.fstat(self._file).st_nlink == 0

    def seal(self, reason: ArcError) -> None:
        """From now on every line is refused with `reason`."""
        self._refusal = reason

    def close(self) -> None:
        """Give the file and the space set aside back; what still waits in memory is dropped."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1
            self._refusal = self._refusal or RecipeBroken("the attempt is over: nothing more is recorded")
            self._reserve.unlink(missing_ok=True)

    def _set_aside(self) -> None:
        try:
            self._reserve.write_bytes(b"\0" * _RESERVE_BYTES)
        except OSError as error:
            if not disk_full(error):
                raise
            self._reserve.unlink(missing_ok=True)

    def _put(self, line: bytes) -> None:
        with self._lock:
            self._check()
            self._lines.append(line)
            self._size += len(line)
            if self._size > _FLUSH_BYTES or self._clock.monotonic() - self._flushed_at > FLUSH_S:
                self._flush()
            elif len(self._lines) == 1:
                self.waiting.set()

    def _check(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        if self._size > _MAX_WAITING:
            raise no_space(self._path)

    def _flush(self) -> None:
        self._check()
        if self._lines:
            self._append(b"".join(self._lines))
        self._lines, self._size = [], 0
        self._flushed_at = self._clock.monotonic()
        self.waiting.clear()

    def _append(self, data: bytes) -> None:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError as error:
            whole = data.rfind(b"\n", 0, done) + 1
            os.ftruncate(self._file, self._end + whole)
            self._end += whole
            self._lines, self._size = [data[whole:]], len(data) - whole
            if disk_full(error):
                raise no_space(self._path) from error
            raise
        self._end += done

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._lines, self._size = [], 0
        self._refusal = RecipeBroken("only the process of the attempt itself may use its context, not one it forked")


_open_journals: "weakref.WeakSet[Journal]" = weakref.WeakSet()


def _refuse_in_child() -> None:
    for journal in _open_journals:
        journal._after_fork()


os.register_at_fork(after_in_child=_refuse_in_child)
