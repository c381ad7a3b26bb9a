"""The victim: a real control plane in a process of its own, started again after each of its deaths.

It has short delays, so that much happens in a minute, and a TMPDIR of its own, which is handed on to every
descendant: by that mark `tests.chaos.living` finds what belongs to one run.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from arc.client import Client
from arc.client.control import CONTROL_FILE, address, token
from arc.core.clock import SystemClock, unix
from arc.core.errors import TemporaryError

_NAP_S = 0.02
_FAST = {"SAMPLE_INTERVAL_S": "0.5", "LEASE_TTL_S": "3", "STALL_FLOOR_S": "20", "MEMORY_RESERVE_GB": "0"}
_FAST |= {"TASK_SLOTS": "4", "THREADS_PER_TASK": "1"}
_START_S = 90.0
_STOP_S = 60.0


class Broken(Exception):
    """The control plane did what it never may: it did not start, did not stop, or ended by itself."""


def until(condition: Callable[[], object], within_s: float, *, nap_s: float = _NAP_S) -> bool:
    """Whether the condition came true in time; for what nobody tells a stranger, such as the end of his processes."""
    end = time.perf_counter() + within_s
    while not (true := bool(condition())) and time.perf_counter() < end:
        time.sleep(nap_s)
    return true


class Plane:
    """One control plane after the other over one workspace."""

    def __init__(
        self, folder: Path, *, workspace: Path | None = None, settings: dict[str, str] | None = None, may_refuse: str = ""
    ) -> None:
        self.workspace = workspace or folder / "workspace"
        self.temporary = folder / "tmp"
        self.log = folder / "control-plane.log"
        self.database_url = (settings or {}).get("DATABASE_URL", "")
        self.refused = 0  # starts that met a full disk or a database that restarts, and said so
        self._may_refuse = re.compile(may_refuse) if may_refuse else None  # what the last line then says
        self._settings = _FAST | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._expected = True  # whether the end of the process is ours
        self._started = 0.0  # unix time
        self.temporary.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """The process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str | None:
        """Where it serves now; None while it does not."""
        return address(self.workspace)

    def start(self) -> None:
        """Start a process; it serves a few seconds later."""
        self._started = unix(SystemClock().now())
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        chosen = {f"ARC_{name}": value for name, value in self._settings.items()}
        environment = kept | chosen | {"TMPDIR": str(self.temporary), "ARC_ALLOW_FAULT_JOBS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "arc", "--workspace", str(self.workspace), "serve", "--port", "0"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._expected = False

    def wait(self, *, within_s: float = _START_S) -> float:
        """Return when it serves, with the seconds from its start to that; Broken when it does not."""
        if not until(lambda: self.check() or self.url, within_s):
            raise Broken(f"it does not serve after {within_s:.0f} s: {self.last_words()}")
        return (self.workspace / CONTROL_FILE).stat().st_mtime - self._started

    def client(self) -> Client | None:
        """A client of the process that serves now."""
        url = self.url
        return Client(url, token(self.workspace), timeout_s=20.0, sleep=lambda _: time.sleep(_NAP_S)) if url else None

    def check(self) -> None:
        """Broken when the process has ended although nobody killed it. One that cannot begin yet may say so and end."""
        process = self._process
        if process is None or process.poll() is None or self._expected:
            return
        temporary = process.returncode == TemporaryError.exit_code
        if temporary and self._may_refuse and self._may_refuse.search(self.last_words().splitlines()[-1]):
            self.refused += 1
            self.start()
            return
        raise Broken(f"it ended by itself with {process.returncode}: {self.last_words()}")

    def kill(self) -> None:
        """kill -9, without a warning."""
        assert self._process is not None
        self._expected = True
        self._process.kill()
        self._process.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting for what comes of it."""
        assert self._process is not None
        self._expected = True
        self._process.terminate()

    def stop(self) -> None:
        """SIGTERM; Broken unless it ends in time and with 0."""
        assert self._process is not None
        self.ask_to_stop()
        try:
            code = self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise Broken(f"it did not stop within {_STOP_S:.0f} s: {self.last_words()}") from None
        if code != 0:
            raise Broken(f"it stopped with {code}: {self.last_words()}")

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:]) if self.log.exists() else ""
