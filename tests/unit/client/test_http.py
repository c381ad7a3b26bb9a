"""When the transport repeats a request, when it does not, and how a stream goes on after a break."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from arc.client.http import Http
from arc.core.errors import Conflict, PermanentError, ServiceDown


def _http(answer: Callable[[httpx.Request], httpx.Response], slept: list[float] | None = None) -> Http:
    pauses = slept if slept is not None else []
    return Http("http://127.0.0.1:8000/", "secret", transport=httpx.MockTransport(answer), sleep=pauses.append)


def test_a_read_is_repeated_until_it_works() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        if len(seen) < 3:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={"ok": True})

    slept: list[float] = []
    assert _http(answer, slept).get("/health") == {"ok": True}
    assert seen == ["Bearer secret"] * 3
    assert slept == sorted(slept)


def test_a_creation_with_a_key_is_repeated_with_the_same_key() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return httpx.Response(503, json={"code": "StoreBusy"}) if len(keys) == 1 else httpx.Response(200, json={"job_id": "j"})

    assert _http(answer).send("POST", "/jobs", body={}, key="k") == {"job_id": "j"}
    assert keys == ["k", "k"]


def test_a_change_without_a_key_is_tried_once() -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        raise httpx.ReadError("gone")

    with pytest.raises(ServiceDown, match=r"http://127.0.0.1:8000 does not answer"):
        _http(answer).send("POST", "/jobs/cancel/j")
    assert calls == ["/jobs/cancel/j"]


def test_what_the_caller_must_mend_is_not_repeated() -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        return httpx.Response(409, json={"code": "Conflict", "detail": "it runs"})

    with pytest.raises(Conflict, match="it runs"):
        _http(answer).get("/jobs/resume/j")
    assert len(calls) == 1


def test_an_answer_that_is_no_json_is_named() -> None:
    with pytest.raises(PermanentError, match="is it a control plane of ARC"):
        _http(lambda _: httpx.Response(200, text="hello")).get("/health")


def test_none_is_not_sent_as_a_parameter() -> None:
    assert _http(lambda request: httpx.Response(200, json=str(request.url.query))).get("/x", params={"a": None, "b": 1}) == "b'b=1'"


class _Broken(httpx.SyncByteStream):
    """A body that breaks off."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        yield self._data
        raise httpx.ReadError("the other side went away")


def test_a_stream_goes_on_after_the_last_id_and_loses_nothing() -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        if len(asked) == 1:
            return httpx.Response(200, stream=_Broken(b"id: 5\ndata: a\n\nid: 6\ndata: cut"))
        if len(asked) == 2:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=b"id: 6\ndata: b\n\n")

    stream = _http(answer).stream("/jobs/j/events", last_id="4")
    assert [next(stream).data, next(stream).data] == ["a", "b"]
    assert asked == ["4", "5", "5"]


def test_a_stream_that_nobody_serves_any_more_ends_with_an_error() -> None:
    slept: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    with pytest.raises(ServiceDown, match="connection refused"):
        next(_http(answer, slept).stream("/jobs/j/events"))
    assert max(slept) == 5.0
    assert sum(slept) < 60


def test_a_stream_of_something_unknown_fails_at_once() -> None:
    slept: list[float] = []
    with pytest.raises(Conflict):
        next(_http(lambda _: httpx.Response(409, json={"code": "Conflict"}), slept).stream("/x"))
    assert slept == []
