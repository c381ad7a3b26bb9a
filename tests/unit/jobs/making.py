"""Values for the tests of jobs."""

from datetime import UTC, datetime
from typing import Any

from arc.core.job import Job, Limits, Priority, RetryPolicy
from arc.core.recipe import Needs
from arc.core.states import JobStatus

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def job(**changes: Any) -> Job:
    """A queued job of one task slot, with the given fields changed."""
    values: dict[str, Any] = {
        "id": "job_1", "recipe": "probe.faults", "recipe_version": "1", "params": {}, "inputs": {}, "requires": Needs(), "threads": 1, "seed": 0,
        "priority": Priority.NORMAL, "needs": (), "status": JobStatus.QUEUED, "attempt": 0, "retry_count": 0, "retry": RetryPolicy(),
        "limits": Limits(), "auto_resume": True, "experiment_id": None, "cancel_requested": None, "hold": False, "not_before": None,
        "resumed_from": None, "simulated": False, "submitted_by": "test", "failure": None, "reason": None, "progress": None, "metrics": None,
        "result": None, "last_checkpoint": None, "created_at": MOMENT, "started_at": None, "completed_at": None,
    }  # fmt: skip
    return Job(**(values | changes))
