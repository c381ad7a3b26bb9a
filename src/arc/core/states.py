"""The states of a job, and the only moves between them.

pending (needs unmet) -> queued -> running -> completed | failed | cancelled
running -> queued on retry, pre-emption or a lost attempt; every move writes the event it names.

Cancel, hold and pre-emption are requests recorded on a job, not states. Terminal is final: resuming
a failed job makes a new one (`resumed_from`).
"""

from enum import StrEnum

from arc.core.errors import Conflict


class JobStatus(StrEnum):
    """Where a job is in its life."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

MOVES: dict[tuple[JobStatus | None, JobStatus], str] = {
    (None, JobStatus.PENDING): "job.submitted",
    (None, JobStatus.QUEUED): "job.submitted",
    (JobStatus.PENDING, JobStatus.QUEUED): "job.ready",
    (JobStatus.PENDING, JobStatus.CANCELLED): "job.cancelled",
    (JobStatus.QUEUED, JobStatus.RUNNING): "job.started",
    (JobStatus.QUEUED, JobStatus.FAILED): "job.failed",
    (JobStatus.QUEUED, JobStatus.CANCELLED): "job.cancelled",
    (JobStatus.RUNNING, JobStatus.QUEUED): "job.requeued",
    (JobStatus.RUNNING, JobStatus.COMPLETED): "job.completed",
    (JobStatus.RUNNING, JobStatus.FAILED): "job.failed",
    (JobStatus.RUNNING, JobStatus.CANCELLED): "job.cancelled",
}


def event_of(before: JobStatus | None, after: JobStatus) -> str:
    """The event that the move writes; Conflict when there is no such move."""
    try:
        return MOVES[before, after]
    except KeyError:
        raise Conflict(f"a job cannot go from {before} to {after}", field="status", value=str(before)) from None
