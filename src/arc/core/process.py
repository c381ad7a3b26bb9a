"""Processes: which one, whether it lives, and the two files in a staging folder that say so.

A pid alone proves nothing, because it is used again. Pid, start time and boot id together name one process
for ever. `process.json` is published with link(2), which fails when the name is taken: so either the reaper
publishes the attempt's identity, or the control plane takes the name first and no attempt can begin there.
`exit.json` is written by the reaper when the attempt and all its descendants are gone.

Linux only: everything is read from /proc. Not covered: an attempt in another pid namespace looks dead.
"""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from arc.core.attempt import ProcessIdentity
from arc.core.journal import EXIT, PROCESS
from arc.core.ports import Exit, Liveness

_PROC: Final = Path("/proc")
_SIGNALS: Final = {known.value: known.name for known in signal.Signals}
_GROUP_FLAG: Final = 4  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that matter here."""

    state: str  # one letter; Z for a process that ended and was not yet waited for
    parent: int
    session: int
    threads: int
    start_time: int  # clock ticks after boot

    @property
    def ended(self) -> bool:
        """Whether it is over; a leader that is gone while one of its threads hangs in the kernel is not."""
        return self.state == "X" or (self.state == "Z" and self.threads <= 1)


def parse_stat(text: bytes) -> Stat:
    """Read one /proc/PID/stat; the name in it may hold blanks and brackets."""
    rest = text.rpartition(b")")[2].split()
    return Stat(rest[0].decode(), int(rest[1]), int(rest[3]), int(rest[17]), int(rest[19]))


def stat(pid: int) -> Stat | None:
    """What /proc says of a process; None when there is none, OSError when /proc cannot be read."""
    try:
        return parse_stat((_PROC / str(pid) / "stat").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        if not (_PROC / "self" / "stat").exists():
            raise OSError("/proc is not mounted") from None
        return None


def signal_name(number: int) -> str:
    """SIGKILL and the like; `signal 40` for most real-time signals, which have no name."""
    return _SIGNALS.get(number, f"signal {number}")


def everyone() -> Iterator[tuple[int, Stat]]:
    """Every process on the machine that lives while it is looked at."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (found := stat(int(entry.name))) is not None and not found.ended:
            yield int(entry.name), found


@cache
def boot_id() -> str:
    """Which boot of the machine this is."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def liveness(pid: int, start_time: int, boot: str) -> Liveness:
    """Whether that very process lives; UNKNOWN only when /proc cannot be read."""
    try:
        found = stat(pid) if boot == boot_id() else None
    except OSError:
        return Liveness.UNKNOWN
    return Liveness.DEAD if found is None or found.start_time != start_time or found.ended else Liveness.ALIVE


def open_pidfd(pid: int, start_time: int) -> int | None:
    """A descriptor that means that very process and none that gets its pid later; None when it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    same = False
    try:
        found = stat(pid)
        same = found is not None and found.start_time == start_time
    finally:
        if not same:
            os.close(descriptor)
    return descriptor if same else None


def send(pid: int, start_time: int, number: int, *, group: bool = False) -> bool:
    """Send a signal to that very process, or to the group it leads; False when it is gone."""
    descriptor = open_pidfd(pid, start_time)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number, None, _GROUP_FLAG if group else 0)
    except ProcessLookupError:
        return False
    except OSError:
        if not group:
            raise
        return _send_to_group(pid, number)  # a kernel before 6.9
    finally:
        os.close(descriptor)
    return True


def _send_to_group(pid: int, number: int) -> bool:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return False
    return True


def identity_or_revoke(staging: Path) -> ProcessIdentity | None:
    """Which process was started in this staging folder, or None after making sure that none will be."""
    part = staging / f".{PROCESS}.revoked"
    part.write_text(json.dumps({"revoked": True}))
    try:
        os.link(part, staging / PROCESS)
    except FileExistsError:
        return _published(staging / PROCESS)
    finally:
        part.unlink(missing_ok=True)
    return None


def _published(path: Path) -> ProcessIdentity | None:
    """The identity in a process file; None for a revoked launch, and for a file that a loss of power has emptied."""
    try:
        return ProcessIdentity.model_validate_json(path.read_bytes())
    except ValidationError:
        return None


def read_exit(staging: Path) -> Exit | None:
    """How the attempt ended, as its reaper saw it; None when the reaper could not say."""
    try:
        found = json.loads((staging / EXIT).read_text())
        return Exit(_number(found["code"]), _number(found["signal"]), _number(found.get("oom_kills")) or 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
