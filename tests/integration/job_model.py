"""What the state machine of jobs should do, in plain Python: the model that the real one is compared with."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from arc.core.attempt import FailureClass
from arc.core.job import Priority
from arc.core.states import TERMINAL, JobStatus

S = JobStatus


@dataclass
class Expected:
    """One job as it should be."""

    id: str
    priority: Priority
    needs: tuple[str, ...]
    max_retries: int
    status: JobStatus
    attempt: int = 0
    retries: int = 0
    hold: bool = False
    cancel: str | None = None
    due: datetime | None = None
    failures: Counter[FailureClass] = field(default_factory=Counter)
    offset: int = 0  # of the journal of the current attempt
    points: list[tuple[int, int, float]] = field(default_factory=list)  # (attempt, step, value)
    resumed: bool = False

    @property
    def over(self) -> bool:
        """Whether it can never change again."""
        return self.status in TERMINAL

    def curve(self) -> list[tuple[float, float]]:
        """Each attempt replaces what earlier ones said from its first step on."""
        found: dict[int, float] = {}
        for number in sorted({number for number, _, _ in self.points}):
            mine = {step: value for attempt, step, value in self.points if attempt == number}
            found = {step: value for step, value in found.items() if step < min(mine)} | mine
        return [(float(step), value) for step, value in sorted(found.items())]


class Expectations:
    """Every job as it should be, and what happens to those that need another."""

    def __init__(self) -> None:
        self.jobs: dict[str, Expected] = {}

    def submitted(self, job: Expected) -> None:
        """A new job: it waits for what it needs."""
        self.jobs[job.id] = job

    def first_status(self, needs: tuple[str, ...]) -> JobStatus:
        """Where a job with these needs begins."""
        return S.QUEUED if all(self.jobs[need].status is S.COMPLETED for need in needs) else S.PENDING

    def refuses(self, needs: tuple[str, ...]) -> bool:
        """Whether one of the needs can never be met."""
        return any(self.jobs[need].status in (S.FAILED, S.CANCELLED) for need in needs)

    def next(self, now: datetime, slots: int) -> Expected | None:
        """The job that is claimed next."""
        if sum(job.status is S.RUNNING for job in self.jobs.values()) >= slots:
            return None
        waiting = [job for job in self.jobs.values() if job.status is S.QUEUED and not job.hold and (job.due is None or job.due <= now)]
        return min(waiting, key=lambda job: (job.priority.rank, job.id), default=None)

    def ended(self, job: Expected, status: JobStatus) -> None:
        """The job is over: those that need it are queued, or cancelled with it."""
        job.status = status
        for other in self.jobs.values():
            if other.status is not S.PENDING or job.id not in other.needs:
                continue
            if status is not S.COMPLETED:
                self.ended(other, S.CANCELLED)
            elif self.first_status(other.needs) is S.QUEUED:
                other.status = S.QUEUED
