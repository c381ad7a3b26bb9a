"""Work: what a route that starts a job answers.

Finished within the wait: 200 with the job's result merged with its id, or the job's own error, as if the
route had failed itself. Otherwise 202 with where to look. A client that hangs up cancels nothing: the job
is durable before the wait begins. A control plane that stops answers 202 to everyone who waits.
"""

import asyncio

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from arc.api import problems
from arc.api.routing import House
from arc.api.views import WorkAccepted, WorkDone
from arc.core.attempt import Failure, FailureClass
from arc.core.errors import ArcError, Cancelled, PermanentError, all_errors
from arc.core.job import Job, JobRequest
from arc.core.journal import finite
from arc.core.states import JobStatus

ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"model": WorkDone, "description": "Done within the wait: the result of the job, merged with its id."},
    202: {"model": WorkAccepted, "description": "It goes on; `location` says where to look."},
}
_BY_CODE = {cls.__name__: cls for cls in all_errors()}
_BY_CLASS = {FailureClass.BAD_DATA: 422, FailureClass.NAN: 422, FailureClass.OOM: 507}
_KEPT_WORDS = ("job_id", "experiment_id", "status", "metrics")


async def start(request: Request, house: House, wanted: JobRequest, *, actor: str, key: str | None, wait_s: float) -> Response:
    """Submit, wait at most `wait_s`, and answer; the errors of `Jobs.submit`."""
    job = await submit(house, wanted, actor=actor, key=key)
    return answer(request, await finished(request, house, job, wait_s))


async def submit(house: House, wanted: JobRequest, *, actor: str, key: str | None) -> Job:
    """The job, durable; the errors of `Jobs.submit`."""
    stored_key = None if key is None else f"key:{key}"  # the house keeps keys of its own in the same column
    return await run_in_threadpool(house.jobs.submit, wanted, actor=actor, key=stored_key)


def answer(request: Request, job: Job) -> Response:
    """The answer for a job as it is now."""
    if job.status is JobStatus.COMPLETED:
        return JSONResponse(_result(job))
    if job.status is JobStatus.FAILED:
        return _failed(request, job, job.failure or Failure(failure_class=FailureClass.EXCEPTION, message="the job failed"))
    if job.status is JobStatus.CANCELLED:
        return problems.of_error(request.scope, Cancelled(job.reason or f"job {job.id} was cancelled"), job_id=job.id)
    location = f"/jobs/status/{job.id}"
    body = WorkAccepted(job_id=job.id, experiment_id=job.experiment_id, status=job.status, location=location)
    return JSONResponse(body.model_dump(mode="json"), status_code=202, headers={"Location": location})


async def finished(request: Request, house: House, job: Job, wait_s: float) -> Job:
    """The job when it is over, when the time is up, or when the control plane stops; 0 asks how it is now."""
    if job.terminal:
        return job
    if wait_s <= 0:
        return await run_in_threadpool(house.jobs.get, job.id)
    stopping: asyncio.Event = request.app.state.stopping
    ended = asyncio.create_task(house.engine.finished(job.id, wait_s))
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() else job
    finally:
        ended.cancel()
        stopped.cancel()


def _result(job: Job) -> dict[str, object]:
    own = {"job_id": job.id, "experiment_id": job.experiment_id, "status": job.status.value, "metrics": finite(job.metrics or {})}
    given = {name: value for name, value in finite(job.result or {}).items() if name not in _KEPT_WORDS}
    return {**own, **given}


def _failed(request: Request, job: Job, failure: Failure) -> Response:
    cls = _BY_CODE.get(failure.error or "")
    status = failure.status or (cls.status if cls else _BY_CLASS.get(failure.failure_class, 500))
    if cls is not None:
        return problems.of_error(request.scope, _error(cls, failure), job_id=job.id, status=status)
    return problems.answer(
        request.scope,
        status,
        failure.message or f"the job failed: {failure.failure_class.value}",
        code=failure.error or failure.failure_class.value,
        title="The job failed.",
        field=failure.field,
        job_id=job.id,
    )


def _error(cls: type[ArcError], failure: Failure) -> ArcError:
    return (PermanentError if cls is ArcError else cls)(failure.message, field=failure.field)
