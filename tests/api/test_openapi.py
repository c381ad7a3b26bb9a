"""The shape of the API is a promise: a change of `openapi.json` is made on purpose, or not at all.

After a wanted change: `UPDATE_OPENAPI=1 pytest tests/api/test_openapi.py`, then read the difference.
"""

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from arc.api.server import create_app
from arc.core.job import JobRequest, WorkOptions
from tests.api.serving import House

SNAPSHOT = Path(__file__).with_name("openapi.json")


@pytest.fixture
def described(house: House) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(create_app(house.app).openapi()))
    found["info"]["version"] = "any"
    return found


def test_the_shape_is_the_one_on_record(described: dict[str, Any]) -> None:
    if os.environ.get("UPDATE_OPENAPI"):
        SNAPSHOT.write_text(json.dumps(described, indent=1, sort_keys=True) + "\n")
    assert described == json.loads(SNAPSHOT.read_text()), "the API changed: see the docstring of this file"


def test_it_is_served_to_those_who_may_read(admin: httpx.Client, described: dict[str, Any]) -> None:
    served = admin.get("/openapi.json").json()
    served["info"]["version"] = "any"
    assert served == described


def test_every_operation_says_what_it_does_and_what_may_go_wrong(described: dict[str, Any]) -> None:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert {"400", "401", "403", "422", "500", "503"} <= set(operation["responses"]), where
            for status, answer in operation["responses"].items():
                if status >= "400" and status != "416":
                    assert list(answer["content"]) == ["application/problem+json"], f"{where} {status}"
            for parameter in operation.get("parameters", []):
                assert parameter.get("description"), f"{where} {parameter['name']}"


def test_requests_allow_no_unknown_fields(described: dict[str, Any]) -> None:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody")
            if body is not None and "application/json" in body["content"]:
                name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert described["components"]["schemas"][name]["additionalProperties"] is False, f"{method} {path}"


def test_routes_that_start_work_take_every_option_of_a_job() -> None:
    request, options = (model.model_json_schema()["properties"] for model in (JobRequest, WorkOptions))
    decided = {"recipe", "params", "inputs", "needs", "study"}  # what a study asks for, it asks for as a job
    assert options == {name: schema for name, schema in request.items() if name not in decided}
