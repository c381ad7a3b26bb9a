"""Bodies and parameters: bad input is a 4xx that names the field, whatever the input."""

import json
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from arc.api import problems
from arc.core import errors
from arc.core.job import JobRequest
from tests.api.serving import RECIPE, House, is_problem
from tests.api.test_guard import raw


def post(client: httpx.Client, body: bytes | Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/jobs", content=content, headers={"Content-Type": "application/json", **headers})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_retries", True), ("max_retries", "3"), ("max_retries", 1.5), ("max_retries", -1), ("max_retries", 2**63),
        ("max_retries", 10**400), ("retry_delay_seconds", "60"), ("retry_delay_seconds", 10**400), ("timeout_seconds", 0),
        ("timeout_seconds", -1), ("seed", 2**32), ("seed", None.__class__.__name__), ("priority", "normal"), ("priority", 1),
        ("gpu_id", -1), ("gpu_id", 10**6), ("auto_resume", 1), ("auto_resume", "yes"), ("params", []), ("params", None),
        ("inputs", {"a": 1}), ("needs", "job_1"), ("recipe", 7), ("recipe", ""), ("recipe", "x" * 129), ("dummy_mode", "true"),
        ("status", "completed"), ("owner", "me"), ("id", "job_1"), ("__proto__", {}), ("memory_gb", 0),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(admin: httpx.Client, field: str, value: Any) -> None:
    said = is_problem(post(admin, {"recipe": RECIPE, field: value}), 422, "InvalidSpec")
    assert said["field"].split(".")[0] == field


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"x"', b"true", b"{}"])
def test_a_body_that_is_no_request_is_422(admin: httpx.Client, body: bytes) -> None:
    is_problem(post(admin, body), 422, "InvalidSpec")


@pytest.mark.parametrize("body", [b"", b"{", b'{"recipe": NaN}', b'{"recipe": "a", "recipe": "a"}', b'{"recipe": "\\ud800"}', b"[" * 9999])
def test_a_body_that_is_no_strict_json_is_400(admin: httpx.Client, body: bytes) -> None:
    assert is_problem(post(admin, body), 400, "CallerError")["field"] == "body"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json; charset=latin-1",
        "text/json",
        "",
    ],
)
def test_another_content_type_is_415(admin: httpx.Client, kind: str) -> None:
    is_problem(post(admin, {"recipe": RECIPE}, **{"Content-Type": kind}), 415, "UnsupportedMediaType")


def test_compressed_or_missing_types_are_415(admin: httpx.Client) -> None:
    is_problem(post(admin, b"\x1f\x8b", **{"Content-Encoding": "gzip"}), 415)
    is_problem(admin.post("/jobs"), 415)


def test_a_declared_body_beyond_the_limit_is_413_unread(house: House) -> None:
    request = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n{"
    head = raw(house, request, more_to_come=True).lower()
    assert head.startswith(b"http/1.1 413 ")
    assert b"connection: close" in head


def test_an_endless_body_is_cut_at_the_limit(admin: httpx.Client) -> None:
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while sent < 200_000_000:
            sent += 1_000_000
            yield b" " * 1_000_000

    try:
        answer = admin.post("/jobs", content=endless(), headers={"Content-Type": "application/json"})
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        pass  # the connection was closed while we were still sending
    else:
        is_problem(answer, 413, "TooLarge")
    assert sent < 100_000_000


def test_a_route_without_a_body_takes_none(admin: httpx.Client) -> None:
    is_problem(admin.post("/jobs/cancel/x", json={"rollback": True}), 400)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=1e9", "limit=x", "limit=9223372036854775808", "sort=__class__", "status=' OR 1=1", "status=done",
     "cursor=", "cursor=nonsense", "recipe=%00", "limit=5&limit=6", "Limit=5"],
)  # fmt: skip
def test_a_wrong_parameter_is_422(admin: httpx.Client, query: str) -> None:
    said = is_problem(admin.get(f"/jobs/list?{query}"), 422)
    assert said["field"].lower() == query.partition("=")[0].lower()


@pytest.mark.parametrize("wait", ["nan", "inf", "-1", "601", "x"])
def test_a_wrong_wait_is_422(admin: httpx.Client, wait: str) -> None:
    is_problem(admin.post(f"/jobs?wait={wait}", json={"recipe": RECIPE}), 422)


@pytest.mark.parametrize(
    "job_id", ["%00", "a%00b", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a;b", "a%20b", "%25", "_", "x" * 10_000, "%C0%AF", "é", "*", "a'--"]
)
def test_a_wrong_id_is_404_or_422(admin: httpx.Client, job_id: str) -> None:
    answer = admin.get(f"/jobs/status/{job_id}")
    assert answer.status_code in (404, 422)
    is_problem(answer, answer.status_code)


def test_a_wrong_idempotency_key_is_422(admin: httpx.Client) -> None:
    for key in ("", "a b", "x" * 201):
        is_problem(admin.post("/jobs", json={"recipe": RECIPE}, headers={"Idempotency-Key": key}), 422)


def test_a_problem_brings_no_more_than_a_piece_of_what_was_sent(admin: httpx.Client) -> None:
    said = is_problem(post(admin, {"recipe": RECIPE, "priority": "<script>" * 10_000}), 422)
    assert len(json.dumps(said)) < 2_000


def test_every_class_of_the_error_tree_is_answered_with_its_status() -> None:
    scope = {"type": "http", "path": "/x", "state": {"request_id": "req_1"}}
    for cls in errors.all_errors():
        answer: Response = problems.of_error(scope, cls(field="f", value=float("nan")))
        said = json.loads(bytes(answer.body), parse_constant=lambda name: pytest.fail(name))
        assert (answer.status_code, said["code"], said["field"]) == (cls.status, cls.__name__, "f")
        assert ("retry-after" in answer.headers) == issubclass(cls, errors.TemporaryError)


def test_an_error_nobody_expected_is_a_500_with_a_request_id_and_no_details(
    house: House, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret details at /home/someone")

    monkeypatch.setattr(type(house.app.jobs), "get", broken)
    said = is_problem(admin.get("/jobs/status/job_1"), 500, "InternalServerError")
    assert "secret" not in json.dumps(said)


def test_a_temporary_error_says_when_to_try_again(house: House, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise errors.StoreBusy(delay_s=1.2)

    monkeypatch.setattr(type(house.app.jobs), "submit", busy)
    answer = admin.post("/jobs", json=JobRequest(recipe=RECIPE).model_dump())
    is_problem(answer, 503, "StoreBusy")
    assert answer.headers["retry-after"] == "2"
