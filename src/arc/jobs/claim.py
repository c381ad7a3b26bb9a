"""Claiming: how the next job that fits is taken, and all its attempt needs is put together.

One transaction reads the queue in order (priority, then age), finds the first job that fits, resolves its
inputs and moves it to running by one conditional UPDATE, so the database decides between two engines. A
job whose inputs cannot be had fails here, with the field named, before anything was started.
"""

import secrets
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from arc import catalog
from arc.core.attempt import Failure, FailureClass
from arc.core.clock import Clock
from arc.core.errors import ArcError, NotFound
from arc.core.inputs import ResolvedInput
from arc.core.job import Job
from arc.core.ports import LaunchOrder
from arc.jobs import lifecycle
from arc.jobs.admission import Admission
from arc.jobs.paths import Layout
from arc.jobs.preempt import victims
from arc.jobs.resolve import Resolver
from arc.store import artifacts, attempts, experiments
from arc.store import jobs as rows
from arc.store.engine import Tx

_FIRST_LOOK = 8
_WHOLE_LOOK = 500


@dataclass(frozen=True)
class Claimed:
    """A job that is now running, and the order for its attempt."""

    job: Job
    order: LaunchOrder
    staging: Path


@dataclass
class Claimer:
    """Takes the next job that fits."""

    layout: Layout
    admission: Admission
    resolver: Resolver
    clock: Clock
    backend: str
    lease_ttl_s: float
    control_url: str | None = field(default=None)

    def all_that_fit(self, tx: Tx) -> list[Claimed]:
        """The jobs that can start now, claimed one after the other."""
        running, taken = running_with_gpus(tx), []
        while (claimed := self._next(tx, running)) is not None:
            running.append((claimed.job, claimed.order.gpu_ids))
            taken.append(claimed)
        return taken

    def next(self, tx: Tx) -> Claimed | None:
        """The next job, claimed; None when nothing that waits can start now."""
        return self._next(tx, running_with_gpus(tx))

    def _next(self, tx: Tx, running: list[tuple[Job, tuple[int, ...]]]) -> Claimed | None:
        full = self.admission.full_roles(running)
        for limit in (_FIRST_LOOK, _WHOLE_LOOK):
            waiting = rows.claimable(tx, now=self.clock.now(), limit=limit, without=full)
            for job in waiting:
                if self.admission.obstacle(job, running) is None and (claimed := self._take(tx, job, running)):
                    return claimed
            if len(waiting) < limit:
                return None
        return None

    def room_for(self, tx: Tx, *, leaving: Set[str]) -> tuple[Job, list[str]] | None:
        """The most urgent CRITICAL job that does not fit, and who is to leave for it; None when nobody is."""
        running = running_with_gpus(tx)
        for waiting in rows.claimable(tx, now=self.clock.now(), limit=_FIRST_LOOK):
            if asked := victims(waiting, running, self.admission, leaving=leaving):
                return waiting, asked
        return None

    def _take(self, tx: Tx, job: Job, running: list[tuple[Job, tuple[int, ...]]]) -> Claimed | None:
        number = job.attempt + 1
        lifecycle.one_by_one(tx)
        try:
            inputs = self.resolver.resolve(tx, job, number)
        except ArcError as error:
            lifecycle.fail_waiting(tx, job, failure_of(error), clock=self.clock)
            return None
        staging, secret = self.layout.staging(job, number), secrets.token_urlsafe(32)
        gpu_ids = self.admission.gpus_for(job, running)
        claimed = lifecycle.begin(
            tx,
            job,
            backend=self.backend,
            staging=self.layout.relative(staging),
            gpu_ids=gpu_ids,
            secret=secret,
            lease_until=self.clock.now() + timedelta(seconds=self.lease_ttl_s),
            clock=self.clock,
        )
        if claimed:
            _name_dataset(tx, claimed, inputs)
        return Claimed(claimed, self._order(tx, claimed, inputs, staging, secret, gpu_ids), staging) if claimed else None

    def _order(
        self, tx: Tx, job: Job, inputs: dict[str, ResolvedInput], staging: Path, secret: str, gpu_ids: tuple[int, ...]
    ) -> LaunchOrder:
        earlier = attempts.of_job(tx, job.id) if job.attempt > 1 else []
        has_past = job.auto_resume and (job.attempt > 1 or job.resumed_from is not None)
        past = Counter(attempt.failure.failure_class for attempt in earlier if attempt.failure is not None)
        return LaunchOrder(
            job_id=job.id,
            number=job.attempt,
            recipe=job.recipe,
            params=job.params,
            inputs=inputs,
            staging=staging,
            seed=job.seed,
            threads=job.threads,
            device="cuda" if gpu_ids else "cpu",
            gpu_ids=gpu_ids,
            checkpoints=tuple(self._checkpoints(tx, job)[past[FailureClass.CHECKPOINT] :]) if has_past else (),
            memory_gb=job.limits.memory_gb,
            shrink=past[FailureClass.OOM],
            simulated=job.simulated,
            secret=secret,
            control_url=self.control_url,
        )

    def _checkpoints(self, tx: Tx, job: Job) -> list[tuple[str, str]]:
        found = [(str(self.layout.stored(row.path)), row.digest) for row in artifacts.checkpoints(tx, job.id)]
        if job.resumed_from:
            try:
                found += self._checkpoints(tx, rows.get(tx, job.resumed_from))
            except NotFound:
                return found
        return found


def _name_dataset(tx: Tx, job: Job, inputs: Mapping[str, ResolvedInput]) -> None:
    """Say in the experiment which dataset its training reads; a reference to another job names it only now."""
    if job.experiment_id and catalog.spec(job.recipe).makes_experiment:
        named = [f"{given.info['name']}@{given.info['version']}" for given in inputs.values() if given.info]
        if named:
            experiments.update(tx, job.experiment_id, dataset=named[0])


def running_with_gpus(tx: Tx) -> list[tuple[Job, tuple[int, ...]]]:
    """Every running job with the GPUs of its attempt."""
    gpus = {attempt.job_id: attempt.gpu_ids for attempt in attempts.open(tx)}
    return [(job, gpus.get(job.id, ())) for job in rows.running(tx)]


def failure_of(error: ArcError) -> Failure:
    """An error of ours as the failure of a job, so that a waiting route can answer as if it had failed itself."""
    kind = FailureClass.BAD_DATA if error.status < 500 else FailureClass.EXCEPTION
    return Failure(failure_class=kind, message=error.message, error=error.kind, field=error.field, status=error.status)
