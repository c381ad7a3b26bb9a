"""Routes of jobs: submit any recipe, look, cancel, resume, hold, release, and read what a job says."""

from collections.abc import Hashable, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from arc.api import work
from arc.api.routing import ArcRoute, Asker, Cursor, House, JobId, Key, Limit, Wait, asker_of, house_of, operator, viewer
from arc.api.views import (
    AutoCleaned,
    CurveView,
    JobList,
    JobView,
    LogTail,
    MetricNames,
    ResumedView,
    WorkDone,
    auto_cleaned,
    job_view,
)
from arc.app import App
from arc.core.artifact import Artifact
from arc.core.attempt import Attempt
from arc.core.explanation import Explanation
from arc.core.job import Job, JobRequest
from arc.core.journal import finite
from arc.core.states import JobStatus

router = APIRouter(route_class=ArcRoute, tags=["jobs"])


@router.post("/jobs", **operator, response_model=WorkDone, responses=work.ANSWERS)
async def submit_job(wanted: JobRequest, request: Request, key: Key = None, wait: Wait = 0.0) -> Response:
    """Run any recipe. Answers 202 with the job at once, or with `wait` the result when it is there in time."""
    house, asker = await house_of(request), await asker_of(request)  # what the framework would do, in a tenth of the time
    return await work.start(request, house, wanted, actor=asker.name, key=key, wait_s=wait or 0.0)


@router.get("/jobs/list", **viewer)
def list_jobs(
    house: House,
    status: Annotated[JobStatus | None, Query(description="Only jobs in this status.")] = None,
    recipe: Annotated[str | None, Query(min_length=1, max_length=128, description="Only jobs of this recipe.")] = None,
    experiment: Annotated[str | None, Query(min_length=1, max_length=128, description="Only jobs of this experiment.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobList:
    """A page of jobs, newest first."""
    page = house.jobs.page(statuses=(status,) if status else (), recipe=recipe, experiment=experiment, limit=limit, cursor=cursor)
    return JobList(items=_views(house, page.items), next_cursor=page.next_cursor)


@router.get("/jobs/status/{job_id}", **viewer)
def job_status(job_id: JobId, house: House) -> JobView:
    """One job: where it is, what it waits for, how far it is, what it gave."""
    return _view(house, house.jobs.get(job_id))


@router.post("/jobs/cancel/{job_id}", **operator)
def cancel_job(
    job_id: JobId,
    house: House,
    asker: Asker,
    rollback: Annotated[bool, Query(description="Also delete what the attempt wrote.")] = False,
) -> JobView:
    """End a job. A running one is asked to stop: it is shown as running with `cancel_requested` until it has."""
    return _view(house, house.jobs.cancel(job_id, rollback=rollback, actor=asker.name))


@router.post("/jobs/resume/{job_id}", **operator, status_code=202)
def resume_job(job_id: JobId, house: House, asker: Asker) -> ResumedView:
    """A new job that continues a failed or cancelled one from its last good checkpoint, in the same experiment."""
    job = house.jobs.resume(job_id, actor=asker.name)
    return ResumedView(**_view(house, job).model_dump(), location=f"/jobs/status/{job.id}")


@router.post("/jobs/hold/{job_id}", **operator)
def hold_job(job_id: JobId, house: House, asker: Asker) -> JobView:
    """Do not start the job; a running one checkpoints and gives its place up."""
    return _view(house, house.jobs.hold(job_id, actor=asker.name))


@router.post("/jobs/release/{job_id}", **operator)
def release_job(job_id: JobId, house: House, asker: Asker) -> JobView:
    """Let a held job run again."""
    return _view(house, house.jobs.release(job_id, actor=asker.name))


@router.post("/jobs/auto-clean", **operator)
def auto_clean(
    house: House,
    asker: Asker,
    dry_run: Annotated[bool, Query(description="Only say what would go, and why; nothing is changed.")] = False,
) -> AutoCleaned:
    """Take away broken experiments, superfluous checkpoints, files of old jobs and what a crash left.

    An experiment is broken when it failed for good, has no valid checkpoint, no result and no log beyond the header,
    and nothing refers to it; the cause and the log tail stay as a tombstone.
    """
    return auto_cleaned(house.cleaning.clean(actor=asker.name, dry_run=dry_run))


@router.get("/jobs/{job_id}/why", **viewer)
def job_why(job_id: JobId, house: House) -> Explanation:
    """What a job waits for or why it failed, what happens next, and what one can do."""
    return house.jobs.why(job_id)


@router.get("/jobs/{job_id}/logs", **viewer)
def job_logs(
    job_id: JobId,
    house: House,
    lines: Annotated[int, Query(ge=1, le=10_000, description="How many of the last lines.")] = 100,
    stream: Annotated[Literal["stdout", "stderr"], Query(description="Which output.")] = "stderr",
    attempt: Annotated[int | None, Query(ge=1, le=1_000_000, description="Of which attempt; the latest when not given.")] = None,
) -> LogTail:
    """The last lines that an attempt wrote."""
    text = house.jobs.log_tail(job_id, lines=lines, stream=stream, number=attempt)
    return LogTail(job_id=job_id, stream=stream, text=text)


@router.get("/jobs/{job_id}/metrics", **viewer)
def job_metrics(job_id: JobId, house: House) -> MetricNames:
    """The names of the metrics that a job has reported; `/jobs/{job_id}/curve` has their values."""
    return MetricNames(job_id=job_id, names=house.jobs.metric_names(job_id))


@router.get("/jobs/{job_id}/curve", **viewer)
def job_curve(
    job_id: JobId,
    house: House,
    name: Annotated[str, Query(min_length=1, max_length=200, description="Name of the metric.")],
    max_points: Annotated[int, Query(ge=2, le=10_000, description="A longer curve is thinned out (LTTB).")] = 1000,
) -> CurveView:
    """A metric over the steps of the job, all attempts together."""
    curve = house.jobs.curve(job_id, name, max_points=max_points)
    return CurveView(
        job_id=job_id,
        name=name,
        steps=list(curve.steps),
        values=finite(list(curve.values)),
        n_total=curve.n_total,
        downsampled=curve.downsampled,
    )


@router.get("/jobs/{job_id}/attempts", **viewer)
def job_attempts(job_id: JobId, house: House) -> list[Attempt]:
    """Every attempt of a job, first to last, with its outcome and the process it was."""
    return house.jobs.attempts(job_id)


@router.get("/jobs/{job_id}/artifacts", **viewer)
def job_artifacts(job_id: JobId, house: House) -> list[Artifact]:
    """What a job left; `/artifacts/{digest}` has the bytes of what is published."""
    return house.jobs.artifacts(job_id)


def _view(house: App, job: Job) -> JobView:
    return job_view(job, waiting_for=house.jobs.waiting_for(job))


def _views(house: App, found: Sequence[Job]) -> list[JobView]:
    """The answers for a page; jobs that ask for the same wait for the same, so each reason is looked up once."""
    reasons: dict[Hashable, str | None] = {}
    views = []
    for job in found:
        asks = (job.status, job.hold, job.not_before, job.needs, job.requires, job.threads, job.limits)
        if asks not in reasons:
            reasons[asks] = house.jobs.waiting_for(job)
        views.append(job_view(job, waiting_for=reasons[asks]))
    return views
