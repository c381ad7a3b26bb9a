"""Routes of what happens: the stream of one job, and the stream of everything."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from arc.api import sse
from arc.api.routing import ArcRoute, House, JobId, viewer

router = APIRouter(route_class=ArcRoute, tags=["events"])
LastId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64, description="The id of the last message that arrived.")]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `event` with an id, `progress`, `heartbeat`, `resync`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
_OVER: dict[int | str, dict[str, Any]] = {204: {"description": "The job is over and everything was told."}}


@router.get("/jobs/{job_id}/events", **viewer, status_code=200, response_class=sse.EventStream, responses=_STREAM | _OVER)
async def job_events(job_id: JobId, request: Request, house: House, last_event_id: LastId = None) -> Response:
    """What happens to one job, from its beginning or after `Last-Event-ID`, until it is over."""
    return await sse.of_job(house, job_id, last_event_id, request.app.state.stopping)


@router.get("/events", **viewer, status_code=200, response_class=sse.EventStream, responses=_STREAM)
async def all_events(request: Request, house: House, last_event_id: LastId = None) -> Response:
    """What happens to everything, from now on or after `Last-Event-ID`; it does not end."""
    return await sse.of_all(house, last_event_id, request.app.state.stopping)
