"""Routes of health: is it alive, and the numbers that Prometheus reads.

Liveness asks nobody, so it answers while the store is slow; to a caller who says who they are it tells more.
"""

import math
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from arc import __version__
from arc.api.routing import ArcRoute, House, public, viewer
from arc.app import App
from arc.jobs import reading
from arc.jobs.figures import Observed
from arc.telemetry.numbers import Latency, Snapshot

router = APIRouter(route_class=ArcRoute, tags=["health"])


class Health(BaseModel):
    """Liveness; everything but `status` only for an authenticated caller."""

    status: Literal["ok", "stopping"]
    version: str | None = Field(None, description="Version of ARC.")
    uptime_seconds: float | None = Field(None, description="Since this process began to serve.")
    runs_jobs: bool | None = Field(None, description="Whether this process runs the jobs of the workspace.")
    workspace: str | None = None
    active_training_jobs: int | None = Field(None, description="Attempts that run now.")
    jobs: dict[str, int] | None = Field(None, description="Jobs by status.")


@router.get("/health", **public, response_model=Health, response_model_exclude_none=True)
async def health(request: Request, house: House) -> Any:
    """Whether the process answers; with credentials also what it does."""
    status: Literal["ok", "stopping"] = "stopping" if request.app.state.stopping.is_set() else "ok"
    if request.scope["state"].get("actor") is None:
        return Health(status=status)
    return Health(
        status=status,
        version=__version__,
        uptime_seconds=round(house.clock.monotonic() - request.app.state.started, 1),
        runs_jobs=house.runs_jobs,
        workspace=str(house.settings.workspace),
        active_training_jobs=len(house.engine.running),
        jobs=await run_in_threadpool(reading.statuses, house.store),
    )


@router.get(
    "/metrics",
    **viewer,
    response_class=Response,
    responses={200: {"description": "Prometheus text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """Jobs by status, priority and what they wait for, attempts, latencies, requests, memory, GPUs and this process, for Prometheus."""
    return Response(request.app.state.numbers.text(), media_type="text/plain; version=0.0.4")


@router.get("/openapi.json", **viewer, include_in_schema=False)
def openapi(request: Request) -> JSONResponse:
    """The description of every route."""
    return JSONResponse(request.app.openapi())


def snapshot(app: App) -> Snapshot:
    """What the numbers are made of; called when somebody scrapes."""
    return Snapshot(
        jobs=reading.queue(app.store),
        attempts=reading.running_attempts(app.store),
        waiting=reading.waiting(app.store, app.jobs.admission, now=app.clock.now()),
        ended=app.figures.attempts(),
        adopted=app.figures.adoptions(),
        latencies={name: _latency(observed) for name, observed in app.figures.latencies().items()},
        journal_lag_bytes=reading.journal_lag(app.store, app.layout),
    )


def _latency(observed: Observed) -> Latency:
    return Latency(list(zip((*observed.bounds_s, math.inf), observed.up_to, strict=True)), observed.sum_s)
