"""Problems: every error answer, as RFC 9457 says, with the field and the value that were wrong.

`code` is the name of the class in `arc.core.errors`, or the name of the HTTP condition for what no class of
ours describes (a method, a media type). The client raises the same class from it on the other side. A
traceback never leaves the process; the request id leads to it in the log.
"""

import http
import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from arc.core.errors import ArcError, TemporaryError, TooLarge
from arc.core.journal import finite

MEDIA_TYPE = "application/problem+json"
_LONGEST_VALUE = 200  # characters of an offending value that are sent back
_MOST_ERRORS = 20


class FieldProblem(BaseModel):
    """One field of a request that is not valid."""

    field: str
    message: str


class Problem(BaseModel):
    """An error answer (RFC 9457)."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    type: str = Field(description="A URN that names the kind of problem.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong this time.")
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="The class of the error; programs may switch on it.")
    request_id: str = Field(description="Leads to this request in the log.")
    field: str | None = Field(None, description="The field of the request that was wrong.")
    value: Any = Field(None, description="Its value, shortened.")
    errors: list[FieldProblem] | None = Field(None, description="Every wrong field, when there are several.")
    job_id: str | None = Field(None, description="The job whose error this is.")


def answer(
    scope: Scope,
    status: int,
    detail: str,
    *,
    code: str | None = None,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """The problem as a response; members of `more` that are None are left out."""
    phrase = _phrase(status)
    body = {
        "type": f"urn:arc:problem:{code or phrase.title().replace(' ', '')}",
        "title": title or phrase,
        "status": status,
        "detail": detail,
        "instance": quote(scope.get("path", "") or "/")[:500],
        "code": code or phrase.title().replace(" ", ""),
        "request_id": request_id(scope),
        **{name: value for name, value in more.items() if value is not None},
    }
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def request_id(scope: Scope) -> str:
    """The id that the guard gave to this request."""
    return str(scope.get("state", {}).get("request_id", ""))


def of_error(scope: Scope, error: ArcError, *, job_id: str | None = None, status: int | None = None) -> Response:
    """The answer for an error of the house; `status` overrides that of its class."""
    headers = {}
    if isinstance(error, TemporaryError):
        headers["Retry-After"] = str(max(1, math.ceil(error.delay_s)))
    if isinstance(error, TooLarge):
        headers["Connection"] = "close"  # the rest of the body is not read
    if type(error).status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="arc"'
    return answer(
        scope,
        status or type(error).status,
        error.message,
        code=error.kind,
        title=(type(error).__doc__ or "").strip().splitlines()[0],
        headers=headers,
        field=error.field,
        value=brief(error.value),
        job_id=job_id,
    )


async def arc_error(request: Request, error: Exception) -> Response:
    """Exception handler for the error tree."""
    assert isinstance(error, ArcError)
    return of_error(request.scope, error)


async def http_error(request: Request, error: Exception) -> Response:
    """Exception handler for what the framework itself refuses: unknown routes, methods, media types."""
    assert isinstance(error, HTTPException)
    detail, headers = error.detail, error.headers
    if error.status_code == 404:
        detail = "there is no such route"
    elif error.status_code == 405:
        detail, headers = f"{request.scope['method'][:20]} is not a method of this route", {"Allow": ", ".join(_methods(request))}
    return answer(request.scope, error.status_code, detail, headers=headers)


def _methods(request: Request) -> list[str]:
    """The methods that a path has, over all the routes of that path."""
    routes: list[Any] = request.app.routes
    return sorted({method for route in routes if route.path_regex.match(request.scope["path"]) for method in route.methods})


async def invalid_request(request: Request, error: Exception) -> Response:
    """Exception handler for requests that a model refused: 422 naming the first wrong field, and all of them."""
    assert isinstance(error, RequestValidationError)
    found: Sequence[Any] = error.errors()
    first = found[0]
    fields = [FieldProblem(field=field_name(item["loc"]), message=str(item["msg"])[:_LONGEST_VALUE]) for item in found[:_MOST_ERRORS]]
    value = None if first["type"] == "missing" else brief(first.get("input"))
    return answer(
        request.scope,
        422,
        f"{fields[0].field}: {fields[0].message}" + (f" (given {value!r})" if value is not None else ""),
        code="InvalidSpec",
        title="A field of the request is not valid.",
        field=fields[0].field,
        value=value,
        errors=[item.model_dump() for item in fields] if len(fields) > 1 else None,
    )


def field_name(loc: Sequence[Any]) -> str:
    """The dotted name of a field, from where pydantic found it; `body` when it is the body itself."""
    parts = [str(part) for part in loc]
    return ".".join(parts[1:] or parts)[:_LONGEST_VALUE]


def brief(value: Any) -> Any:
    """`value` fit to be sent back: finite, and at most 200 characters."""
    if value is None or isinstance(value, bool | int | float):
        return finite(value) if not isinstance(value, int) or abs(value) < 2**53 else str(value)[:_LONGEST_VALUE]
    text = value if isinstance(value, str) else repr(value)
    return text[:_LONGEST_VALUE].encode("utf-8", "replace").decode()


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"
