"""Views: what the routes answer, field by field, and how it is made from the nouns.

Names are those of the published routes, which older programs know; everything of the noun is there, so that
the client can build it again. Numbers that are not finite leave as null. Nothing here asks the store.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.attempt import Failure, FailureClass
from arc.core.cleaning import Cleaned, Finding
from arc.core.job import CancelRequest, Job, Limits, Priority, Progress, RetryPolicy
from arc.core.journal import finite
from arc.core.recipe import Needs
from arc.core.states import JobStatus

_KEPT_SHOWN = 1000


class FailureView(BaseModel):
    """Why the last attempt failed."""

    model_config = ConfigDict(populate_by_name=True)

    failure_class: FailureClass = Field(alias="class", description="Class of the failure; decides about a retry.")
    message: str
    error: str | None = Field(description="Class name of the error, when there was one.")
    field: str | None = Field(description="The field of the request it names.")
    status: int | None = Field(description="The HTTP status that a waiting route answers with.")
    log_tail: str = Field(description="The last lines that the attempt wrote.")


class ProgressView(BaseModel):
    """How far a running attempt is."""

    epoch: float | None = Field(description="Epochs done, when the recipe counts epochs.")
    step: float | None = Field(description="Steps done, when it counts anything else.")
    done: float | None = Field(description="The one of the two that counts.")
    of: float | None = Field(description="How many there are; null when unknown.")
    eta: float | None = Field(description="Seconds left, by the recipe's own estimate.")
    unit: str
    phase: str
    values: dict[str, float | None]


class JobView(BaseModel):
    """One job and what has become of it."""

    job_id: str
    experiment_id: str | None
    recipe: str
    recipe_version: str
    status: JobStatus
    priority: Priority
    attempt: int = Field(description="Number of the latest attempt; 0 before the first.")
    retry_count: int
    max_retries: int
    retry_delay_seconds: float
    timeout_seconds: float | None
    auto_resume: bool
    last_checkpoint_path: str | None = Field(description="Below the workspace.")
    waiting_for: str | None = Field(description="Why it does not run now; null when it does, or is over.")
    cancel_requested: CancelRequest | None
    hold: bool
    not_before: datetime | None
    failure: FailureView | None
    reason: str | None = Field(description="Why it was cancelled or put back.")
    progress: ProgressView | None
    metrics: dict[str, Any] | None
    result: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    simulated: bool = Field(description="True for dummy mode: never comparable with a measured result.")
    copies: dict[str, str] | None = Field(description="Folder of checkpoint_dir, log_dir and output_dir, where asked for.")
    params: dict[str, Any]
    inputs: dict[str, str]
    needs: list[str]
    requires: Needs
    threads: int
    seed: int
    retry: RetryPolicy
    limits: Limits
    resumed_from: str | None
    submitted_by: str


class ResumedView(JobView):
    """The new job that continues another one."""

    location: str = Field(description="Where its status is answered.")


class JobList(BaseModel):
    """A page of jobs, newest first."""

    items: list[JobView]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class WorkDone(BaseModel):
    """The result of work that was waited for, merged with the id of its job."""

    model_config = ConfigDict(extra="allow")

    job_id: str
    experiment_id: str | None
    status: Literal["completed"]
    metrics: dict[str, Any]


class WorkAccepted(BaseModel):
    """Work that goes on."""

    job_id: str
    experiment_id: str | None
    status: JobStatus
    location: str = Field(description="Where its status is answered.")


class CurveView(BaseModel):
    """A metric of a job over its steps, over all attempts."""

    job_id: str
    name: str
    steps: list[float]
    values: list[float | None] = Field(description="null where the value was not finite.")
    n_total: int = Field(description="How many points were recorded.")
    downsampled: bool


class MetricNames(BaseModel):
    """The metrics that a job has reported."""

    job_id: str
    names: list[str]


class LogTail(BaseModel):
    """The last lines of an attempt's output."""

    job_id: str
    stream: Literal["stdout", "stderr"]
    text: str


class AutoCleaned(BaseModel):
    """What a clean-up took away, or with `dry_run` would take away, and what it left."""

    status: Literal["completed"]
    experiments_cleaned: int = Field(description="How many broken experiments went, or would go.")
    message: str
    dry_run: bool
    freed_bytes: int = Field(description="What all that went took on the disk.")
    removed: list[Finding]
    kept: list[Finding] = Field(description="What would go if one thing were different, with that thing; the first 1000.")


def auto_cleaned(cleaned: Cleaned) -> AutoCleaned:
    """The answer for a clean-up."""
    others = len(cleaned.removed) - cleaned.experiments_cleaned
    verb = "Would clean" if cleaned.dry_run else "Cleaned"
    return AutoCleaned(
        status="completed",
        experiments_cleaned=cleaned.experiments_cleaned,
        message=f"{verb} {cleaned.experiments_cleaned} broken experiment(s)" + (f" and {others} other thing(s)" if others else ""),
        dry_run=cleaned.dry_run,
        freed_bytes=cleaned.freed_bytes,
        removed=list(cleaned.removed),
        kept=list(cleaned.kept[:_KEPT_SHOWN]),
    )


def job_view(job: Job, *, waiting_for: str | None) -> JobView:
    """The answer for one job."""
    return JobView(
        job_id=job.id,
        max_retries=job.retry.max_retries,
        retry_delay_seconds=job.retry.delay_s,
        timeout_seconds=job.limits.timeout_s,
        last_checkpoint_path=job.last_checkpoint,
        waiting_for=waiting_for,
        failure=_failure(job.failure),
        progress=progress_view(job.progress) if job.progress else None,
        metrics=finite(job.metrics),
        result=finite(job.result),
        params=finite(job.params),
        needs=list(job.needs),
        **{name: getattr(job, name) for name in _SAME},
    )


_SAME = (
    "experiment_id", "recipe", "recipe_version", "status", "priority", "attempt", "retry_count", "auto_resume", "cancel_requested",
    "hold", "not_before", "reason", "created_at", "started_at", "completed_at", "simulated", "copies", "inputs", "requires", "threads", "seed",
    "retry", "limits", "resumed_from", "submitted_by",
)  # fmt: skip


def progress_view(progress: Progress) -> ProgressView:
    """The answer for a progress."""
    counts_epochs = progress.unit == "epoch"
    done = finite(progress.done)
    return ProgressView(
        epoch=done if counts_epochs else None,
        step=None if counts_epochs else done,
        done=done,
        of=finite(progress.of),
        eta=finite(progress.eta_s),
        unit=progress.unit,
        phase=progress.phase,
        values=finite(progress.values),
    )


def _failure(failure: Failure | None) -> FailureView | None:
    return FailureView.model_validate(failure.model_dump()) if failure else None
