"""What every store must do for attempts and events; a part of `StoreContract`."""

import threading
from collections.abc import Callable

import pytest

from arc.core.attempt import Failure, FailureClass, ProcessIdentity
from arc.core.errors import Conflict, LeaseLost, NotFound
from arc.core.event import Event
from arc.store import attempts, events
from arc.store.engine import Store, Tx
from arc.testing.store_values import MOMENT, after, at_once, attempt, job, put, read, start

_ALICE = ProcessIdentity(pid=12, start_time=2**40, boot_id="b00t", reaper_pid=11, reaper_start_time=5)
_NO_MEMORY = Failure(failure_class=FailureClass.OOM, message="too big", log_tail="…\n")


class AttemptsContract:
    """Leases, journal offsets and capabilities."""

    def test_an_attempt_lives_and_ends(self, store: Store) -> None:
        put(store, job())
        start(store)
        with store.write() as tx:
            attempts.set_identity(tx, "job_1", 1, _ALICE)
            assert attempts.renew(tx, "job_1", 1, until=after(99))
        assert read(store, lambda tx: attempts.get(tx, "job_1", 1)) == attempt(identity=_ALICE, lease_expires_at=after(99))
        assert [one.number for one in read(store, lambda tx: attempts.open(tx))] == [1]
        with store.write() as tx:
            attempts.finish(tx, "job_1", 1, outcome="failed", ended_at=after(5), signal=9, failure=_NO_MEMORY)
        (ended,) = read(store, lambda tx: attempts.of_job(tx, "job_1"))
        assert (ended.outcome, ended.signal, ended.exit_code, ended.failure, ended.ended_at) == ("failed", 9, None, _NO_MEMORY, after(5))
        assert read(store, lambda tx: attempts.open(tx)) == []

    def test_an_attempt_that_has_ended_writes_no_more(self, store: Store) -> None:
        put(store, job())
        start(store)
        with store.write() as tx:
            attempts.finish(tx, "job_1", 1, outcome="done", ended_at=MOMENT)
        late: list[Callable[[Tx], object]] = [
            lambda tx: attempts.advance(tx, "job_1", 1, from_offset=0, to_offset=9),
            lambda tx: attempts.set_identity(tx, "job_1", 1, _ALICE),
            lambda tx: attempts.finish(tx, "job_1", 1, outcome="failed", ended_at=after(1)),
        ]
        for write in late:
            with pytest.raises(LeaseLost), store.write() as tx:
                write(tx)
        with store.write() as tx:
            assert not attempts.renew(tx, "job_1", 1, until=after(99))
        assert read(store, lambda tx: attempts.get(tx, "job_1", 1)) == attempt(outcome="done", ended_at=MOMENT)

    def test_a_piece_of_the_journal_is_recorded_once(self, store: Store) -> None:
        put(store, job())
        start(store)

        def follow(_: int) -> bool:
            try:
                with store.write() as tx:
                    attempts.advance(tx, "job_1", 1, from_offset=0, to_offset=2**40)
            except LeaseLost:
                return False
            return True

        assert sum(at_once(5, follow)) == 1
        assert read(store, lambda tx: attempts.get(tx, "job_1", 1)).journal_offset == 2**40

    def test_a_number_is_taken_once_and_an_unknown_one_not_found(self, store: Store) -> None:
        put(store, job())
        start(store)
        with pytest.raises(Conflict), store.write() as tx:
            attempts.insert(tx, attempt())
        with pytest.raises(NotFound), store.read() as tx:
            attempts.get(tx, "job_1", 2)

    def test_a_capability_dies_with_its_attempt(self, store: Store) -> None:
        put(store, job())
        start(store)
        with store.write() as tx:
            attempts.set_capability(tx, "job_1", 1, secret_hash="h")  # noqa: S106 - made up
        found = read(store, lambda tx: attempts.by_capability(tx, "h"))
        assert found is not None
        assert (found.job_id, found.number) == ("job_1", 1)
        assert read(store, lambda tx: attempts.by_capability(tx, "other")) is None
        with store.write() as tx:
            attempts.finish(tx, "job_1", 1, outcome="requeued", ended_at=MOMENT)
        assert read(store, lambda tx: attempts.by_capability(tx, "h")) is None


class EventsContract:
    """Numbers without a gap, in the order of the commits."""

    def test_events_are_numbered_from_one(self, store: Store) -> None:
        assert read(store, lambda tx: events.last_seq(tx)) == 0
        with store.write() as tx:
            made = [events.append(tx, subject=f"s{i % 2}", kind="a.b", actor="me", detail={"i": i}) for i in range(5)]
            now = tx.clock.now()
        assert [event.seq for event in made] == [1, 2, 3, 4, 5]
        assert read(store, lambda tx: events.after(tx, 0)) == made
        assert made[0].at == now
        assert read(store, lambda tx: events.after(tx, 1, subject="s0")) == [made[2], made[4]]
        assert read(store, lambda tx: events.after(tx, 1, limit=2)) == made[1:3]
        assert read(store, lambda tx: events.last_seq(tx)) == 5

    def test_a_transaction_that_is_rolled_back_leaves_no_gap(self, store: Store) -> None:
        self._append(store, "first")
        with pytest.raises(Conflict), store.write() as tx:  # noqa: PT012 - what comes before the error matters
            events.append(tx, subject="lost", kind="a.b", actor="me")
            raise Conflict
        self._append(store, "second")
        assert [(e.seq, e.subject) for e in read(store, lambda tx: events.after(tx, 0))] == [(1, "first"), (2, "second")]

    def test_a_reader_never_sees_a_later_number_first(self, store: Store) -> None:
        """Writers at once, one of which follows what the others have committed."""
        seen: list[int] = []
        writers, each = 4, 12
        over = threading.Event()

        def follow() -> None:
            while True:
                last = over.is_set()
                with store.read() as tx:
                    seen.extend(event.seq for event in events.after(tx, seen[-1] if seen else 0))
                if last:
                    return

        def write(i: int) -> None:
            for j in range(each):
                self._append(store, f"{i}.{j}")

        reader = threading.Thread(target=follow)
        reader.start()
        at_once(writers, write)
        over.set()
        reader.join()
        assert seen == list(range(1, writers * each + 1))

    @staticmethod
    def _append(store: Store, subject: str) -> Event:
        with store.write() as tx:
            return events.append(tx, subject=subject, kind="a.b", actor="me")
