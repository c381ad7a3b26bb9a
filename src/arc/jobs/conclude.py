"""Concluding: what the end of an attempt means, and the transaction that records it.

First the verdict and, for a result, its bytes into the artifact store; then one transaction for job, attempt,
artifacts and whatever completes with them; then the files. A crash between any two of these is made good by the
next engine, which finds the attempt open and concludes it again.
"""

import random
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from arc.core.artifact import Artifact
from arc.core.attempt import Failure
from arc.core.errors import ArcError, LeaseLost
from arc.core.job import Job
from arc.core.journal import STDERR
from arc.core.ports import Exit
from arc.core.recipe import Done
from arc.core.states import JobStatus
from arc.jobs import lifecycle, publish, retry
from arc.jobs.claim import failure_of
from arc.jobs.house import House
from arc.jobs.verdict import Ending, Requeue, Verdict, judge
from arc.store import artifacts, attempts, experiments
from arc.store import jobs as rows
from arc.store.engine import Tx


class Conclusion:
    """The end of the current attempt of a job."""

    def __init__(self, house: House, job: Job, staging: Path) -> None:
        self._house = house
        self._job = job
        self._staging = staging

    async def verdict(self, outcome: dict[str, Any] | None, ending: Ending | None, exit_: Exit) -> Verdict:
        """What the end means; a result counts only when its bytes are in the artifact store."""
        tail = publish.tail(self._staging / STDERR, 40)
        verdict = judge(outcome, ending, exit_, log_tail=tail)
        if not isinstance(verdict, Done):
            return verdict
        try:
            await self._house.run(self._put_artifacts)
        except ArcError as error:
            return failure_of(error)
        except OSError as error:
            return Requeue(f"its artifacts could not be stored: {error}", delay_s=30.0, counts=True)
        return verdict

    def _made(self, tx: Tx) -> list[Artifact]:
        """What the attempt left and is to be kept: its artifacts and its newest checkpoint."""
        mine = [row for row in artifacts.of_job(tx, self._job.id) if row.attempt == self._job.attempt and not row.published]
        newest = max((row for row in mine if row.kind == "checkpoint"), key=lambda row: row.step or 0, default=None)
        return [row for row in mine if row.kind != "checkpoint" or row is newest]

    def _put_artifacts(self) -> None:
        with self._house.store.read() as tx:
            made = self._made(tx)
        publish.put_all(made, layout=self._house.layout, store=self._house.artifacts)
        publish.copy_to_home(self._job, made, layout=self._house.layout, store=self._house.artifacts)

    async def end(self, verdict: Verdict, exit_: Exit) -> None:
        """Record the verdict, then put the files in order; LeaseLost when the attempt is no longer the current one."""
        retry_at = await self._house.run(self._retry_at, verdict)
        try:
            job = await self._house.write(self._end_in, verdict, exit_, retry_at, about=self._job.id)
        except LeaseLost:
            raise
        except ArcError as error:  # a completion verb refused: nothing was written, the job fails instead
            verdict = failure_of(error)
            job = await self._house.write(self._end_in, verdict, exit_, None, about=self._job.id)
        await self._house.run(self._tidy, job, isinstance(verdict, Done))

    def _end_in(self, tx: Tx, verdict: Verdict, exit_: Exit, retry_at: datetime | None) -> Job:
        made = self._made(tx) if isinstance(verdict, Done) else []
        ended = lifecycle.end(
            tx, self._job, verdict, exit_, made=made, retry_at=retry_at, verb=self._house.verbs.get(self._job.recipe),
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
            earlier = [attempt.failure for attempt in attempts.of_job(tx, self._job.id) if attempt.failure is not None]
        before = sum(failure.failure_class is verdict.failure_class for failure in earlier)
        return retry.next_try(self._job, verdict, before=before, now=self._house.clock.now(), rng=random.SystemRandom())

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
