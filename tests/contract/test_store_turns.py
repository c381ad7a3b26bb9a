"""Who writes to one SQLite file at the same time shares a commit: nobody goes on before it, and nobody suffers for another."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from arc.core.errors import ArcError, NoSpace, StoreBusy
from arc.store import connections, engine, events
from arc.store.engine import Store, Tx
from arc.testing.clock import FakeClock

WRITERS = 5


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    found = Store.open(sqlite_url, clock=FakeClock())
    yield found
    found.close()


def _together(store: Store, acts: list[Callable[[Tx], object]]) -> list[Future[None]]:
    """Let everybody write who waits for one who has the turn; how it ended for each."""
    waiting = threading.Semaphore(0)

    def write(act: Callable[[Tx], object]) -> None:
        waiting.release()
        with store.write() as tx:
            act(tx)

    with ThreadPoolExecutor(len(acts)) as threads, suppress(ArcError), store.write():  # it shares in what happens to them
        ended = [threads.submit(write, act) for act in acts]
        for _ in acts:
            waiting.acquire()
        _until(lambda: store._turns is not None and store._turns._waiting == len(acts))
    return ended


def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        threading.Event().wait(0.001)


def _append(tx: Tx, subject: str) -> None:
    events.append(tx, subject=subject, kind="a.b", actor="test")


def _subjects(store: Store) -> list[str]:
    with store.read() as tx:
        found = events.after(tx, 0)
    assert [event.seq for event in found] == list(range(1, len(found) + 1)), "numbered without a gap"
    return sorted(event.subject for event in found)


def test_what_several_wrote_is_on_the_disk_when_each_of_them_goes_on(store: Store, sqlite_url: str) -> None:
    seen: list[bool] = []

    def act(name: str) -> Callable[[Tx], None]:
        def write(tx: Tx) -> None:
            _append(tx, name)
            tx.after_commit(lambda: seen.append(name in _on_disk(sqlite_url)))

        return write

    for ended in _together(store, [act(str(number)) for number in range(WRITERS)]):
        ended.result()
    assert seen == [True] * WRITERS
    assert _subjects(store) == [str(number) for number in range(WRITERS)]


def _on_disk(url: str) -> set[str]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as other:
        return {row[0] for row in other.execute("SELECT subject FROM events")}


def test_one_that_fails_takes_back_its_own_rows_only(store: Store) -> None:
    undone: list[str] = []

    def fail(tx: Tx) -> None:
        _append(tx, "never")
        tx.on_rollback(lambda: undone.append("its own"))
        raise ZeroDivisionError

    def keep(tx: Tx) -> None:
        _append(tx, "kept")
        tx.on_rollback(lambda: undone.append("another's"))

    kept, failed = [], []
    for number, ended in enumerate(_together(store, [fail if number % 2 else keep for number in range(WRITERS)])):
        (failed if number % 2 else kept).append(ended)
    for ended in kept:
        ended.result()
    for ended in failed:
        assert isinstance(ended.exception(), ZeroDivisionError)
    assert _subjects(store) == ["kept"] * len(kept)
    assert undone == ["its own"] * len(failed)


def test_when_the_disk_is_full_all_who_share_the_transaction_hear_of_it_and_undo(store: Store) -> None:
    undone: list[int] = []

    def act(number: int) -> Callable[[Tx], None]:
        def write(tx: Tx) -> None:
            tx.on_rollback(lambda: undone.append(number))
            for _ in range(40):
                events.append(tx, subject="x", kind="a.b", actor="test", detail={"text": "x" * 1000})

        return write

    with store.write() as tx:
        pages = tx.conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    ended = _together(store, [act(number) for number in range(WRITERS)])
    assert [type(one.exception()) for one in ended] == [NoSpace] * WRITERS
    assert sorted(undone) == list(range(WRITERS))
    assert _subjects(store) == []
    with store.write() as tx:
        _append(tx, "it")
    assert _subjects(store) == ["it"]


def test_a_commit_that_fails_fails_for_all_who_share_it(store: Store) -> None:
    """The last one rolls the transaction back behind everybody's back, as SQLite itself does on some errors."""
    undone: list[int] = []

    def act(number: int) -> Callable[[Tx], None]:
        def write(tx: Tx) -> None:
            _append(tx, "never")
            tx.on_rollback(lambda: undone.append(number))
            assert store._turns is not None
            if not store._turns._waiting and tx.raw is not None:
                tx.raw.rollback()

        return write

    for ended in _together(store, [act(number) for number in range(WRITERS)]):
        assert isinstance(ended.exception(), ArcError)
    assert sorted(undone) == list(range(WRITERS))
    assert _subjects(store) == []


def test_one_who_gives_up_waiting_leaves_no_transaction_open(store: Store, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_S", 0.02)
    gave_up = threading.Event()

    def wait() -> None:
        with pytest.raises(StoreBusy), store.write():
            raise AssertionError("two writers at once")
        gave_up.set()

    with ThreadPoolExecutor(1) as threads:
        with store.write() as tx:
            _append(tx, "it")
            ended = threads.submit(wait)
            assert gave_up.wait(10)
        ended.result()
    assert _on_disk(sqlite_url) == {"it"}


def test_upkeep_between_two_who_share(store: Store) -> None:
    start = threading.Barrier(4)

    def write(name: int) -> None:
        start.wait()
        for _ in range(25):
            with store.write() as tx:
                _append(tx, str(name))

    def keep_up() -> None:
        start.wait()
        for _ in range(25):
            store.upkeep()

    with ThreadPoolExecutor(4) as threads:
        ended = [threads.submit(write, number) for number in range(3)] + [threads.submit(keep_up)]
    for one in ended:
        one.result()
    assert len(_subjects(store)) == 75


def test_a_store_of_an_older_schema_keeps_what_hangs_on_its_jobs(tmp_path: Path) -> None:
    """The table of jobs is made anew, and with it nothing else."""
    path = tmp_path / "old.db"
    _old(path)
    store = Store.open(f"sqlite:///{path}", clock=FakeClock())
    with store.read() as tx:
        for table in ("jobs", "job_needs", "job_references", "attempts", "metric_chunks", "artifacts"):
            assert tx.conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 1, table
        assert tx.conn.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        assert [(event.seq, event.subject) for event in events.after(tx, 0)] == [(1, "a"), (2, "b")]
    with store.write() as tx:
        _append(tx, "c")
        tx.conn.exec_driver_sql("DELETE FROM jobs")
    with store.read() as tx:
        assert events.last_seq(tx) == 3
        assert tx.conn.exec_driver_sql("SELECT count(*) FROM attempts").scalar_one() == 0, "what hangs on a job goes with it"
    store.close()


def _old(path: Path) -> None:
    """A store as it was before its tables were made anew, with one row of each kind that hangs on a job."""
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
    with closing(create_engine(f"sqlite:///{path}").connect()) as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0003")
        conn.commit()
    rows = [
        (
            "jobs VALUES ('job_1', 'r', '1', '{}', '{}', '{}', 1, 0, 2, 'queued', 0, 0, '{}', '{}', 1, NULL, NULL, 0, NULL, NULL, 0, 'x', "
            "NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 'key', 'digest')"
        ),
        "job_needs VALUES ('job_1', 'job_0')",
        "job_references VALUES ('job_1', 'job_0')",
        "attempts VALUES ('job_1', 1, 'local', 's', NULL, 0, 0, 'running', NULL, NULL, NULL, NULL, NULL, '[]', 0, NULL, NULL)",
        "metric_chunks VALUES ('job_1', 'loss', 1, 0, 1, 0, 0, X'')",
        "artifacts VALUES ('a', 'job_1', 1, 'n', 'model', 'd', 1, 'p', NULL, 1, 0, 0)",
        "events VALUES (1, 'a', 'a.b', 0, 'x', '{}'), (2, 'b', 'a.b', 0, 'x', '{}')",
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        for row in rows:
            connection.execute(f"INSERT INTO {row}")
