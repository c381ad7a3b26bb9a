"""What the benchmarks beside peers share: servers that sync every commit, and rigs that take turns.

A rig is a program that prints `ready`, and then for each number it reads does so much work and prints one line of
JSON. Ours and a peer's take turns, so that both meet the same machine. Peers live in an environment of their own:

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install rq procrastinate 'psycopg[binary]' torch
    apt-get install redis-server postgresql

and a benchmark is told where: `python benchmarks/peers/bench_enqueue.py /tmp/peers/bin/python`. A peer that is
missing is skipped, and the benchmark says so.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Rig:
    """A program that works when it is told to."""

    def __init__(self, name: str, command: Sequence[str | Path], *, quiet: bool = True) -> None:
        self.name = name
        self.said: list[Any] = []
        self._process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE,
            stderr=subprocess.DEVNULL if quiet else None, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))},
        )  # fmt: skip
        if self._line() != "ready":
            raise RuntimeError(f"{name} did not start")

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        while line and not line.startswith(("ready", "[", "{")):
            line = self._process.stdout.readline()
        return line.strip()

    def turn(self, count: int) -> Any:
        """Do so much work; what the rig says of it, remembered too."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        line = self._line()
        if not line:
            raise RuntimeError(f"{self.name} has died")
        answer = json.loads(line)
        self.said.append(answer)
        return answer

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()


def serve(work: Any) -> None:
    """The rig's side: `work(count)` for each line read; its answer is printed."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(work(int(line))), flush=True)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis(folder: Path) -> Iterator[int | None]:
    """A Redis that syncs every write; its port, or None when there is no Redis."""
    program = shutil.which("redis-server")
    if program is None:
        print("redis-server is missing: its peers are skipped")
        yield None
        return
    port = free_port()
    folder.mkdir()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"]
    server = subprocess.Popen([program, *options, "--save", ""], stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield port
    finally:
        server.terminate()
        server.wait()


@contextmanager
def postgres() -> Iterator[str | None]:
    """A PostgreSQL that syncs every commit; its address, or None when there is no PostgreSQL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        print("PostgreSQL is missing: its peers are skipped")
        yield None
        return
    account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        if account:
            shutil.chown(name, "postgres", "postgres")
        data = f"{name}/data"
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **account}
        subprocess.run([programs[-1] / "initdb", "-D", data, "-U", "arc", "-A", "trust"], check=True, **quiet)
        server = subprocess.Popen([programs[-1] / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", name], **quiet)
        try:
            wait_for_port(port)
            yield f"postgresql://arc@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait()


def wait_for_port(port: int, *, within_s: float = 30.0) -> None:
    """Return when somebody listens there."""
    until = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def spread(took: Sequence[float]) -> str:
    """p50 and p95 of milliseconds, and how many a second one caller gets."""
    return f"p50 {statistics.median(took):7.3f} ms   p95 {statistics.quantiles(took, n=20)[-1]:7.3f} ms   {1000 / statistics.mean(took):7.0f}/s"


def peers_python() -> Path | None:
    """The interpreter of the peers: the first argument, else none, and all of them are skipped."""
    if len(sys.argv) > 1 and Path(sys.argv[1]).exists():
        return Path(sys.argv[1])
    print("no interpreter with the peers was given: they are skipped")
    return None


def load() -> str:
    """How busy the machine is."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
