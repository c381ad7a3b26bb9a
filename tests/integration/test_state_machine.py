"""The job state machine, driven at random through the real verbs on both databases, beside a model of it.

Hypothesis submits, claims, reports, fails, retries, cancels, holds, resumes, loses attempts and reopens the store; after each
step every row, every attempt and the whole stream of events must be what the model says.
"""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from arc.artifacts import ArtifactStore
from arc.core.attempt import Failure, FailureClass, ProcessIdentity
from arc.core.errors import Conflict, LeaseLost
from arc.core.event import Event
from arc.core.job import Job, JobRequest, Priority
from arc.core.journal import JOURNAL, encode
from arc.core.ports import Exit
from arc.core.recipe import Done
from arc.core.states import MOVES, JobStatus
from arc.jobs import follow, lifecycle, retry
from arc.jobs.admission import Admission, Limitation, Measured
from arc.jobs.claim import Claimer
from arc.jobs.hub import Hub
from arc.jobs.paths import Layout
from arc.jobs.resolve import Resolver
from arc.jobs.service import Jobs
from arc.jobs.verdict import Requeue, Stopped, Verdict, judge
from arc.store import attempts, events, metrics
from arc.store import jobs as rows
from arc.store.engine import Store, Tx
from arc.testing.clock import FakeClock
from tests.integration.job_model import Expectations, Expected
from tests.postgres import Server, emptied, postgres_server

__all__ = ["postgres_server"]

S = JobStatus
SLOTS = 2
KEYS = ("k1", "k2")
AFTER = {"job.ready": S.QUEUED, "job.started": S.RUNNING, "job.requeued": S.QUEUED, "job.completed": S.COMPLETED}
AFTER |= {"job.failed": S.FAILED, "job.cancelled": S.CANCELLED}
KINDS = (FailureClass.OOM, FailureClass.LOST, FailureClass.NAN, FailureClass.EXCEPTION)
PROCESS = ProcessIdentity(pid=1, start_time=1, boot_id="b")
pick = st.integers(0, 1_000_000)  # which of those there are


class JobMachine(RuleBasedStateMachine):
    """One workspace without an engine; the test does what an engine would."""

    url: str
    workspace: Path
    emptied: Callable[[], str]  # an empty database; its URL

    @initialize()
    def open(self) -> None:
        self.clock = FakeClock()
        self.url = type(self).emptied()
        self.layout = Layout(self.workspace)
        self.admission = Admission(lambda: Measured(1000.0, 1000.0, 64), Limitation(task_slots=SLOTS, threads_per_task=1))
        self.executor = ThreadPoolExecutor(1)
        self.model = Expectations()
        self.keys: dict[str, tuple[JobRequest, str]] = {}
        self.final: dict[str, Job] = {}
        self.steps = count(1)
        self._open()

    def _open(self) -> None:
        self.store = Store.open(self.url, clock=self.clock)
        self.jobs = Jobs(self.store, self.layout, self.admission, Hub(self.store, self.executor), self.clock, faults_allowed=True)
        resolver = Resolver(self.layout, ArtifactStore(self.workspace / "artifacts"), self.clock)
        self.claimer = Claimer(self.layout, self.admission, resolver, self.clock, "local", 30.0)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.executor.shutdown()

    # --- what people ask --------------------------------------------------------------------

    @rule(
        needs=st.lists(pick, max_size=2),
        priority=st.sampled_from(Priority),
        retries=st.integers(0, 2),
        key=st.sampled_from([None, None, *KEYS]),
    )
    def submit(self, needs: list[int], priority: Priority, retries: int, key: str | None) -> None:
        wanted = tuple(sorted({self._any(number).id for number in needs} if self.model.jobs else ()))
        request = JobRequest(recipe="probe.faults", needs=list(wanted), priority=priority.value, max_retries=retries)
        self.clock.advance(0.01)  # ids sort by it
        if key in self.keys:
            self._repeat(request, str(key))
        elif self.model.refuses(wanted):
            with pytest.raises(Conflict):
                self.jobs.submit(request, actor="test", key=key)
        else:
            self._expect(self.jobs.submit(request, actor="test", key=key), wanted)
            if key is not None:
                self.keys[key] = (request, max(self.model.jobs))

    def _repeat(self, request: JobRequest, key: str) -> None:
        first, job_id = self.keys[key]
        assert self.jobs.submit(first, actor="test", key=key).id == job_id
        if request != first:
            with pytest.raises(Conflict, match="another request"):
                self.jobs.submit(request, actor="test", key=key)

    def _expect(self, job: Job, needs: tuple[str, ...]) -> None:
        assert job.id not in self.model.jobs
        self.model.submitted(Expected(job.id, job.priority, needs, job.retry.max_retries, self.model.first_status(needs)))

    @precondition(lambda self: self.model.jobs)
    @rule(number=pick, rollback=st.booleans())
    def cancel(self, number: int, rollback: bool) -> None:
        job = self._any(number)
        if job.over:
            with pytest.raises(Conflict, match="final"):
                self.jobs.cancel(job.id, rollback=rollback, actor="test")
            return
        self.jobs.cancel(job.id, rollback=rollback, actor="test")
        if job.status is S.RUNNING:
            job.cancel = "rollback" if rollback or job.cancel == "rollback" else "keep"
        else:
            job.cancel = "rollback" if rollback else None
            self.model.ended(job, S.CANCELLED)

    @precondition(lambda self: self.model.jobs)
    @rule(number=pick, hold=st.booleans())
    def hold(self, number: int, hold: bool) -> None:
        job = self._any(number)
        verb = self.jobs.hold if hold else self.jobs.release
        if job.over:
            with pytest.raises(Conflict, match="final"):
                verb(job.id, actor="test")
        else:
            verb(job.id, actor="test")
            job.hold = hold

    @precondition(lambda self: self.model.jobs)
    @rule(number=pick)
    def resume(self, number: int) -> None:
        job = self._any(number)
        possible = job.status in (S.FAILED, S.CANCELLED) and job.cancel != "rollback" and not job.resumed
        self.clock.advance(0.01)
        if not possible or self.model.refuses(job.needs):
            with pytest.raises(Conflict):
                self.jobs.resume(job.id, actor="test")
            return
        again = self.jobs.resume(job.id, actor="test")
        assert again.resumed_from == job.id
        self._expect(again, job.needs)
        job.resumed = True

    # --- what the engine does ---------------------------------------------------------------

    @rule()
    def claim(self) -> None:
        with self.store.write() as tx:
            claimed = self.claimer.next(tx)
        expected = self.model.next(self.clock.now(), SLOTS)
        assert (claimed.job.id if claimed else None) == (expected.id if expected else None)
        if claimed and expected:
            claimed.staging.mkdir(parents=True)
            expected.status, expected.due, expected.offset = S.RUNNING, None, 0
            expected.attempt += 1
            assert (claimed.job.attempt, claimed.order.number) == (expected.attempt, expected.attempt)

    @precondition(lambda self: self._running())
    @rule(number=pick, lines=st.integers(1, 3))
    def report(self, number: int, lines: int) -> None:
        job = self._one_running(number)
        journal = self._staging(job) / JOURNAL
        for _ in range(lines):
            step = next(self.steps)
            job.points.append((job.attempt, step, float(step)))
            with journal.open("ab") as file:
                file.write(encode("metrics", s=step, v={"loss": float(step)}, at=1.0) + encode("heartbeat", at=1.0))
        piece = follow.read(self._staging(job), job.offset)
        with self.store.write() as tx:
            self._record(tx, job, piece)
        with pytest.raises(LeaseLost), self.store.write() as tx:
            self._record(tx, job, piece)  # an engine whose answer was lost tries again: nothing is recorded twice
        job.offset = journal.stat().st_size

    @precondition(lambda self: self._running())
    @rule(number=pick)
    def complete(self, number: int) -> None:
        self._end(self._one_running(number), Done(metrics={"loss": 0.5}))

    @precondition(lambda self: self._running())
    @rule(number=pick, kind=st.sampled_from(KINDS))
    def fail(self, number: int, kind: FailureClass) -> None:
        self._end(self._one_running(number), Failure(failure_class=kind, message="told to fail"))

    @precondition(lambda self: self._running())
    @rule(number=pick, counts=st.booleans(), delay_s=st.sampled_from([0.0, 30.0]))
    def requeue(self, number: int, counts: bool, delay_s: float) -> None:
        self._end(self._one_running(number), Requeue("told to come again", delay_s=delay_s, counts=counts))

    @precondition(lambda self: self._running())
    @rule(number=pick)
    def expire(self, number: int) -> None:
        """The machine went down with the attempt: nobody saw how it ended."""
        self._end(self._one_running(number), judge(None, None, Exit(None, None), log_tail=""))

    @precondition(lambda self: any(job.cancel for job in self._running()))
    @rule(number=pick)
    def obey(self, number: int) -> None:
        asked = [job for job in self._running() if job.cancel]
        self._end(asked[number % len(asked)], judge(None, "cancel", Exit(0, None), log_tail=""))

    @rule()
    def restart(self) -> None:
        self.store.close()
        self._open()

    @rule(seconds=st.sampled_from([1.0, 100.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: any(job.attempt for job in self.model.jobs.values()))
    @rule(number=pick)
    def write_with_a_stale_token(self, number: int) -> None:
        """Whoever was the current attempt once changes nothing any more."""
        stale = [(job, n) for job in self.model.jobs.values() for n in range(1, job.attempt + (job.status is not S.RUNNING))]
        if not stale:
            return
        job, token = stale[number % len(stale)]
        row = self.jobs.get(job.id)
        verbs: list[Callable[[Tx], object]] = [
            lambda tx: attempts.advance(tx, job.id, token, from_offset=0, to_offset=9),
            lambda tx: attempts.set_identity(tx, job.id, token, PROCESS),
            lambda tx: self._lifecycle_end(tx, row.model_copy(update={"attempt": token}), Done(), None),
        ]
        if row.attempt != token:
            verbs.append(lambda tx: rows.update(tx, job.id, token=token, last_checkpoint="stale"))
            verbs.append(lambda tx: rows.move(tx, job.id, to=S.COMPLETED, expect=S.RUNNING, token=token))
        for verb in verbs:
            with pytest.raises(LeaseLost), self.store.write() as tx:
                verb(tx)
        with self.store.write() as tx:
            assert not attempts.renew(tx, job.id, token, until=self.clock.now())

    # --- ends -------------------------------------------------------------------------------

    def _end(self, job: Expected, verdict: Verdict) -> None:
        row = self.jobs.get(job.id)
        before = job.failures[verdict.failure_class] if isinstance(verdict, Failure) else 0
        at = (
            retry.next_try(row, verdict, before=before, now=self.clock.now(), rng=random.Random(0))
            if isinstance(verdict, Failure)
            else None
        )
        with self.store.write() as tx:
            attempts.set_identity(tx, job.id, job.attempt, PROCESS)
            self._lifecycle_end(tx, row, verdict, at)
        spent = job.retries >= job.max_retries
        if isinstance(verdict, Failure):
            job.failures[verdict.failure_class] += 1
            assert (at is None) == (spent or verdict.failure_class is FailureClass.NAN)
        if isinstance(verdict, Done):
            self.model.ended(job, S.COMPLETED)
        elif isinstance(verdict, Stopped) or job.cancel is not None:
            self.model.ended(job, S.CANCELLED)
        elif isinstance(verdict, Failure):
            self._again(job, counts=True, due=at) if at else self.model.ended(job, S.FAILED)
        elif verdict.counts and spent:
            self.model.ended(job, S.FAILED)
        else:
            self._again(job, counts=verdict.counts, due=None)
            job.due = self.jobs.get(job.id).not_before
            assert (job.due is not None) == (verdict.delay_s > 0)

    def _again(self, job: Expected, *, counts: bool, due: object) -> None:
        job.status, job.due = S.QUEUED, due  # type: ignore[assignment]
        job.retries += counts

    def _lifecycle_end(self, tx: Tx, row: Job, verdict: Verdict, at: object) -> Job:
        staging = self.layout.staging(row, row.attempt)
        return lifecycle.end(tx, row, verdict, Exit(0, None), made=[], retry_at=at, verb=None, staging=staging, clock=self.clock)  # type: ignore[arg-type]

    def _record(self, tx: Tx, job: Expected, piece: follow.Piece) -> None:
        follow.record(tx, piece, job_id=job.id, number=job.attempt, staging=self.layout.relative(self._staging(job)), clock=self.clock)

    def _staging(self, job: Expected) -> Path:
        return self.layout.staging(self.jobs.get(job.id), job.attempt)

    def _any(self, number: int) -> Expected:
        return list(self.model.jobs.values())[number % len(self.model.jobs)]

    def _running(self) -> list[Expected]:
        return [job for job in self.model.jobs.values() if job.status is S.RUNNING]

    def _one_running(self, number: int) -> Expected:
        found = self._running()
        return found[number % len(found)]

    # --- what must hold ---------------------------------------------------------------------

    @invariant()
    def rows_are_as_expected(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as tx:
            found = {job.id: job for job in rows.page(tx, limit=200).items}
            assert set(found) == set(self.model.jobs)
            for job in self.model.jobs.values():
                self._check(tx, job, found[job.id])
            check_events(events.after(tx, 0, limit=10_000), found)

    def _check(self, tx: Tx, job: Expected, row: Job) -> None:
        seen = (row.status, row.attempt, row.retry_count, row.hold, row.cancel_requested, row.not_before)
        assert seen == (job.status, job.attempt, job.retries, job.hold, job.cancel, job.due)
        made = attempts.of_job(tx, job.id)
        assert [attempt.number for attempt in made] == list(range(1, job.attempt + 1))
        assert [attempt.number for attempt in made if attempt.outcome == "running"] == ([job.attempt] if job.status is S.RUNNING else [])
        if job.points:
            curve = metrics.curve(tx, job.id, "loss")
            assert list(zip(curve.steps, curve.values, strict=True)) == job.curve()
        if job.over:
            assert self.final.setdefault(job.id, row) == row


def check_events(found: list[Event], jobs: dict[str, Job]) -> None:
    """The stream has no gap, and each job's part of it is a path through the moves that there are, to where the job is."""
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    status: dict[str, JobStatus | None] = dict.fromkeys(jobs)
    for event in found:
        after = JobStatus(event.detail["status"]) if event.kind == "job.submitted" else AFTER.get(event.kind)
        if after is not None:
            assert MOVES.get((status[event.subject], after)) == event.kind, (event.subject, status[event.subject], after)
            status[event.subject] = after
    assert status == {job.id: job.status for job in jobs.values()}


def drive(workspace: Path, emptied: Callable[[], str], *, examples: int) -> None:
    """Run the machine on databases that `emptied` makes."""
    machine = type("Driven", (JobMachine,), {"workspace": workspace, "emptied": staticmethod(emptied)})
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=slow)
    )


def test_jobs_move_as_the_model_says_on_sqlite(tmp_path: Path) -> None:
    made = (f"sqlite:///{tmp_path / f'{number}.db'}" for number in count())
    template = tmp_path / "template.db"
    Store.open(f"sqlite:///{template}", clock=FakeClock()).close()

    def fresh() -> str:
        url = next(made)
        Path(url.removeprefix("sqlite:///")).write_bytes(template.read_bytes())
        return url

    drive(tmp_path / "ws", fresh, examples=40)


def test_jobs_move_as_the_model_says_on_postgresql(tmp_path: Path, postgres_server: Server) -> None:
    drive(tmp_path / "ws", lambda: emptied(postgres_server), examples=15)
