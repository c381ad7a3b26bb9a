"""How a store begins: made, found again, refused in one line, and always with the schema of tables.py."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from arc.core.errors import PermanentError, StoreBusy
from arc.store import events, study_tables
from arc.store.engine import Store
from arc.store.tables import metadata
from arc.testing.clock import FakeClock

_OPEN = (
    "import sys; from arc.core.clock import SystemClock; from arc.store.engine import Store; Store.open(sys.argv[1], clock=SystemClock())"
)


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no store yet."""
    return f"sqlite:///{tmp_path}/new/arc.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres_url")


@pytest.fixture
def opened(new_url: str) -> Iterator[Store]:
    """A store that was just made."""
    store = _open(new_url)
    yield store
    store.close()


def _open(url: str) -> Store:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    return Store.open(url, clock=FakeClock())


def _append(store: Store, subject: str) -> None:
    with store.write() as tx:
        events.append(tx, subject=subject, kind="a.b", actor="test")


def _refused(url: str) -> str:
    with pytest.raises(PermanentError) as refused:
        Store.open(url, clock=FakeClock())
    assert "\n" not in refused.value.message
    return refused.value.message


def test_what_was_written_is_there_after_opening_again(new_url: str) -> None:
    for subject in ("first", "second"):
        store = _open(new_url)
        _append(store, subject)
        store.close()
    store = _open(new_url)
    with store.read() as tx:
        assert [(event.seq, event.subject) for event in events.after(tx, 0)] == [(1, "first"), (2, "second")]
    store.close()


def test_the_migrations_give_the_schema_of_the_tables(opened: Store) -> None:
    with opened.read() as tx:
        context = MigrationContext.configure(tx.conn, opts={"compare_type": True, "compare_server_default": True})
        assert study_tables.studies.metadata is metadata
        assert compare_metadata(context, metadata) == []


def test_a_newer_schema_is_refused_and_left_as_it_is(new_url: str) -> None:
    store = _open(new_url)
    with store.write() as tx:
        tx.conn.execute(text("UPDATE alembic_version SET version_num = 'ffff'"))
    store.close()
    before = _bytes(new_url)
    message = _refused(new_url)
    assert "newer" in message
    assert "ffff" in message
    assert _bytes(new_url) == before


def test_processes_that_open_at_once_make_one_store(new_url: str) -> None:
    if new_url.startswith("sqlite"):
        Path(new_url.removeprefix("sqlite:///")).parent.mkdir()
    started = [subprocess.Popen([sys.executable, "-c", _OPEN, new_url], stderr=subprocess.PIPE) for _ in range(2)]
    for process in started:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error.decode()
    store = _open(new_url)
    _append(store, "one")
    with store.read() as tx:
        assert events.last_seq(tx) == 1
    store.close()


def _bytes(url: str) -> bytes:
    return Path(url.removeprefix("sqlite:///")).read_bytes() if url.startswith("sqlite") else b""


def test_an_empty_file_is_not_taken_for_a_new_store(tmp_path: Path) -> None:
    path = tmp_path / "arc.db"
    path.touch()
    assert str(path) in _refused(f"sqlite:///{path}")
    assert path.read_bytes() == b""


@pytest.mark.parametrize("damage", ["header", "no database", "middle", "short"])
def test_a_damaged_file_is_refused_and_left_as_it_is(sqlite_url: str, damage: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    content = bytearray(path.read_bytes())
    if damage == "header":
        content[:16] = b"\0" * 16
    elif damage == "no database":
        content[:] = b"not a database, but a text\n" * 400
    elif damage == "middle":
        content[4096 * 2 : 4096 * 3] = b"\xa5" * 4096
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)
    assert str(path) in _refused(sqlite_url)
    assert path.read_bytes() == bytes(content)
    assert "damaged" in _refused(sqlite_url), "it is as damaged the second time"


def test_a_path_may_hold_a_blank_and_a_hash(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c"
    folder.mkdir()
    for _ in range(2):
        store = Store.open(f"sqlite:///{folder}/arc.db", clock=FakeClock())
        _append(store, "it")
        store.close()
    assert [path.name for path in folder.iterdir()] == ["arc.db"]


def test_a_start_that_breaks_off_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/arc.db"
    monkeypatch.setattr("arc.store.engine.command.upgrade", _break)
    with pytest.raises(KeyboardInterrupt):
        Store.open(url, clock=FakeClock())
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    Store.open(url, clock=FakeClock()).close()


def _break(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "arc.db").mkdir()
    assert "arc.db" in _refused(f"sqlite:///{tmp_path}/arc.db")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "arc.db" in _refused(f"sqlite:///{tmp_path}/nowhere/arc.db")


def test_commits_survive_a_power_cut_and_deleted_space_can_be_given_back(sqlite_url: str) -> None:
    """What the promises rest on: WAL, full synchronisation, foreign keys, vacuum in steps."""
    store = Store.open(sqlite_url, clock=FakeClock())
    with store.write() as tx:
        found = [tx.conn.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous", "foreign_keys")]
    store.close()
    assert found == ["wal", 2, 1]
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreBusy) as refused:  # it may be there in a moment
        Store.open("postgresql://arc:a-secret@127.0.0.1:1/arc", clock=FakeClock())
    assert "127.0.0.1" in refused.value.message
    assert "a-secret" not in refused.value.message


def test_a_database_that_is_not_there_is_named_without_its_password(empty_postgres_url: str) -> None:
    password = empty_postgres_url.split(":")[2].split("@")[0]
    message = _refused(empty_postgres_url + "_gone")
    assert "_gone" in message
    assert password not in message
