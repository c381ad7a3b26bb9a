"""OpenAPI: the description of the routes, made from the routes, with what they have in common added.

Every answer that the guard, the body reader or the error tree can give is declared on each operation it can
come from, so that a program made from the description is never surprised by a status.
"""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from arc import __version__
from arc.api.problems import MEDIA_TYPE, Problem
from arc.api.routing import PUBLIC, ROLE

_ALWAYS: Final = {
    "400": "The request is not well formed.",
    "401": "A valid token or session is needed.",
    "403": "The role, the origin or the place does not allow this.",
    "421": "The Host header names a host that is not served here.",
    "422": "A field of the request is not valid.",
    "500": "Something went wrong here.",
    "503": "It did not work now; try again after `Retry-After` seconds.",
}
_ON_THINGS: Final = {"404": "There is no such thing here."}
_ON_CHANGES: Final = {
    "404": "Something that the request names is not there.",
    "409": "The thing is in a state that does not allow this.",
    "507": "The disk or the memory is full.",
}
_ON_BODIES: Final = {
    "408": "The body did not arrive in time.",
    "413": "The body is larger than the limit.",
    "415": "The body is not application/json.",
}
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def describe(web: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application."""
    found = get_openapi(
        title="ARC",
        version=__version__,
        summary="The control plane: jobs, experiments, datasets, recipes and access.",
        routes=web.routes,
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "arc_session"},
    }
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                _complete(path, method, operation)
    return found


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add the answers that an operation shares with others, and who may use it."""
    operation["security"] = [] if operation[ROLE] == PUBLIC else [{"token": []}, {"session": []}]
    shared = dict(_ALWAYS)
    if "{" in path:
        shared |= _ON_THINGS
    if method != "get":
        shared |= _ON_CHANGES
    if "requestBody" in operation:
        shared |= _ON_BODIES
    answers = operation.setdefault("responses", {})
    answers.pop("422", None)
    for status, own in list(answers.items()):
        if status >= "400" and "content" not in own:
            answers[status] = _problem(own["description"], retry=status == "429")
    for status, meaning in shared.items():
        answers.setdefault(status, _problem(meaning, retry=status in ("503", "507")))


def _problem(meaning: str, *, retry: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": meaning, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    if retry:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until trying again may help."}}
    return answer
