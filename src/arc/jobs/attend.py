"""Attending: one attempt, from its launch (or adoption) to the transaction that ends it.

Everything is derived from the rows and the staging folder, never from memory of an earlier engine, so that
an adopted attempt is attended by the same code. The attempt is left alone unless there is a reason on
record: a request to cancel or hold, its timeout, its memory limit, or the end of the control plane. Then it
is asked to stop, given its grace to checkpoint, and ended; its place is free only when it is verified gone.
"""

import asyncio
import os
import random
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from arc import catalog
from arc.core.attempt import Failure, ProcessIdentity
from arc.core.errors import ArcError, BackendBusy, LeaseLost
from arc.core.job import Job
from arc.core.journal import STDERR
from arc.core.ports import Backend, Exit, LaunchOrder, Liveness
from arc.core.recipe import Done
from arc.core.states import JobStatus
from arc.jobs import follow, lifecycle, publish, retry
from arc.jobs.claim import failure_of
from arc.jobs.house import House
from arc.jobs.paths import Layout
from arc.jobs.stall import Pace
from arc.jobs.verdict import Ending, Requeue, Verdict, judge
from arc.store import artifacts, attempts, events, experiments
from arc.store import jobs as rows
from arc.store.engine import Tx

_COALESCE_S = 0.02  # busy journals are committed at most this often
_GONE_S = 10.0  # after a kill, say so when the process is still there


class Attendance:
    """One attempt under care."""

    def __init__(self, house: House, backend: Backend, job: Job, staging: Path, *, offset: int = 0) -> None:
        self.job = job
        self.identity: ProcessIdentity | None = None
        self._house = house
        self._backend = backend
        self._staging = staging
        self._offset = offset
        self._phase = ""
        self._outcome: dict[str, Any] | None = None
        self._ending: Ending | None = None
        self._signal = asyncio.Event()  # the journal grew, or the job's row changed
        self._nudged = True
        self._pace: Pace | None = None
        self._gone: asyncio.Task[Exit] | None = None
        self._ender: asyncio.Task[None] | None = None

    @property
    def leaving(self) -> bool:
        """Whether the attempt was asked to end."""
        return self._ending is not None

    def journal_grew(self) -> None:
        """There may be new lines."""
        self._signal.set()

    def nudge(self) -> None:
        """The job's row may have changed: look for requests."""
        self._nudged = True
        self._signal.set()

    async def launch(self, order: LaunchOrder) -> None:
        """Start the attempt and attend it to its end."""
        try:
            await self._house.run(_prepare, self._house.layout, self.job, self._staging)
            self.identity = await self._backend.launch(order)
        except BackendBusy as error:
            await self._end(Requeue(error.message, delay_s=error.delay_s), Exit(None, None))
            return
        except ArcError as error:
            await self._end(failure_of(error), Exit(None, None))
            return
        except OSError as error:
            await self._end(Requeue(f"the attempt could not be started: {error}", delay_s=5.0, counts=True), Exit(None, None))
            return
        await self._house.write(attempts.set_identity, self.job.id, self.job.attempt, self.identity, about=self.job.id, quiet=True)
        await self.attend(self.identity)

    async def attend(self, identity: ProcessIdentity) -> None:
        """Follow the journal until the attempt is gone, then end it."""
        self.identity = identity
        while await self._backend.alive(identity) is Liveness.UNKNOWN:
            await asyncio.sleep(self._house.sample_interval_s)
        self._pace = Pace(self._house.stall, fixed_s=self.job.limits.stall_s, now=self._house.clock.monotonic())
        self._gone = asyncio.create_task(self._backend.wait(identity, self._staging))
        if self._ending is not None:
            self._ender = asyncio.create_task(self._bring_down())
        timer = self._arm_timeout(identity)
        try:
            while not self._gone.done():
                await self._look()
                await self._wait_for_news()
            exit_ = self._gone.result()
            while await self._read_journal():
                pass
            await self._end(await self._verdict(exit_), exit_)
        except LeaseLost:
            await self._backend.kill(identity)  # the store says that this attempt is no longer the current one
            await self._gone
        finally:
            if timer is not None:
                timer.cancel()
            if self._ender is not None:
                self._ender.cancel()
            self._gone.cancel()

    async def never_started(self) -> None:
        """Put the job back: the control plane died before a process of this attempt existed."""
        await self._end(Requeue("the attempt had not started when the control plane was lost"), Exit(None, None))

    def request(self, ending: Ending) -> None:
        """Ask the attempt to stop, and end it after its grace; the first reason counts."""
        if self._ending is None and not (self._gone is not None and self._gone.done()):
            self._ending = ending
            if self._gone is not None:  # else it is being launched, and is brought down as soon as it is there
                self._ender = asyncio.create_task(self._bring_down())

    def end_if_stalled(self) -> None:
        """End an attempt that makes no progress; orchestrators and services wait for others and are never judged so."""
        if self._pace is None or self.job.requires.role in ("orchestrator", "service"):
            return
        if self._pace.overdue_s(now=self._house.clock.monotonic()) > 0:
            self.request("stalled")

    def _note_pace(self, trace: list[follow.PhaseChange | float]) -> None:
        if self._pace is None:
            return
        now = self._house.clock.monotonic()
        for mark in trace:
            if isinstance(mark, follow.PhaseChange):
                self._pace.phase(mark.name, mark.budget_s, now=now)
            else:
                self._pace.sign(mark, now=now)

    async def _look(self) -> None:
        self._signal.clear()
        if self._nudged:
            self._nudged = False
            await self._check_requests()
        await self._read_journal()

    async def _wait_for_news(self) -> None:
        assert self._gone is not None
        signal = asyncio.create_task(self._signal.wait())
        try:
            await asyncio.wait({self._gone, signal}, return_when=asyncio.FIRST_COMPLETED)
            if not self._gone.done():
                await asyncio.sleep(_COALESCE_S)
        finally:
            signal.cancel()

    async def _check_requests(self) -> None:
        self.job = await self._house.run(self._read_job)
        if self.job.cancel_requested is not None:
            self.request("cancel")
        elif self.job.hold:
            self.request("hold")

    def _read_job(self) -> Job:
        with self._house.store.read() as tx:
            return rows.get(tx, self.job.id)

    async def _read_journal(self) -> bool:
        piece = await self._house.run(follow.read, self._staging, self._offset, phase=self._phase)
        self._phase = piece.phase
        self._outcome = piece.outcome or self._outcome
        if piece.empty:
            return False
        staging = self._house.layout.relative(self._staging)
        await self._house.write(
            follow.record, piece, job_id=self.job.id, number=self.job.attempt, staging=staging, clock=self._house.clock,
            about=self.job.id, quiet=True,
        )  # fmt: skip
        self._offset = piece.end
        self._note_pace(piece.trace)
        if piece.progress is not None:
            self._house.hub.tell_progress(self.job.id, piece.progress)
        return True

    async def _bring_down(self) -> None:
        assert self.identity is not None
        assert self._gone is not None
        await self._backend.stop(self.identity)
        if not await self._is_gone(self.job.limits.grace_s):
            await self._backend.kill(self.identity)
            if not await self._is_gone(_GONE_S):
                detail = {"attempt": self.job.attempt, "pid": self.identity.pid}
                await self._house.write(
                    events.append, about=self.job.id, subject=self.job.id, kind="attempt.quarantined", actor="engine", detail=detail
                )  # fmt: skip

    async def _is_gone(self, within_s: float) -> bool:
        assert self._gone is not None
        done, _ = await asyncio.wait({self._gone}, timeout=within_s)
        return bool(done)

    def _arm_timeout(self, identity: ProcessIdentity) -> asyncio.TimerHandle | None:
        limit = self.job.limits.timeout_s
        if limit is None:
            return None
        return asyncio.get_running_loop().call_later(max(0.0, limit - _age_s(identity)), self.request, "timeout")

    async def _verdict(self, exit_: Exit) -> Verdict:
        await self._check_row()
        tail = publish.tail(self._staging / STDERR, 40)
        verdict = judge(self._outcome, self._ending, exit_, log_tail=tail)
        if not isinstance(verdict, Done):
            return verdict
        try:
            await self._house.run(self._put_artifacts)
        except ArcError as error:
            return failure_of(error)
        except OSError as error:
            return Requeue(f"its artifacts could not be stored: {error}", delay_s=30.0, counts=True)
        return verdict

    async def _check_row(self) -> None:
        self.job = await self._house.run(self._read_job)

    def _made(self, tx: Tx) -> list[Any]:
        """What the attempt left and is to be kept: its artifacts and its newest checkpoint."""
        mine = [row for row in artifacts.of_job(tx, self.job.id) if row.attempt == self.job.attempt and not row.published]
        newest = max((row for row in mine if row.kind == "checkpoint"), key=lambda row: row.step or 0, default=None)
        return [row for row in mine if row.kind != "checkpoint" or row is newest]

    def _put_artifacts(self) -> None:
        with self._house.store.read() as tx:
            made = self._made(tx)
        publish.put_all(made, layout=self._house.layout, store=self._house.artifacts)
        publish.copy_to_home(self.job, made, layout=self._house.layout, store=self._house.artifacts)

    async def _end(self, verdict: Verdict, exit_: Exit) -> None:
        retry_at = await self._house.run(self._retry_at, verdict)
        try:
            job = await self._house.write(self._end_in, verdict, exit_, retry_at, about=self.job.id)
        except LeaseLost:
            raise
        except ArcError as error:  # a completion verb refused: nothing was written, the job fails instead
            verdict = failure_of(error)
            job = await self._house.write(self._end_in, verdict, exit_, None, about=self.job.id)
        await self._house.run(self._tidy, job, isinstance(verdict, Done))

    def _end_in(self, tx: Tx, verdict: Verdict, exit_: Exit, retry_at: datetime | None) -> Job:
        made = self._made(tx) if isinstance(verdict, Done) else []
        ended = lifecycle.end(
            tx, self.job, verdict, exit_, made=made, retry_at=retry_at, verb=self._house.verbs.get(self.job.recipe),
            staging=self._staging, clock=self._house.clock,
        )  # fmt: skip
        if isinstance(verdict, Done) or self._rolled_back(ended):
            gone = [row.id for row in artifacts.of_job(tx, ended.id) if not row.published and row not in made]
            artifacts.forget(tx, gone)
        return ended

    def _retry_at(self, verdict: Verdict) -> datetime | None:
        if not isinstance(verdict, Failure):
            return None
        with self._house.store.read() as tx:
            earlier = [attempt.failure for attempt in attempts.of_job(tx, self.job.id) if attempt.failure is not None]
        before = sum(failure.failure_class is verdict.failure_class for failure in earlier)
        return retry.next_try(self.job, verdict, before=before, now=self._house.clock.now(), rng=random.SystemRandom())

    def _rolled_back(self, job: Job) -> bool:
        return job.status is JobStatus.CANCELLED and job.cancel_requested == "rollback"

    def _tidy(self, job: Job, done: bool) -> None:
        layout = self._house.layout
        if not self._rolled_back(job):
            publish.keep_logs(job, job.attempt, layout=layout)
        if done or self._rolled_back(job):
            publish.remove_staging(job, layout=layout)
        if self._rolled_back(job) and job.experiment_id is None:
            shutil.rmtree(layout.home(job), ignore_errors=True)
        if job.experiment_id:
            with self._house.store.read() as tx:
                experiment = experiments.get(tx, job.experiment_id)
                members = rows.page(tx, experiment=job.experiment_id, limit=200, newest_first=False).items
            publish.write_metadata(experiment, members, layout=layout)


def _prepare(layout: Layout, job: Job, staging: Path) -> None:
    staging.mkdir(parents=True, exist_ok=True)
    if job.experiment_id is None or catalog.spec(job.recipe).makes_experiment:
        publish.write_config(job, layout=layout)


def _age_s(identity: ProcessIdentity) -> float:
    """Seconds the process has lived, by the boot clock; unmoved by changes of the wall clock."""
    try:
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return 0.0
    return max(0.0, uptime - identity.start_time / os.sysconf("SC_CLK_TCK"))
