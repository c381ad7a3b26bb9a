"""What a training answers when it is done: its model's file, its epochs, and what it was measured at since.

The numbers that a training prints about itself are for watching. `test_results` are those of an evaluation in the same
experiment, and null until there is one.
"""

import json
from typing import Any

from fastapi import Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from arc.api import work
from arc.api.routing import House
from arc.api.views import WorkAccepted, WorkDone
from arc.core.job import Job, JobRequest
from arc.core.journal import finite
from arc.core.states import JobStatus


class TrainingDone(WorkDone):
    """The result of a training, merged with the id of its job."""

    best_checkpoint_path: str = Field(description="The model of the best epoch, as `checkpoint_path` of other routes takes it.")
    history: list[dict[str, Any]] = Field(description="What each epoch came to.")
    test_results: dict[str, Any] | None = Field(description="What an evaluation measured since; null until there is one.")


ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"model": TrainingDone, "description": "Done within the wait: the result of the training, merged with the id of its job."},
    202: {"model": WorkAccepted, "description": "It goes on; `location` says where to look."},
}


async def start(request: Request, house: House, wanted: JobRequest, *, actor: str, key: str | None, wait_s: float) -> Response:
    """Submit, wait at most `wait_s`, and answer; the errors of `Jobs.submit`."""
    job = await work.submit(house, wanted, actor=actor, key=key)
    job = await work.finished(request, house, job, wait_s)
    if job.status is JobStatus.COMPLETED:
        left = await run_in_threadpool(_left, house, job)
        job = job.model_copy(update={"result": {**(job.result or {}), **left}})
    return work.answer(request, job)


def _left(house: House, job: Job) -> dict[str, Any]:
    home = house.layout.home(job)
    try:
        epochs = json.loads((home / "results" / "history.json").read_text())["epochs"]
    except (OSError, ValueError, KeyError):
        epochs = []  # somebody took the copy away
    measured = house.experiments.get(job.experiment_id).metrics if job.experiment_id else {}
    return {
        "best_checkpoint_path": str(home / "checkpoints" / "model.safetensors"),
        "history": finite(epochs),
        "test_results": finite(measured) or None,
    }
