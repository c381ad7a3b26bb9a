"""What a transaction promises, and how the database's own errors are named, on both databases."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from arc.core.errors import ArcError, Conflict, InvalidSpec, NoSpace, StoreBusy
from arc.core.job import Job
from arc.store import attempts, connections, datasets, events, experiments, jobs, metrics, tokens
from arc.store.engine import Store, Tx
from arc.testing.clock import FakeClock
from arc.testing.store_values import MOMENT, after, attempt, dataset, experiment, job

BOTH = ["sqlite_store", "postgres_store"]


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def _append(tx: Tx, subject: str = "it") -> int:
    return events.append(tx, subject=subject, kind="a.b", actor="test").seq


def _subjects(store: Store) -> list[str]:
    with store.read() as tx:
        return [event.subject for event in events.after(tx, 0)]


def test_an_error_undoes_everything(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as tx:  # noqa: PT012 - what comes before the error matters
        jobs.insert(tx, job("job_1"))
        _append(tx)
        raise ZeroDivisionError
    assert _subjects(store) == []
    with store.read() as tx:
        assert jobs.counts(tx)["queued"] == 0


def test_callbacks_come_after_the_commit_in_order_and_may_write_again(store: Store) -> None:
    seen: list[object] = []

    def note(name: str) -> Callable[[], None]:
        return lambda: seen.append((name, _subjects(store)))

    def write_again() -> None:
        with store.write() as tx:
            _append(tx, "again")

    with store.write() as tx:
        tx.after_commit(note("first"))
        _append(tx, "it")
        tx.after_commit(write_again)
        tx.after_commit(note("second"))
        tx.on_rollback(note("never"))
        assert seen == []
    assert seen == [("first", ["it"]), ("second", ["it", "again"])]


def test_a_rollback_undoes_what_was_done_beside_it_last_one_first(store: Store) -> None:
    seen: list[str] = []
    with pytest.raises(Conflict), store.write() as tx:  # noqa: PT012 - what comes before the error matters
        tx.on_rollback(lambda: seen.append("first"))
        tx.on_rollback(lambda: seen.append("second"))
        tx.after_commit(lambda: seen.append("never"))
        jobs.insert(tx, job("job_1"))
        jobs.insert(tx, job("job_1"))
    assert seen == ["second", "first"]


def test_what_one_transaction_reads_does_not_change_under_it(store: Store) -> None:
    with store.write() as tx:
        _append(tx)
    with store.read() as tx:
        before = events.last_seq(tx)
        with store.write() as other:
            _append(other)
            jobs.insert(other, job("job_1"))
        assert events.last_seq(tx) == before
        assert jobs.counts(tx)["queued"] == 0
    assert len(_subjects(store)) == 2


def test_what_was_read_cannot_be_written(store: Store) -> None:
    """A read transaction that writes by mistake keeps nothing."""
    with pytest.raises(ArcError), store.read() as tx:
        _append(tx)
    assert _subjects(store) == []


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    with store.write() as tx, ThreadPoolExecutor(1) as thread:
        _append(tx)
        assert thread.submit(_subjects, store).result(timeout=5) == []


def test_many_writers_take_turns(store: Store) -> None:
    start = threading.Barrier(6)

    def write(name: int) -> None:
        start.wait()
        for _ in range(10):
            with store.write() as tx:
                found = jobs.get(tx, "job_1").retry_count  # read, then write: nobody comes between on SQLite
                if store.dialect == "sqlite":
                    jobs.update(tx, "job_1", retry_count=found + 1)
                _append(tx, str(name))

    with store.write() as tx:
        jobs.insert(tx, job("job_1"))
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(6)))
    assert len(_subjects(store)) == 60
    with store.read() as tx:
        assert jobs.get(tx, "job_1").retry_count == (60 if store.dialect == "sqlite" else 0)


@pytest.mark.parametrize("bad", ["nul \0 inside", "half \ud800 pair"])
def test_a_text_that_cannot_be_kept_is_the_caller_s_fault(store: Store, bad: str) -> None:
    attempts_of_it: list[Callable[[Tx], object]] = [
        lambda tx: jobs.insert(tx, job("job_1", submitted_by=bad)),
        lambda tx: jobs.insert(tx, job("job_1"), key=bad),
        lambda tx: events.append(tx, subject=bad, kind="a.b", actor="test"),
        lambda tx: experiments.update(tx, "exp_1", dataset=bad),
        lambda tx: jobs.get(tx, bad),
        lambda tx: experiments.page(tx, search=bad),
        lambda tx: tokens.by_hash(tx, bad),
    ]
    for call in attempts_of_it:
        with pytest.raises(InvalidSpec) as refused, store.write() as tx:
            call(tx)
        assert "text" in refused.value.message
    assert _subjects(store) == []


def test_any_text_in_what_is_not_looked_into_comes_back_whole(store: Store) -> None:
    detail = {"nul": "a\0b", "half": "\ud800", "smile": "\U0001f600", "ключ": ["é", "\n\t\\\"'%_"], "deep": {"a": [{}, [], None, True]}}
    with store.write() as tx:
        events.append(tx, subject="it", kind="a.b", actor="test", detail=detail)
        jobs.insert(tx, job("job_1", params=detail, result=detail))
    with store.read() as tx:
        assert events.after(tx, 0)[0].detail == detail
        assert jobs.get(tx, "job_1").params == detail
        assert jobs.get(tx, "job_1").result == detail


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 10**30, 0.1, 5e-324, 1.7976931348623157e308, -0.0])
def test_numbers_come_back_to_the_last_digit(store: Store, number: float) -> None:
    with store.write() as tx:
        jobs.insert(tx, job("job_1", params={"n": number}))
    with store.read() as tx:
        found = jobs.get(tx, "job_1").params["n"]
    assert (repr(found), type(found)) == (repr(number), type(number))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused_and_not_turned_into_something_else(store: Store, number: float) -> None:
    for call in (
        lambda tx: jobs.insert(tx, job("job_1", params={"n": number})),
        lambda tx: events.append(tx, subject="it", kind="a.b", actor="test", detail={"n": [number]}),
    ):
        with pytest.raises(InvalidSpec) as refused, store.write() as tx:
            call(tx)
        assert "number" in refused.value.message


def test_a_number_that_is_too_large_for_its_column_is_the_caller_s_fault(store: Store) -> None:
    for call in (
        lambda tx: jobs.insert(tx, job("job_1", seed=2**63)),
        lambda tx: events.after(tx, 2**63),
    ):
        with pytest.raises(InvalidSpec), store.write() as tx:
            call(tx)


@pytest.mark.parametrize(
    "moment",
    [
        MOMENT,
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_a_moment_is_the_same_to_the_microsecond(store: Store, moment: datetime) -> None:
    with store.write() as tx:
        jobs.insert(tx, job("job_1", created_at=moment, not_before=moment))
        experiments.insert(tx, experiment("exp_1", created_at=moment, completed_at=moment))
    with store.read() as tx:
        found, made = jobs.get(tx, "job_1"), experiments.get(tx, "exp_1")
    assert found.created_at == found.not_before == made.created_at == made.completed_at == moment
    assert found.created_at.utcoffset() == timedelta(0)


def test_what_belongs_to_nothing_is_refused_in_words_that_say_so(store: Store) -> None:
    for call in (
        lambda tx: attempts.insert(tx, attempt("job_gone")),
        lambda tx: metrics.append(tx, job_id="job_gone", attempt=1, points={"loss": [(1, 1.0, 0.0)]}),
    ):
        with pytest.raises(Conflict) as refused, store.write() as tx:
            call(tx)
        assert "already" not in refused.value.message


def test_a_writer_that_waits_too_long_is_told_to_come_back(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process by our lock, between processes by the lock of SQLite."""
    monkeypatch.setattr(connections, "BUSY_S", 0.05)
    one, other = (Store.open(sqlite_url, clock=FakeClock()) for _ in range(2))
    with one.write() as tx:
        _append(tx)
        for store in (one, other):
            with pytest.raises(StoreBusy), store.write():
                raise AssertionError("two writers at once")
    with other.write() as tx:
        assert _append(tx) == 2
    one.close()
    other.close()


def test_a_full_disk_is_called_by_its_name(sqlite_store: Store) -> None:
    with sqlite_store.write() as tx:
        pages = tx.conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(NoSpace), sqlite_store.write() as tx:
        jobs.insert(tx, job("job_1", params={"text": "x" * 100_000}))
    with sqlite_store.write() as tx:
        _append(tx)
    assert _subjects(sqlite_store) == ["it"]


def test_upkeep_gives_back_what_was_deleted(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    store = Store.open(sqlite_url, clock=FakeClock())
    with store.write() as tx:
        for number in range(40):
            jobs.insert(tx, _large(number))
    store.upkeep()
    full = path.stat().st_size
    with store.write() as tx:
        jobs.delete_of_experiment(tx, "exp_1")
    done = store.upkeep()
    assert done["pages_freed"] > 100
    assert not done["wal_busy"]
    assert path.stat().st_size < full / 2
    assert path.with_name("arc.db-wal").stat().st_size == 0
    store.close()


def test_upkeep_does_not_need_the_readers_to_leave(sqlite_store: Store) -> None:
    with sqlite_store.write() as tx:
        _append(tx)
    with sqlite_store.read() as tx:
        events.last_seq(tx)
        with sqlite_store.write() as other:
            _append(other)
        sqlite_store.upkeep()
    assert len(_subjects(sqlite_store)) == 2


def test_upkeep_leaves_postgres_to_itself(postgres_store: Store) -> None:
    assert postgres_store.upkeep() == {"dialect": "postgresql"}


def _large(number: int) -> Job:
    return job(f"job_{number}", experiment_id="exp_1", params={"text": "x" * 20_000})


def test_names_are_sorted_and_found_alike_on_both(store: Store) -> None:
    """Databases differ in what comes first, `a` or `B`, and in whether `LIKE` tells them apart."""
    with store.write() as tx:
        jobs.insert(tx, job("job_1"))
        metrics.append(tx, job_id="job_1", attempt=1, points={name: [(0, 1.0, 0.0)] for name in ("b", "A", "_", "a/b", "a.c", "É", "Z")})
        for name in ("b", "A", "a_b", "a.c", "Z"):
            datasets.insert(tx, dataset(name))
        for i, name in enumerate(("Eyes@1", "eyes@2", "e%s@1", "e\\s@1")):
            experiments.insert(tx, experiment(f"exp_{i}", dataset=name, created_at=after(i)))
    with store.read() as tx:
        assert metrics.names(tx, "job_1") == ["A", "Z", "_", "a.c", "a/b", "b", "É"]
        assert datasets.names(tx) == ["A", "Z", "a.c", "a_b", "b"]
        found = {
            search: [one.id for one in experiments.page(tx, search=search).items] for search in ("eYeS", "e%s", "e\\s", "e_s", "EXP_1")
        }
    assert found == {"eYeS": ["exp_1", "exp_0"], "e%s": ["exp_2"], "e\\s": ["exp_3"], "e_s": [], "EXP_1": ["exp_1"]}


@pytest.fixture
def two_postgres(postgres_url: str) -> Iterator[tuple[Store, Store]]:
    one, other = (Store.open(postgres_url, clock=FakeClock()) for _ in range(2))
    yield one, other
    one.close()
    other.close()


def test_one_process_is_the_engine_of_a_postgres_store(two_postgres: tuple[Store, Store]) -> None:
    one, other = two_postgres
    assert one.own()
    assert one.own()
    assert not other.own()
    one.close()
    assert other.own()


def test_an_engine_that_lost_its_session_takes_the_lock_again_unless_another_is_faster(two_postgres: tuple[Store, Store]) -> None:
    one, other = two_postgres
    assert one.own()
    _end_other_sessions(other)
    assert one.own()
    assert not other.own()
    _end_other_sessions(other)
    assert other.own()
    assert not one.own()


def _end_other_sessions(store: Store) -> None:
    others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with store.write() as tx:
        tx.conn.exec_driver_sql(others)


def test_a_file_is_owned_by_whoever_holds_its_workspace(sqlite_store: Store) -> None:
    assert sqlite_store.own()
