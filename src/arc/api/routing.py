"""Routing: a route that says who may use it, and reads its request strictly.

Every route is declared with a role; one without it cannot be registered, so nothing is open by oversight.
Before the framework parses anything, the route checks the role of the asker, refuses query parameters it
does not know (a misspelt filter must not silently list everything) and reads the body as strict JSON.

An attempt that asks with its capability is a viewer of its own job and of nothing else; one of the role orchestrator
may also submit jobs, and is a viewer of those; when it runs a study, also of that study and of its experiments and their jobs.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from arc.api import json
from arc.api.guard import OPEN_PATHS, SAFE_METHODS
from arc.app import App
from arc.core.access import Actor, Role
from arc.core.errors import Forbidden, NotFound

ROLE = "x-role"
PUBLIC = "public"
_OF_ORCHESTRATORS = frozenset(  # whether a study is its own, is asked behind them
    {("POST", "/jobs"), ("POST", "/studies/{study_id}/records"), ("POST", "/studies/{study_id}/summary"), ("GET", "/recipes/{name}")}
)
Declaration = dict[str, Any]


def declare(role: Role | None) -> Declaration:
    """What a route is registered with to say the least role that may use it; None for an open path."""
    return {"openapi_extra": {ROLE: role.value if role else PUBLIC}}


public = declare(None)
viewer = declare(Role.VIEWER)
researcher = declare(Role.RESEARCHER)
operator = declare(Role.OPERATOR)
admin = declare(Role.ADMIN)


class ArcRoute(APIRoute):
    """A route with a declared role and strict reading."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        declared = (self.openapi_extra or {}).get(ROLE)
        if declared is None or (declared == PUBLIC) != (path in OPEN_PATHS):
            raise RuntimeError(f"the route {path} must declare its role, and be public only when the guard leaves it open")
        self.role = None if declared == PUBLIC else Role(declared)
        self._query_names = {str(field.alias) for field in self.dependant.query_params}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, behind the checks."""
        parsed = super().get_route_handler()

        async def handle(request: Request) -> Response:
            await self._check_role(request)
            self._check_query(request)
            return await parsed(await self._read(request))

        return handle

    async def _check_role(self, request: Request) -> None:
        if self.role is None:
            return
        actor: Actor | None = request.scope["state"].get("actor")
        if actor is not None and actor.orchestrates and (request.method, self.path) in _OF_ORCHESTRATORS:
            return
        if actor is None or actor.role.rank < self.role.rank:
            raise Forbidden(f"the role {self.role.value} is needed for this; yours is {actor.role.value if actor else 'none'}")
        if actor.job_id is not None and not await _may_read(request, actor):
            others = ", the jobs it submitted and the study it runs" if actor.orchestrates else ""
            raise Forbidden(f"an attempt may read its own job{others} only")

    def _check_query(self, request: Request) -> None:
        pairs = request.query_params.multi_items()
        given = [name for name, _ in pairs]
        for name, value in pairs:
            if "\0" in value:
                raise _invalid(name, "holds a NUL character")
            if name not in self._query_names:
                raise _invalid(name, f"there is no such parameter; there are {sorted(self._query_names) or 'none'}")
            if given.count(name) > 1:
                raise _invalid(name, "given more than once")

    async def _read(self, request: Request) -> Request:
        """The request with its body read, or without one where the route takes none."""
        if self.body_field is not None:
            limit = int(request.app.state.arc.settings.max_body_mb * 1_000_000)
            return _Read(request, await json.read(request, limit=limit))
        if "requestBody" in (self.openapi_extra or {}):  # the route reads the stream itself
            return request
        if request.method not in SAFE_METHODS and _has_body(request):
            raise HTTPException(400, "this route takes no body", headers=json.CLOSE)
        return request


async def _may_read(request: Request, attempt: Actor) -> bool:
    """Whether an attempt may read what is asked for: its own job, or, when it orchestrates, what it submitted or what is of its study."""
    named = request.path_params
    if request.method != "GET":
        return False
    if named.get("job_id") == attempt.job_id or not attempt.orchestrates:
        return bool(named.get("job_id") == attempt.job_id)
    try:
        return await run_in_threadpool(_is_its_own, request.app.state.arc, attempt, named)
    except NotFound:
        return False  # what it may not see, it may not find out about


def _is_its_own(house: App, attempt: Actor, named: Mapping[str, str]) -> bool:
    """Whether what a path names was submitted by this orchestrating attempt, or is of the study that it runs."""
    study = named.get("study_id")
    if "proposal_id" in named:
        study = house.studies.proposal(named["proposal_id"]).study
    if "job_id" in named:
        job = house.jobs.get(named["job_id"])
        if job.submitted_by == attempt.name:
            return True
        study = house.experiments.get(job.experiment_id).study if job.experiment_id else None
    if "experiment_id" in named:
        study = house.experiments.get(named["experiment_id"]).study
    return study is not None and house.studies.get(study).job_id == attempt.job_id


class _Read(Request):
    """A request whose body was read and parsed already; this is where the framework finds the value."""

    def __init__(self, request: Request, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._value = value

    async def body(self) -> bytes:
        """Anything but nothing: the framework then asks for the JSON."""
        return b"null"

    async def json(self) -> Any:
        """The value that was parsed strictly."""
        return self._value


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _invalid(name: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "unknown", "loc": ("query", name[:80]), "msg": message, "input": None}])


# Async, although they wait for nothing: the framework takes a thread for each that is not.
async def house_of(request: Request) -> App:
    """The app that is served."""
    app: App = request.app.state.arc
    return app


async def asker_of(request: Request) -> Actor:
    """Who asks, as the guard found."""
    actor: Actor = request.scope["state"]["actor"]
    return actor


NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
House = Annotated[App, Depends(house_of)]
Asker = Annotated[Actor, Depends(asker_of)]
JobId = Annotated[str, Path(pattern=NAME, description="Id of a job.")]
StudyId = Annotated[str, Path(pattern=NAME, description="Id of a study.")]
ProposalId = Annotated[str, Path(pattern=NAME, description="Id of a proposal.")]
ExperimentId = Annotated[str, Path(pattern=NAME, description="Id of an experiment.")]
Name = Annotated[str, Path(pattern=NAME, description="Name of a thing.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Most entries of a page.")]
Cursor = Annotated[str | None, Query(min_length=1, max_length=200, description="`next_cursor` of the page before.")]
Wait = Annotated[float | None, Query(ge=0, le=600, allow_inf_nan=False, description="Seconds to wait for the result.")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="A repeated request with the same key returns the first job.",
    ),
]
