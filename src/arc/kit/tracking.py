"""Tracking: a run in W&B and TensorBoard beside a training, which it can neither delay nor break.

The worker makes one `Tracking` for an attempt whose params have `track`; what the recipe reports and saves goes to one
process a tool (`arc.kit.tracking_child`) through a pipe that is never waited for: 1 MB of lines, and what does not
fit is dropped and counted. A tool that is missing, dies or hangs is a warning in the log. At the end of the
attempt a tool that still reads has `patience_s` to finish; one that has read nothing for as long gets two seconds.

The files lie in `wandb/` and `tensorboard/` of the attempt's folder and are kept in the experiment's folder.
Not covered: W&B online; `wandb sync` sends the folder later, from wherever there is a network.
"""

import fcntl
import importlib.util
import json
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_BOOT: Final = "import sys; sys.path[:] = {path!r}; from arc.kit.tracking_child import main; main()"
_MODULES: Final = {"wandb": "wandb", "tensorboard": "tensorboardX"}
_PIPE_BYTES: Final = 1 << 20
_LAST_CHANCE_S: Final = 2.0
_LOOK_S: Final = 0.05


class Tracking:
    """The runs of one attempt; `log` takes its warnings, as `RunContext.log` does."""

    def __init__(
        self, folder: Path, tools: Sequence[str], *, about: Mapping[str, Any], log: Callable[..., None], patience_s: float = 10.0
    ) -> None:
        self._patience_s = patience_s
        self._tools = [tool for name in dict.fromkeys(tools) if (tool := _start(name, folder, about, log)) is not None]

    def report(self, step: float, values: Mapping[str, float]) -> None:
        """Metric values at a step; microseconds, and never a wait."""
        for tool in self._tools:
            tool.numbers({"step": step}, "values", values)

    def result(self, values: Mapping[str, Any]) -> None:
        """What the attempt came to; what is no number is left out."""
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, (int, float))}
        for tool in self._tools:
            tool.numbers({}, "result", numbers)

    def artifact(self, path: Path, kind: str) -> None:
        """A file that the attempt saved."""
        for tool in self._tools:
            tool.send({"artifact": str(path), "kind": kind})

    def close(self) -> None:
        """Let the tools finish, in bounded time; the rest is ended."""
        for tool in self._tools:
            tool.send({"end": True})
        for tool in self._tools:
            tool.finish(self._patience_s)


class _Tool:
    """One tool's process and the pipe to it."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], log: Callable[..., None], said: Path) -> None:
        assert child.stdin is not None
        self._name, self._child, self._log, self._said = name, child, log, said
        self._pipe = child.stdin.fileno()
        self._began = time.perf_counter()
        self._dropped = 0
        self._gone = False
        os.set_blocking(self._pipe, False)
        try:
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            pass  # a machine may allow less; then less fits

    def numbers(self, about: Mapping[str, float], name: str, values: Mapping[str, float]) -> None:
        if not self.send({**about, name: dict(values)}, last=len(values) < 2):
            keys = list(values)  # too long for one write that is whole or not at all
            for part in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
                self.numbers(about, name, {key: values[key] for key in part})

    def send(self, message: Mapping[str, Any], *, last: bool = True) -> bool:
        """Write a line if the pipe takes it now; False when it must be cut first, which `last` forbids."""
        if self._gone:
            return True
        line = json.dumps(message).encode() + b"\n"
        if len(line) > select.PIPE_BUF and not last:
            return False
        try:
            if len(line) > select.PIPE_BUF:
                raise BlockingIOError
            os.write(self._pipe, line)  # up to PIPE_BUF: the whole line or nothing
        except BlockingIOError:
            self._dropped += 1
            if self._dropped == 1:
                self._log("tracking cannot keep up; values are dropped", level="warning", tool=self._name)
        except OSError:
            self._gone = True
            self._log("tracking ended early", level="warning", tool=self._name, why=_last_line(self._said))
        return True

    def finish(self, patience_s: float) -> None:
        """Wait while it reads or finishes, then end it; its end is part of the log when it was not a good one."""
        unread, moved = _unread(self._pipe), time.perf_counter()
        patience = max(min(_LAST_CHANCE_S, patience_s), patience_s - (moved - self._began)) if unread else patience_s
        while self._child.poll() is None and time.perf_counter() - moved < patience:
            time.sleep(_LOOK_S)
            now = _unread(self._pipe)
            if now < unread:
                unread, moved, patience = now, time.perf_counter(), patience_s
        if self._child.poll() is None:
            self._child.kill()
            self._log("tracking did not finish and was ended", level="warning", tool=self._name)
        elif self._child.returncode and not self._gone:
            self._log("tracking ended early", level="warning", tool=self._name, why=_last_line(self._said))
        self._child.wait()
        assert self._child.stdin is not None
        self._child.stdin.close()
        if self._dropped:
            self._log("tracking dropped values", level="warning", tool=self._name, lines=self._dropped)


def _start(name: str, folder: Path, about: Mapping[str, Any], log: Callable[..., None]) -> _Tool | None:
    if importlib.util.find_spec(_MODULES[name]) is None:
        log(
            "tracking is left out",
            level="warning",
            tool=name,
            why=f"{_MODULES[name]} is not installed: pip install 'arc-control[tracking]'",
        )
        return None
    code = _BOOT.format(path=[str(Path(entry).absolute()) for entry in sys.path if entry])
    own = folder / f".home-{name}"  # what it would write into the home folder; W&B takes `.wandb` for something else
    said = folder / f"tracking-{name}.log"
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(own), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment |= {f"WANDB_{what}_DIR": str(own) for what in ("CACHE", "CONFIG", "DATA")}
    try:
        own.mkdir(exist_ok=True)
        with said.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, "-I", "-c", code, name, str(folder), json.dumps(about)],
                stdin=subprocess.PIPE, stdout=out, stderr=out, env=environment, cwd=folder, start_new_session=True, bufsize=0,
            )  # fmt: skip
    except OSError as error:
        log("tracking is left out", level="warning", tool=name, why=str(error))
        return None
    return _Tool(name, child, log, said)


def _unread(pipe: int) -> int:
    """Bytes in the pipe that nobody has read yet."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"))[0])


def _last_line(path: Path) -> str:
    try:
        return (path.read_text(errors="replace").strip().splitlines() or [""])[-1][:300]
    except OSError:
        return ""
