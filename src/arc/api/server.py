"""Server: the application that the routes make, with its guard around it.

Each file of routes has a `router`; they are joined here and nowhere else. There are no pages of
documentation with scripts from elsewhere: `/openapi.json` is the description, and it needs a token too.
Starting and stopping the app that is served is the business of `arc.api.control`.
"""

import asyncio
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from arc.api import (
    artifacts,
    audit,
    dataset_work,
    datasets,
    evaluate,
    events,
    experiments,
    health,
    jobs,
    leases,
    problems,
    proposals,
    recipes,
    settings,
    studies,
    tokens,
    train,
    train_segmentation,
    visualizations,
)
from arc.api.guard import Guard
from arc.api.openapi import describe
from arc.app import App
from arc.core.errors import ArcError
from arc.telemetry.numbers import Numbers

ROUTERS = (
    jobs.router, events.router, train.router, train_segmentation.router, evaluate.router, visualizations.router, experiments.router, studies.router, proposals.router, datasets.router, dataset_work.router, recipes.router, artifacts.router,
    leases.router, audit.router, settings.router, tokens.router, health.router,
)  # fmt: skip


def create_app(app: App) -> FastAPI:
    """The ASGI application over `app`; every request passes the guard."""
    web = FastAPI(title="ARC", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    web.state.arc = app
    web.state.stopping = asyncio.Event()
    web.state.numbers = Numbers(lambda: health.snapshot(app))
    web.state.started = app.clock.monotonic()
    web.state.login_attempts = tokens.Attempts(app.clock)
    for router in ROUTERS:
        web.router.routes.extend(router.routes)
    web.add_exception_handler(ArcError, problems.arc_error)
    web.add_exception_handler(HTTPException, problems.http_error)
    web.add_exception_handler(RequestValidationError, problems.invalid_request)
    web.add_middleware(Guard, access=app.access, allowed_hosts=app.settings.allowed_hosts, numbers=web.state.numbers)
    found: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        if not found:
            found.append(describe(web))
        return found[0]

    web.openapi = openapi  # type: ignore[method-assign]
    return web
