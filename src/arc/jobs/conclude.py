"""Concluding: what the end of an attempt means, and the transaction that records it.

First the verdict and, for a result, its bytes into the artifact store; then one transaction for the rest of the
journal, job, attempt, artifacts and whatever completes with them; then the files. A crash between any two of these is
made good by the next engine, which finds the attempt open and concludes it again. All of it is one call on the thread
pool, repeated as a whole until the store takes it, which each step of it stands.
"""

import contextlib
import errno
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args

import structlog

from arc.core.artifact import Artifact
from arc.core.attempt import Failure, ProcessIdentity
from arc.core.errors import ArcError, CallerError, LeaseLost, NoSpace, StoreBusy
from arc.core.job import Job
from arc.core.journal import ASKED, STDERR
from arc.core.ports import Exit
from arc.core.recipe import Done
from arc.core.states import JobStatus
from arc.jobs import follow, lifecycle, publish, retry
from arc.jobs.claim import failure_of
from arc.jobs.follow import Piece
from arc.jobs.house import House
from arc.jobs.verdict import Ending, Requeue, Verdict, judge
from arc.store import artifacts, attempts, events, experiments
from arc.store import jobs as rows
from arc.store.engine import Tx

_log = structlog.get_logger(__name__)


# A disk that is full or can only be read; no descriptors, processes or memory left.
_WITHOUT_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})


def without_room(why: str, error: OSError, *, delay_s: float) -> Requeue:
    """Run again later; a machine that has run out of something uses up no retry, because it says nothing about the job."""
    return Requeue(why, delay_s=delay_s, counts=error.errno not in _WITHOUT_ROOM)


def note_asked(staging: Path, ending: str) -> None:
    """Leave word of why the attempt is asked to stop, for an engine after this one; without room for it, none."""
    with contextlib.suppress(OSError):
        (staging / ASKED).write_text(ending)


@dataclass(frozen=True)
class Unrecorded:
    """What the transaction that ends an attempt records of it as well: a short attempt is recorded in one go."""

    piece: Piece | None = None  # the rest of the journal
    identity: ProcessIdentity | None = None


class Conclusion:
    """The end of the current attempt of a job."""

    def __init__(self, house: House, job: Job, staging: Path, unrecorded: Unrecorded | None = None) -> None:
        self._house = house
        self._job = job
        self._staging = staging
        self._unrecorded = unrecorded or Unrecorded()
        self._no_copies = ""  # why the copies that were asked for could not be left

    async def judge(self, outcome: dict[str, Any] | None, ending: Ending | None, exit_: Exit) -> None:
        """Find out what the end means and record it; LeaseLost when the attempt is no longer the current one."""
        await self._end(lambda: self._verdict(outcome, ending, exit_), exit_)

    async def end(self, verdict: Verdict) -> None:
        """Record what became of an attempt that never ran."""
        await self._end(lambda: verdict, Exit(None, None))

    async def _end(self, judge: Callable[[], Verdict], exit_: Exit) -> None:
        verdict, job = await self._house.patiently(self._conclude, judge, exit_, about=self._job.id)
        self._tell(verdict, exit_, job)

    def _conclude(self, judge: Callable[[], Verdict], exit_: Exit) -> tuple[Verdict, Job]:
        """Judge, record the verdict, then put the files in order."""
        verdict = judge()
        try:
            job = self._record(verdict, exit_)
        except LeaseLost:  # it has ended: an earlier try was committed, and only its answer was lost
            job = self._current()
            if job.status is JobStatus.RUNNING and job.attempt == self._job.attempt:
                raise
        except (StoreBusy, NoSpace):
            raise
        except ArcError as error:  # a completion verb refused: nothing was written, the job fails instead
            verdict = failure_of(error)
            job = self._record(verdict, exit_)
        self._tidy(job)
        return verdict, job

    def _verdict(self, outcome: dict[str, Any] | None, ending: Ending | None, exit_: Exit) -> Verdict:
        """What the end means; a result counts only when its bytes are in the artifact store, and what it takes to repeat it beside them."""
        job = self._current()
        if job.attempt != self._job.attempt:
            raise LeaseLost(f"attempt {self._job.attempt} of job {job.id} is no longer the current one")
        self._job = job
        tail = publish.tail(self._staging / STDERR, 40)
        verdict = judge(outcome, ending or self._on_record(outcome), exit_, log_tail=tail)
        if not isinstance(verdict, Done):
            return verdict
        try:
            self._put_artifacts()
            publish.keep_config(job, layout=self._house.layout)
        except (StoreBusy, NoSpace):
            raise
        except ArcError as error:
            return failure_of(error)
        except OSError as error:
            return without_room(f"its artifacts could not be stored: {error}", error, delay_s=30.0)
        return verdict

    def _on_record(self, outcome: dict[str, Any] | None) -> Ending | None:
        """Why an engine that died over it had asked the attempt to stop; None when nothing says that one did, or it ended otherwise."""
        if self._job.cancel_requested is not None:
            return "cancel"
        if self._job.hold:
            return "hold"
        if outcome is not None and outcome.get("status") != "cancelled":
            return None
        try:
            said = (self._staging / ASKED).read_text()
        except OSError:
            return None
        return next((ending for ending in get_args(Ending) if ending == said), None)

    def _staged(self, tx: Tx) -> list[Artifact]:
        """What is recorded of the job and was not published."""
        return [row for row in artifacts.of_job(tx, self._job.id) if not row.published]

    def _kept(self, staged: list[Artifact]) -> list[Artifact]:
        """What the attempt left and is to be kept: its artifacts and its newest checkpoint."""
        mine = [row for row in staged if row.attempt == self._job.attempt]
        newest = max((row for row in mine if row.kind == "checkpoint"), key=lambda row: row.step or 0, default=None)
        return [row for row in mine if row.kind != "checkpoint" or row is newest]

    def _put_artifacts(self) -> None:
        with self._house.store.read() as tx:
            staged = self._staged(tx)
        if (piece := self._unrecorded.piece) is not None:
            staged += follow.artifacts_of(
                piece, job_id=self._job.id, number=self._job.attempt, staging=self._relative(), clock=self._house.clock
            )
        made = self._kept(staged)
        publish.put_all(made, layout=self._house.layout, store=self._house.artifacts)
        publish.copy_to_home(self._job, made, layout=self._house.layout, store=self._house.artifacts)
        try:
            publish.leave_copies(self._job, made, layout=self._house.layout, store=self._house.artifacts)
        except (OSError, CallerError) as error:  # the place of record has everything: no reason to lose the result
            self._no_copies = str(error)

    def _relative(self) -> str:
        return self._house.layout.relative(self._staging)

    def _record(self, verdict: Verdict, exit_: Exit) -> Job:
        with self._house.store.write() as tx:
            tx.after_commit(lambda: self._house.hub.poke_each([self._job.id, *tx.moved]))
            lifecycle.one_by_one(tx)
            job_id, number, left = self._job.id, self._job.attempt, self._unrecorded
            if left.identity is not None:
                attempts.set_identity(tx, job_id, number, left.identity)
            if left.piece is not None and not left.piece.empty:
                follow.record(tx, left.piece, job_id=job_id, number=number, staging=self._relative(), clock=self._house.clock)
            return self._end_in(tx, verdict, exit_)

    def _tell(self, verdict: Verdict, exit_: Exit, job: Job) -> None:
        """Count the end of the attempt, and say it in the log: what it was, and what became of the job."""
        failure = lifecycle.failure_in(verdict)
        outcome, kind = lifecycle.outcome_of(verdict), failure.failure_class if failure else None
        self._house.figures.ended(outcome, kind)
        known = {"job_id": self._job.id, "attempt": self._job.attempt}
        ending = {"outcome": outcome, "failure_class": kind and kind.value, "exit_code": exit_.code, "signal": exit_.signal}
        _log.info("ended", **known, **ending, status=job.status.value)
        if job.status is JobStatus.QUEUED:
            why = failure.message if failure else job.reason
            _log.info("requeued", **known, why=why, not_before=job.not_before and job.not_before.isoformat(), retry=job.retry_count)

    def _current(self) -> Job:
        with self._house.store.read() as tx:
            return rows.get(tx, self._job.id)

    def _end_in(self, tx: Tx, verdict: Verdict, exit_: Exit) -> Job:
        staged = self._staged(tx)
        made = self._kept(staged) if isinstance(verdict, Done) else []
        if isinstance(verdict, Done) and self._job.copies:
            self._tell_of_copies(tx, self._job.copies)
        ended = lifecycle.end(
            tx, self._job, verdict, exit_, made=made, retry_at=self._retry_at(tx, verdict), verb=self._house.verbs.get(self._job.recipe),
            staging=self._staging, clock=self._house.clock,
        )  # fmt: skip
        if isinstance(verdict, Done) or self._rolled_back(ended):
            artifacts.forget(tx, [row.id for row in staged if row not in made])
        return ended

    def _tell_of_copies(self, tx: Tx, copies: dict[str, str]) -> None:
        if self._no_copies:
            events.append(tx, subject=self._job.id, kind="job.copies_missing", actor="engine", detail={"why": self._no_copies})
        else:
            events.append(tx, subject=self._job.id, kind="job.copied", actor="engine", detail=copies)

    def _retry_at(self, tx: Tx, verdict: Verdict) -> datetime | None:
        if not isinstance(verdict, Failure):
            return None
        earlier = [attempt.failure for attempt in attempts.of_job(tx, self._job.id) if attempt.failure is not None]
        before = sum(failure.failure_class is verdict.failure_class for failure in earlier)
        return retry.next_try(self._job, verdict, before=before, now=self._house.clock.now(), rng=random.SystemRandom())

    def _rolled_back(self, job: Job) -> bool:
        return job.status is JobStatus.CANCELLED and job.cancel_requested == "rollback"

    def _tidy(self, job: Job) -> None:
        layout = self._house.layout
        if not self._rolled_back(job):
            publish.keep_config(job, layout=layout)
            for number in range(1, self._job.attempt + 1):  # also those that ended when the control plane did
                publish.keep_logs(job, number, layout=layout, move=job.status is JobStatus.COMPLETED)
        if job.status is JobStatus.COMPLETED or self._rolled_back(job):
            publish.remove_staging(job, layout=layout)
        if self._rolled_back(job) and job.experiment_id is None:
            shutil.rmtree(layout.home(job), ignore_errors=True)
        if job.experiment_id:
            with self._house.store.read() as tx:
                experiment = experiments.get(tx, job.experiment_id)
                members = rows.page(tx, experiment=job.experiment_id, limit=200, newest_first=False).items
            publish.write_metadata(experiment, members, layout=layout)
