"""Verdict: what the end of an attempt means for its job.

Evidence, in this order: the outcome line of the journal (written and synced before the process ended),
the kernel's count of kills for want of memory, what the engine itself did to the attempt (timeout, memory,
stop), and how the process ended as its reaper saw it. An exit code of 0 without an outcome is a failure: the
recipe did not say that it was done.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from arc.core.attempt import Failure, FailureClass
from arc.core.journal import NO_ROOM
from arc.core.ports import Exit
from arc.core.process import signal_name
from arc.core.recipe import Done

Ending = Literal["timeout", "memory", "stalled", "cancel", "hold", "shutdown", "preempted"]  # what the engine did to it


@dataclass(frozen=True)
class Requeue:
    """Run again, without blame: it was asked to give its place up."""

    why: str
    delay_s: float = 0.0
    counts: bool = False  # whether it uses up a retry
    failure: Failure | None = None  # what is recorded of the attempt


@dataclass(frozen=True)
class Stopped:
    """It ended because someone wanted it to."""

    why: str


_FULL_DISK_S = 60.0  # as an attempt says that still can
_OUR_FAILURES = {
    "timeout": (FailureClass.TIMEOUT, "it ran longer than its timeout and was ended"),
    "memory": (FailureClass.OOM, "it used more private memory than its limit and was ended"),
    "stalled": (FailureClass.STALLED, "it made no progress within the budget of its phase and was ended"),
}
_OUR_REASONS = {
    "hold": "held",
    "shutdown": "the control plane was stopped",
    "preempted": "pre-empted by a more urgent job",
}
Verdict = Done | Failure | Requeue | Stopped


def judge(outcome: dict[str, Any] | None, ending: Ending | None, end: Exit, *, log_tail: str) -> Verdict:
    """What the end of an attempt means."""
    status = outcome.get("status") if outcome else None
    if outcome and status == "done":
        return Done(metrics=outcome.get("metrics") or {}, result=outcome.get("result") or {})
    if end.oom_kills and ending in (None, "memory", "stalled"):  # the loss of a helper may have looked like a stall or an error
        message = f"its control group was full: the kernel ended {end.oom_kills} of its processes"
        return Failure(failure_class=FailureClass.OOM, message=message, log_tail=log_tail)
    if ending in _OUR_FAILURES:
        kind, message = _OUR_FAILURES[ending]
        return Failure(failure_class=kind, message=message, log_tail=log_tail)
    if ending == "cancel":
        return Stopped("cancelled on request")
    if ending in _OUR_REASONS:
        why = _OUR_REASONS[ending]
        return Requeue(why, failure=Failure(failure_class=FailureClass.PREEMPTED, message=why) if ending == "preempted" else None)
    if outcome and status == "retry":
        return Requeue(str(outcome.get("why", ""))[:2000], delay_s=_seconds(outcome.get("after_s")), counts=True)
    if outcome and status == "cancelled" and outcome.get("asked") is True:
        return Failure(failure_class=FailureClass.EXIT, message="it was told to stop by SIGTERM, and not by ARC", log_tail=log_tail)
    if outcome and status == "cancelled":
        return Stopped(str(outcome.get("why", ""))[:2000])
    if outcome and status == "failed":
        return _reported(outcome.get("failure"), log_tail)
    return _unreported(end, log_tail)


def _seconds(value: Any) -> float:
    return min(max(float(value), 0.0), 86_400.0) if isinstance(value, int | float) else 0.0


def _reported(failure: Any, log_tail: str) -> Failure:
    try:
        reported = Failure.model_validate(failure)
    except ValidationError:
        return Failure(failure_class=FailureClass.EXCEPTION, message="it failed without a readable reason", log_tail=log_tail)
    return reported.model_copy(update={"log_tail": reported.log_tail or log_tail})


def _unreported(end: Exit, log_tail: str) -> Failure | Requeue:
    if end.code == NO_ROOM:
        return Requeue("the disk is full: there was no room even for an outcome", delay_s=_FULL_DISK_S, counts=True)
    if end.signal is not None:
        return Failure(failure_class=FailureClass.EXIT, message=f"the process was killed by {signal_name(end.signal)}", log_tail=log_tail)
    if end.code is not None:
        return Failure(failure_class=FailureClass.EXIT, message=f"exit code {end.code} without a result", log_tail=log_tail)
    return Failure(failure_class=FailureClass.LOST, message="the process is gone and nobody saw how it ended", log_tail=log_tail)
