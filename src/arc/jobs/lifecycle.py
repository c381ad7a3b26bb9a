"""Lifecycle: how an attempt begins and what its end does to the job, each in one transaction.

begin   queued -> running, with the attempt's row, its lease, its capability and the sealed-set ledger
end     running -> completed | failed | cancelled | queued, with the attempt's outcome, the journal's last
        offset, the artifacts, the experiment, and what waited for the job

The attempt number is the fence: a transaction about an attempt that is no longer the current one changes
nothing and says LeaseLost.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from arc import catalog
from arc.core.artifact import Artifact, ArtifactKind
from arc.core.attempt import Attempt, AttemptOutcome, Failure, FailureClass
from arc.core.clock import Clock
from arc.core.job import Job
from arc.core.ports import Exit
from arc.core.recipe import Done
from arc.core.states import JobStatus
from arc.jobs.verdict import Requeue, Stopped, Verdict
from arc.store import artifacts, attempts, events, experiments
from arc.store import jobs as rows
from arc.store.engine import Tx

CompletionVerb = Callable[[Tx, Job, Path, Done], dict[str, Any]]  # what else completes with a job; returns its result


def one_by_one(tx: Tx) -> None:
    """Wait for every other transaction that decides by the state of jobs; said before anything is written, so that nobody waits in a circle.

    Only PostgreSQL needs it: a job that is submitted while the one it needs completes must not be overlooked by either.
    """
    tx.in_turn("jobs")


def begin(
    tx: Tx, job: Job, *, backend: str, staging: str, gpu_ids: tuple[int, ...], secret: str, lease_until: datetime, clock: Clock
) -> Job | None:
    """Claim the job and write its attempt; None when another claim was first."""
    one_by_one(tx)
    claimed = rows.claim(tx, job.id, now=clock.now())
    if claimed is None:
        return None
    attempts.insert(
        tx,
        Attempt(
            job_id=job.id,
            number=claimed.attempt,
            backend=backend,
            staging=staging,
            identity=None,
            lease_expires_at=lease_until,
            journal_offset=0,
            outcome="running",
            failure=None,
            exit_code=None,
            signal=None,
            resumed_step=None,
            recovery_source=_recovery_source(job),
            gpu_ids=gpu_ids,
            started_at=clock.now(),
            ended_at=None,
        ),
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
    )
    detail = {"attempt": claimed.attempt, "recovery_source": _recovery_source(job), "gpus": list(gpu_ids)}
    events.append(tx, subject=job.id, kind="job.started", actor="engine", detail=detail)
    _follow_experiment(tx, claimed)
    return claimed


def _recovery_source(job: Job) -> str | None:
    if job.attempt == 0:
        return f"resumed from {job.resumed_from}" if job.resumed_from else None
    if job.failure is not None:
        return f"retry after {job.failure.failure_class.value}"
    return job.reason


def end(
    tx: Tx,
    job: Job,
    verdict: Verdict,
    exit_: Exit,
    *,
    made: list[Artifact],
    retry_at: datetime | None,
    verb: CompletionVerb | None,
    staging: Path,
    clock: Clock,
) -> Job:
    """Record the end of the job's current attempt and move the job on; whoever asked to cancel it gets that, unless it is done."""
    one_by_one(tx)
    failure = failure_in(verdict)
    attempts.finish(
        tx,
        job.id,
        job.attempt,
        outcome=outcome_of(verdict),
        ended_at=clock.now(),
        exit_code=exit_.code,
        signal=exit_.signal,
        failure=failure,
    )
    job = rows.get(tx, job.id)  # the attempt was the current one, but the job may have been asked for something since
    if isinstance(verdict, Done):
        return _complete(tx, job, verdict, made, verb, staging, clock)
    if isinstance(verdict, Stopped):
        return _cancel(tx, job, verdict.why, clock)
    if job.cancel_requested is not None:
        return _cancel(tx, job, "cancelled on request", clock)
    if isinstance(verdict, Requeue):
        return _requeue(tx, job, verdict, clock)
    return _fail(tx, job, verdict, retry_at, clock)


def failure_in(verdict: Verdict) -> Failure | None:
    """What is recorded as the failure of an attempt that ended so."""
    return verdict if isinstance(verdict, Failure) else verdict.failure if isinstance(verdict, Requeue) else None


def outcome_of(verdict: Verdict) -> AttemptOutcome:
    """What is recorded as the outcome of an attempt that ended so."""
    if isinstance(verdict, Done):
        return "done"
    if isinstance(verdict, Failure):
        return "failed"
    return "cancelled" if isinstance(verdict, Stopped) else "requeued"


def _complete(tx: Tx, job: Job, done: Done, made: list[Artifact], verb: CompletionVerb | None, staging: Path, clock: Clock) -> Job:
    last = None
    for artifact in made:
        place = f"artifacts/{artifact.digest[:2]}/{artifact.digest}"
        artifacts.publish(tx, artifact.id, path=place)
        last = place if artifact.kind is ArtifactKind.CHECKPOINT else last
    result = dict(done.result)
    if verb is not None:
        result |= verb(tx, job, staging, done)
    completed = _move(
        tx,
        job,
        JobStatus.COMPLETED,
        {"metrics": done.metrics},
        metrics=done.metrics,
        result=result,
        completed_at=clock.now(),
        failure=None,
        last_checkpoint=last,
    )
    _follow_experiment(tx, completed)
    release_dependents(tx, completed, clock=clock)
    return completed


def _fail(tx: Tx, job: Job, failure: Failure, retry_at: datetime | None, clock: Clock) -> Job:
    detail = {"attempt": job.attempt, "class": failure.failure_class.value, "message": failure.message}
    if retry_at is not None:
        detail["retry_at"] = retry_at.isoformat()
        return _move(tx, job, JobStatus.QUEUED, detail, retry_count=job.retry_count + 1, not_before=retry_at, failure=failure, reason=None)
    failed = _move(tx, job, JobStatus.FAILED, detail, failure=failure, completed_at=clock.now())
    _follow_experiment(tx, failed)
    release_dependents(tx, failed, clock=clock)
    return failed


def _requeue(tx: Tx, job: Job, verdict: Requeue, clock: Clock) -> Job:
    if verdict.counts and job.retry_count >= job.retry.max_retries:
        once_too_often = Failure(failure_class=FailureClass.EXCEPTION, message=f"it asked to be run again once too often: {verdict.why}")
        return _fail(tx, job, once_too_often, None, clock)
    later = clock.now() + timedelta(seconds=verdict.delay_s) if verdict.delay_s else None
    count = job.retry_count + int(verdict.counts)
    detail = {"attempt": job.attempt, "why": verdict.why}
    return _move(tx, job, JobStatus.QUEUED, detail, not_before=later, retry_count=count, failure=None, reason=verdict.why)


def _cancel(tx: Tx, job: Job, why: str, clock: Clock) -> Job:
    detail = {"attempt": job.attempt, "why": why, "rollback": job.cancel_requested == "rollback"}
    gone: dict[str, Any] = {"last_checkpoint": None} if job.cancel_requested == "rollback" else {}
    cancelled = _move(tx, job, JobStatus.CANCELLED, detail, reason=why, completed_at=clock.now(), **gone)
    _follow_experiment(tx, cancelled)
    release_dependents(tx, cancelled, clock=clock)
    return cancelled


def _move(tx: Tx, job: Job, to: JobStatus, detail: dict[str, Any], **columns: Any) -> Job:
    return rows.move(tx, job.id, to=to, expect=JobStatus.RUNNING, token=job.attempt, actor="engine", detail=detail, **columns)


def cancel_waiting(tx: Tx, job: Job, *, actor: str, why: str, clock: Clock, rollback: bool = False) -> Job:
    """Cancel a job that does not run."""
    changes: dict[str, Any] = {"reason": why, "completed_at": clock.now()} | ({"cancel_requested": "rollback"} if rollback else {})
    cancelled = rows.move(tx, job.id, to=JobStatus.CANCELLED, expect=job.status, actor=actor, detail={"why": why}, **changes)
    _follow_experiment(tx, cancelled)
    release_dependents(tx, cancelled, clock=clock)
    return cancelled


def fail_waiting(tx: Tx, job: Job, failure: Failure, *, clock: Clock) -> Job:
    """Fail a queued job whose inputs cannot be had."""
    detail = {"class": failure.failure_class.value, "message": failure.message}
    failed = rows.move(tx, job.id, to=JobStatus.FAILED, expect=JobStatus.QUEUED, detail=detail, failure=failure, completed_at=clock.now())
    _follow_experiment(tx, failed)
    release_dependents(tx, failed, clock=clock)
    return failed


def release_dependents(tx: Tx, job: Job, *, clock: Clock) -> None:
    """Queue the jobs whose last need this was; cancel them when it did not complete."""
    for waiting in rows.dependents(tx, job.id):
        if rows.get(tx, waiting.id).status is not JobStatus.PENDING:  # cancelled a moment ago, with another job that it needs
            continue
        if job.status is not JobStatus.COMPLETED:
            cancel_waiting(tx, waiting, actor="engine", why=f"the needed job {job.id} is {job.status.value}", clock=clock)
        elif all(rows.get(tx, need).status is JobStatus.COMPLETED for need in waiting.needs):
            rows.move(tx, waiting.id, to=JobStatus.QUEUED, expect=JobStatus.PENDING, detail={"after": job.id})


def _follow_experiment(tx: Tx, job: Job) -> None:
    """The experiment shows the state of its training, and as its metrics only what an evaluation recomputed."""
    if job.experiment_id is None:
        return
    purpose = catalog.spec(job.recipe).purpose
    if purpose == "train":
        changes: dict[str, Any] = {"status": job.status.value, "completed_at": job.completed_at}
        if job.metrics is not None:
            changes["training_metrics"] = job.metrics
        experiments.update(tx, job.experiment_id, **changes)
    elif purpose == "evaluate" and job.status is JobStatus.COMPLETED:
        experiments.update(tx, job.experiment_id, metrics=job.metrics or {})
