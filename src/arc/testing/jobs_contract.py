"""What every store must do for jobs: insert, page, claim, move; a part of `StoreContract`.

Who may write is decided by conditions on the rows, so many tests are about those who come too late or at the
same moment. Threads wait for each other at a barrier, never for a time to pass.
"""

from typing import Any

import pytest

from arc.core.attempt import Failure, FailureClass
from arc.core.errors import Conflict, InvalidSpec, LeaseLost, NotFound
from arc.core.job import Job, Priority, Progress
from arc.core.page import Page
from arc.core.states import JobStatus
from arc.store import attempts, events, jobs
from arc.store.engine import Store
from arc.testing.store_values import MOMENT, after, at_once, ids, job, put, read, start

_NO_MEMORY = Failure(failure_class=FailureClass.OOM, message="too big", log_tail="…\n")


class JobsContract:
    """Insert, page, claim, move."""

    def test_a_job_reads_back_as_it_was_written(self, store: Store) -> None:
        whole = job(
            status=JobStatus.FAILED,
            needs=("job_b", "job_a"),
            priority=Priority.LOW,
            failure=_NO_MEMORY,
            progress=Progress(done=1.5, of=3, values={"loss": 0.1}),
            metrics={"auc": {"value": 0.5, "low": None}},
            result={"any": ["thing", 1.25e-300]},
            not_before=after(1e-6),
            completed_at=after(100_000.000001),
        )
        put(store, whole)
        found = read(store, lambda tx: jobs.get(tx, "job_1"))
        assert found.model_copy(update={"needs": ()}) == whole.model_copy(update={"needs": ()})
        assert sorted(found.needs) == ["job_a", "job_b"]

    def test_an_unknown_job_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound) as refused, store.read() as tx:
            jobs.get(tx, "job_x")
        assert refused.value.field == "job_id"

    def test_an_idempotency_key_is_given_once(self, store: Store) -> None:
        with store.write() as tx:
            jobs.insert(tx, job(), key="k", request_digest="d")
        with pytest.raises(Conflict), store.write() as tx:
            jobs.insert(tx, job("job_2"), key="k", request_digest="other")
        first = read(store, lambda tx: jobs.by_key(tx, "k"))
        assert first is not None
        assert (first[0].id, first[1]) == ("job_1", "d")
        assert read(store, lambda tx: jobs.by_key(tx, "K")) is None
        assert read(store, lambda tx: jobs.counts(tx))["queued"] == 1

    def test_many_submit_with_one_key_and_one_job_is_there(self, store: Store) -> None:
        def submit(i: int) -> bool:
            try:
                with store.write() as tx:
                    jobs.insert(tx, job(f"job_{i}"), key="same")
            except Conflict:
                return False
            return True

        assert sum(at_once(6, submit)) == 1
        assert sum(read(store, lambda tx: jobs.counts(tx)).values()) == 1

    def test_pages_hold_every_job_once(self, store: Store) -> None:
        put(store, *[job(f"job_{i:02}", recipe="even" if i % 2 == 0 else "odd", experiment_id="e" if i < 3 else None) for i in range(11)])

        def walk(newest_first: bool, recipe: str | None = None) -> list[str]:
            found, cursor = [], None
            while True:
                here: Page[Job] = read(store, lambda tx: jobs.page(tx, limit=3, cursor=cursor, newest_first=newest_first, recipe=recipe))  # noqa: B023
                found += ids(here.items)
                cursor = here.next_cursor
                if cursor is None:
                    return found

        everyone = [f"job_{i:02}" for i in range(11)]
        assert walk(newest_first=False) == everyone
        assert walk(newest_first=True) == everyone[::-1]
        assert walk(newest_first=False, recipe="odd") == everyone[1::2]
        assert ids(read(store, lambda tx: jobs.page(tx, experiment="e", statuses=["queued", "running"])).items) == everyone[2::-1]
        assert read(store, lambda tx: jobs.page(tx, statuses=[JobStatus.FAILED])) == Page(items=[], next_cursor=None)

    def test_a_page_is_not_moved_by_jobs_that_come_meanwhile(self, store: Store) -> None:
        put(store, *[job(f"job_{i}") for i in range(4)])
        first = read(store, lambda tx: jobs.page(tx, limit=2))
        put(store, job("job_9"))
        second = read(store, lambda tx: jobs.page(tx, limit=2, cursor=first.next_cursor))
        assert ids([*first.items, *second.items]) == ["job_3", "job_2", "job_1", "job_0"]

    @pytest.mark.parametrize("cursor", ["", "!!!!", "é", "_w", "AA", "x" * 10_000, "am9iXzE\n"])
    def test_a_cursor_that_no_list_gave_is_refused(self, store: Store, cursor: str) -> None:
        with pytest.raises(InvalidSpec) as refused, store.read() as tx:
            jobs.page(tx, cursor=cursor)
        assert refused.value.field == "cursor"

    @pytest.mark.parametrize("limit", [-1, 0, 1001, 2**70])
    def test_a_page_size_out_of_bounds_is_refused(self, store: Store, limit: int) -> None:
        with pytest.raises(InvalidSpec), store.read() as tx:
            jobs.page(tx, limit=limit)

    def test_the_queue_is_ordered_by_priority_then_age(self, store: Store) -> None:
        put(
            store,
            job("job_1", priority=Priority.LOW),
            job("job_2"),
            job("job_3", priority=Priority.CRITICAL),
            job("job_4"),
            job("job_5", hold=True),
            job("job_6", not_before=after(10)),
            job("job_7", status=JobStatus.PENDING),
        )
        assert ids(read(store, lambda tx: jobs.claimable(tx, now=MOMENT))) == ["job_3", "job_2", "job_4", "job_1"]
        assert ids(read(store, lambda tx: jobs.claimable(tx, now=after(10), limit=4))) == ["job_3", "job_2", "job_4", "job_6"]
        assert read(store, lambda tx: jobs.waiting(tx, now=MOMENT)) == {"ready": 4, "hold": 1, "backoff": 1, "jobs": 1}

    def test_the_queue_without_some_roles(self, store: Store) -> None:
        light = job().requires.model_copy(update={"role": "light"})
        put(store, job("job_1"), job("job_2", requires=light), job("job_3", requires=light, priority=Priority.HIGH), job("job_4"))
        assert ids(read(store, lambda tx: jobs.claimable(tx, now=MOMENT, without={"task"}))) == ["job_3", "job_2"]
        assert ids(read(store, lambda tx: jobs.claimable(tx, now=MOMENT, without={"light"}, limit=1))) == ["job_1"]
        assert read(store, lambda tx: jobs.claimable(tx, now=MOMENT, without={"task", "light"})) == []

    def test_a_waiting_retry_is_due_when_it_said(self, store: Store) -> None:
        assert read(store, lambda tx: jobs.next_due(tx, now=MOMENT)) is None
        put(
            store, job("job_1", not_before=after(7.000001)), job("job_2", not_before=after(9)), job("job_3", not_before=after(1), hold=True)
        )
        assert read(store, lambda tx: jobs.next_due(tx, now=MOMENT)) == after(7.000001)
        assert read(store, lambda tx: jobs.next_due(tx, now=after(8))) == after(9)

    def test_a_claim_starts_the_next_attempt(self, store: Store) -> None:
        put(store, job(attempt=1, started_at=after(-5), not_before=after(-1), progress=Progress(done=1)))
        with store.write() as tx:
            claimed = jobs.claim(tx, "job_1", now=MOMENT)
            again = jobs.claim(tx, "job_1", now=MOMENT)
        assert again is None
        assert claimed is not None
        assert (claimed.status, claimed.attempt, claimed.started_at) == (JobStatus.RUNNING, 2, after(-5))
        assert (claimed.not_before, claimed.progress) == (None, None)
        put(store, job("job_2"), job("job_3", hold=True))
        assert start(store, "job_2").started_at == MOMENT
        with store.write() as tx:
            assert jobs.claim(tx, "job_3", now=MOMENT) is None

    def test_of_many_who_claim_one_wins(self, store: Store) -> None:
        put(store, *[job(f"job_{i}") for i in range(4)])

        def claim_all(_: int) -> list[str]:
            won = []
            for i in range(4):
                with store.write() as tx:
                    if jobs.claim(tx, f"job_{i}", now=MOMENT) is not None:
                        won.append(f"job_{i}")
            return won

        won = at_once(5, claim_all)
        assert sorted(one for mine in won for one in mine) == [f"job_{i}" for i in range(4)]
        assert [one.attempt for one in read(store, lambda tx: jobs.running(tx))] == [1, 1, 1, 1]

    def test_a_move_writes_its_event_and_columns(self, store: Store) -> None:
        put(store, job())
        start(store)
        with store.write() as tx:
            done = jobs.move(
                tx, "job_1", to=JobStatus.COMPLETED, expect=JobStatus.RUNNING, token=1, actor="me", detail={"a": 1},
                completed_at=after(1), metrics={"auc": 1}, result={}, reason=None,
            )  # fmt: skip
        assert (done.status, done.metrics, done.result, done.completed_at) == (JobStatus.COMPLETED, {"auc": 1}, {}, after(1))
        assert done == read(store, lambda tx: jobs.get(tx, "job_1"))
        (event,) = read(store, lambda tx: events.after(tx, 0))
        assert (event.subject, event.kind, event.actor, event.detail) == ("job_1", "job.completed", "me", {"a": 1})

    def test_a_refused_move_changes_nothing(self, store: Store) -> None:
        put(store, job())
        start(store)
        cases: list[tuple[type[Exception], dict[str, Any]]] = [
            (LeaseLost, {"to": JobStatus.COMPLETED, "expect": JobStatus.RUNNING, "token": 2}),
            (Conflict, {"to": JobStatus.CANCELLED, "expect": JobStatus.QUEUED}),
            (Conflict, {"to": JobStatus.PENDING, "expect": JobStatus.RUNNING}),
        ]
        for error, move in cases:
            with pytest.raises(error), store.write() as tx:
                jobs.move(tx, "job_1", **move)
        with pytest.raises(NotFound), store.write() as tx:
            jobs.move(tx, "job_x", to=JobStatus.CANCELLED, expect=JobStatus.QUEUED)
        assert read(store, lambda tx: jobs.get(tx, "job_1")).status is JobStatus.RUNNING
        assert read(store, lambda tx: events.last_seq(tx)) == 0

    def test_cancel_and_completion_race_to_one_end(self, store: Store) -> None:
        put(store, job())
        start(store)

        def end(i: int) -> bool:
            try:
                with store.write() as tx:
                    jobs.move(tx, "job_1", to=(JobStatus.COMPLETED, JobStatus.CANCELLED)[i % 2], expect=JobStatus.RUNNING, token=1)
            except Conflict:
                return False
            return True

        assert sum(at_once(6, end)) == 1
        assert len(read(store, lambda tx: events.after(tx, 0))) == 1

    def test_an_update_needs_the_token_of_the_running_attempt(self, store: Store) -> None:
        put(store, job())
        start(store)
        with store.write() as tx:
            changed = jobs.update(tx, "job_1", token=1, progress=Progress(done=2), last_checkpoint="a/b")
            asked = jobs.update(tx, "job_1", cancel_requested="rollback", hold=True)
        assert changed.progress == Progress(done=2)
        assert (asked.cancel_requested, asked.hold, asked.last_checkpoint) == ("rollback", True, "a/b")
        with pytest.raises(LeaseLost), store.write() as tx:
            jobs.update(tx, "job_1", token=2, progress=Progress(done=9))
        with store.write() as tx:
            jobs.move(tx, "job_1", to=JobStatus.QUEUED, expect=JobStatus.RUNNING, token=1)
        with pytest.raises((LeaseLost, Conflict)), store.write() as tx:
            jobs.update(tx, "job_1", token=1, progress=Progress(done=9))
        with pytest.raises(NotFound), store.write() as tx:
            jobs.update(tx, "job_x", hold=True)
        assert read(store, lambda tx: jobs.get(tx, "job_1")).progress == Progress(done=2)

    def test_a_priority_can_be_changed(self, store: Store) -> None:
        put(store, job("job_1"), job("job_2"))
        with store.write() as tx:
            assert jobs.update(tx, "job_2", priority=Priority.HIGH).priority is Priority.HIGH
        assert ids(read(store, lambda tx: jobs.claimable(tx, now=MOMENT))) == ["job_2", "job_1"]

    def test_who_waits_for_whom(self, store: Store) -> None:
        put(
            store,
            job("job_1", experiment_id="e"),
            job("job_2", status=JobStatus.PENDING, needs=("job_1",), experiment_id="e"),
            job("job_3", status=JobStatus.CANCELLED, needs=("job_1",), experiment_id="e"),
            job("job_4", status=JobStatus.PENDING, needs=("job_2", "job_1")),
        )
        assert ids(read(store, lambda tx: jobs.dependents(tx, "job_1"))) == ["job_2", "job_4"]
        assert ids(read(store, lambda tx: jobs.active_in_experiment(tx, "e"))) == ["job_1", "job_2"]
        counts = read(store, lambda tx: jobs.counts(tx))
        assert counts == {"pending": 2, "queued": 1, "running": 0, "completed": 0, "failed": 0, "cancelled": 1}

    def test_the_queue_is_counted_by_status_and_priority(self, store: Store) -> None:
        put(
            store,
            job("job_1"),
            job("job_2"),
            job("job_3", priority=Priority.HIGH),
            job("job_4", status=JobStatus.RUNNING),
            job("job_5", status=JobStatus.COMPLETED),
        )
        assert read(store, lambda tx: jobs.queue(tx)) == {("queued", "NORMAL"): 2, ("queued", "HIGH"): 1, ("running", "NORMAL"): 1}

    def test_who_reads_what_is_known(self, store: Store) -> None:
        digest = "ab" * 32
        put(
            store,
            job("job_1"),
            job("job_2", inputs={"model": f"artifact:{digest}", "data": "dataset:eyes@1"}),
            job("job_3", inputs={"model": "job:job_1/model.safetensors"}),
            job("job_4", resumed_from="job_1"),
            job("job_5", needs=("job_1",)),
        )
        assert ids(read(store, lambda tx: jobs.referring(tx, [digest]))) == ["job_2"]
        assert ids(read(store, lambda tx: jobs.referring(tx, ["job_1", digest]))) == ["job_2", "job_3", "job_4"]
        assert read(store, lambda tx: jobs.referring(tx, [])) == []

    def test_what_hangs_on_the_jobs_of_an_experiment_goes_with_them(self, store: Store) -> None:
        put(store, job("job_1", experiment_id="e", needs=("job_0",), inputs={"model": "job:job_0/m"}), job("job_2"))
        start(store)
        with store.write() as tx:
            jobs.delete_of_experiment(tx, "e")
        assert ids(read(store, lambda tx: jobs.page(tx)).items) == ["job_2"]
        assert read(store, lambda tx: attempts.of_job(tx, "job_1")) == []
        assert read(store, lambda tx: jobs.referring(tx, ["job_0"])) == []

    @pytest.mark.parametrize("text", ["nul \0 inside", "half \ud800 pair"])
    def test_a_text_that_no_row_can_hold_is_the_caller_s_fault(self, store: Store, text: str) -> None:
        """PostgreSQL cannot hold NUL, so no store may; half a pair is no text at all."""
        with pytest.raises(InvalidSpec):
            put(store, job(submitted_by=text))
        with pytest.raises(InvalidSpec), store.read() as tx:
            jobs.get(tx, text)
