"""Explaining: what a job waits for or why it failed, what happens next, and what one can do about it.

A pure function over the job, its attempts and the obstacle that admission named; the service reads them. The class of
a failure says, by the table of `arc.jobs.failures`, what it is known from and what follows.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from arc.core.attempt import Attempt, FailureClass
from arc.core.explanation import Evidence, Explanation, WaitingKind
from arc.core.job import Job
from arc.core.states import JobStatus
from arc.jobs.failures import RULES
from arc.jobs.retry import retryable

_BEGINNINGS: tuple[tuple[str, WaitingKind], ...] = (
    ("a person", "hold"), ("jobs:", "jobs"), ("its retry", "backoff"), ("a task slot", "slot"), ("a light slot", "slot"),
    ("memory", "memory"), ("threads", "threads"), ("a GPU", "gpu"), ("GPU", "gpu"),
)  # fmt: skip
_HINTS = {
    FailureClass.OOM: "give it less to hold at once (a smaller batch or image size), or more memory (memory_gb)",
    FailureClass.CUDA: "look whether the GPU is healthy: arc doctor",
    FailureClass.TIMEOUT: "allow it more time (timeout_seconds; arc submit --timeout)",
    FailureClass.STALLED: "look at what it did last in its log; when such a pause is usual, allow it (stall_seconds)",
    FailureClass.NAN: "lower the learning rate, or look for unusable values in the data",
    FailureClass.BAD_DATA: "correct the input that the message names",
}


def kind_of(waiting_for: str) -> WaitingKind:
    """The kind of thing that a reason to wait names."""
    return next((kind for beginning, kind in _BEGINNINGS if waiting_for.startswith(beginning)), "engine")


def explain(job: Job, made: Sequence[Attempt], *, waiting_for: str | None, steps: Sequence[int | None], now: datetime) -> Explanation:
    """Why the job is where it is. `steps`: those of its checkpoints, newest first; `waiting_for`: None when it does not wait."""
    waiting = None if waiting_for is None else kind_of(waiting_for)
    return Explanation(
        job_id=job.id,
        status=job.status,
        why=_why(job, waiting_for),
        waiting=waiting,
        failure=_evidence(job, made),
        next=_next(job, made, waiting, steps, now),
        advice=_advice(job, waiting),
    )


def _why(job: Job, waiting_for: str | None) -> str:
    if waiting_for is not None:
        return f"it waits for {waiting_for}"
    if job.status is JobStatus.RUNNING:
        asked = f", asked to end ({job.cancel_requested})" if job.cancel_requested else ", asked to give its place up" if job.hold else ""
        return f"attempt {job.attempt} runs{asked}"
    if job.status is JobStatus.FAILED and job.failure is not None:
        return f"{job.failure.message} ({job.failure.failure_class.value})"
    return job.reason or ("it did all that was asked" if job.status is JobStatus.COMPLETED else f"it is {job.status.value}")


def _evidence(job: Job, made: Sequence[Attempt]) -> Evidence | None:
    """The failure that the job has now: of one that goes on after a failure, the last."""
    failure = job.failure
    if failure is None or job.status is JobStatus.COMPLETED:
        return None
    of = next((attempt for attempt in reversed(made) if attempt.failure is not None), None)
    rule = RULES[failure.failure_class]
    return Evidence(
        failure_class=failure.failure_class,
        message=failure.message,
        error=failure.error,
        known_from=rule.evidence,
        rule=rule.action.value,
        attempt=of.number if of else None,
        exit_code=of.exit_code if of else None,
        signal=of.signal if of else None,
        log_tail=failure.log_tail,
    )


def _next(job: Job, made: Sequence[Attempt], waiting: WaitingKind | None, steps: Sequence[int | None], now: datetime) -> str:
    if job.status is JobStatus.FAILED:
        return f"nothing: {_no_retry(job)}"
    if job.terminal:
        return "nothing: it is over"
    if job.status is JobStatus.RUNNING:
        if job.cancel_requested:
            kept = "what it wrote is deleted" if job.cancel_requested == "rollback" else "what it wrote is kept"
            return f"it has {job.limits.grace_s:g} s to write a checkpoint, then it is ended and cancelled; {kept}"
        return "it gives its place up and waits, held" if job.hold else "it runs on"
    if waiting == "hold":
        return "nothing until it is released"
    if waiting == "jobs":
        return "it joins the queue when they have completed; it is cancelled when one of them does not"
    return f"{_when(job, waiting, now)}{_how(job, made, steps)}"


def _when(job: Job, waiting: WaitingKind | None, now: datetime) -> str:
    number = f"attempt {job.attempt + 1}"
    if waiting == "backoff" and job.not_before is not None:
        left_s = (job.not_before - now).total_seconds()
        return f"{number} at {job.not_before.isoformat(timespec='seconds')} (in {left_s:.0f} s), retry {job.retry_count} of {job.retry.max_retries}"
    return f"{number} at once" if waiting == "engine" else f"{number} as soon as there is room"


def _how(job: Job, made: Sequence[Attempt], steps: Sequence[int | None]) -> str:
    """From where the next attempt goes on, and how much smaller."""
    past = Counter(attempt.failure.failure_class for attempt in made if attempt.failure is not None)
    usable = list(steps[past[FailureClass.CHECKPOINT] :]) if job.auto_resume else []
    step = f" of step {usable[0]}" if usable and usable[0] is not None else ""
    start = f", from the checkpoint{step}" if usable else ", from the beginning" if made else ""
    older = ", an older one because the newest could not be loaded" if usable and past[FailureClass.CHECKPOINT] else ""
    pieces = f", each batch in {2 ** past[FailureClass.OOM]} pieces with the gradients accumulated" if past[FailureClass.OOM] else ""
    return f"{start}{older}{pieces}"


def _no_retry(job: Job) -> str:
    failure = job.failure
    if failure is None or job.attempt == 0:
        return "it failed before its first attempt"
    if not retryable(failure):
        what = failure.error or failure.failure_class.value
        return f"{what} is not tried again, because trying again cannot help"
    allowed = min(job.retry.max_retries, job.retry.by_class.get(failure.failure_class, job.retry.max_retries))
    return f"all its retries are used up ({allowed} allowed)" if allowed else "it was submitted with no retries"


def _advice(job: Job, waiting: WaitingKind | None) -> list[str]:
    if waiting == "hold":
        return [f"let it go on: arc jobs release {job.id}"]
    if waiting == "backoff":
        return [f"look at its log: arc jobs logs {job.id} --stderr", f"give it up: arc jobs cancel {job.id}"]
    if waiting in ("slot", "memory", "threads", "gpu"):
        return ["see who has it: arc jobs list --status running"]
    if waiting == "engine":
        return ["when nothing starts: arc serve runs the jobs of the workspace"]
    if job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        return _after_the_end(job)
    return []


def _after_the_end(job: Job) -> list[str]:
    found = []
    if job.failure is not None and job.status is JobStatus.FAILED:
        found += [_HINTS[job.failure.failure_class]] if job.failure.failure_class in _HINTS else []
        found += [f"look at its log: arc jobs logs {job.id} --stderr"] if job.attempt else []
    if job.cancel_requested != "rollback":
        found.append(f"continue it from its last good checkpoint: arc jobs resume {job.id}")
    return found
