"""Event streams: ids, replay, heartbeat, resync, and an end."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.api import sse
from arc.client import Client
from arc.core.job import Progress
from arc.core.states import JobStatus
from arc.store import events
from tests.api.serving import House, is_problem

Frame = dict[str, str]


def frames(response: httpx.Response) -> Iterator[Frame]:
    """The messages of a stream, as the WHATWG text says."""
    frame: Frame = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            assert name not in frame
            frame[name] = value
        elif frame:
            if "event" in frame:
                yield frame
            frame = {}


def told(client: httpx.Client, path: str, *, last: str | None = None, until: Callable[[Frame], bool] = lambda _: False) -> list[Frame]:
    """What a stream says until it ends, or until a message that `until` accepts; heartbeats left out."""
    found = []
    with client.stream("GET", path, headers={"Last-Event-ID": last} if last is not None else {}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        for frame in frames(response):
            if frame["event"] != "heartbeat":
                found.append(frame)
            if until(frame):
                break
    return found


def kinds(found: list[Frame]) -> list[str]:
    return [json.loads(frame["data"])["kind"] if frame["event"] == "event" else frame["event"] for frame in found]


def test_a_finished_job_is_told_from_its_beginning_and_ends(house: House, admin: httpx.Client) -> None:
    job = house.ended()
    found = told(admin, f"/jobs/{job.id}/events")
    assert kinds(found) == ["job.submitted", "job.started", "job.completed"]
    ids = [int(frame["id"]) for frame in found]
    assert ids == sorted(ids)
    assert json.loads(found[0]["data"])["subject"] == job.id


def test_a_reader_goes_on_after_its_last_id(house: House, admin: httpx.Client) -> None:
    job = house.ended()
    first, *rest = told(admin, f"/jobs/{job.id}/events")
    assert told(admin, f"/jobs/{job.id}/events", last=first["id"]) == rest
    assert admin.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": rest[-1]["id"]}).status_code == 204


def test_a_living_job_is_told_as_it_goes_with_progress_and_heartbeats(house: House, admin: httpx.Client) -> None:
    job = house.move(house.job(), JobStatus.RUNNING)
    steps = iter([
        lambda: tell_progress(house, job.id),
        lambda: house.move(job, JobStatus.COMPLETED),
    ])  # fmt: skip

    def on_heartbeat(frame: Frame) -> bool:
        if frame["event"] == "heartbeat":
            assert "id" not in frame
            next(steps)()
        return False

    found = told(admin, f"/jobs/{job.id}/events", until=on_heartbeat)
    assert kinds(found) == ["job.submitted", "job.started", "progress", "job.completed"]
    assert json.loads(found[2]["data"])["progress"]["epoch"] == 2
    assert "id" not in found[2]


def tell_progress(house: House, job_id: str) -> None:
    loop = house.plane.loop
    assert loop is not None
    loop.call_soon_threadsafe(house.app.hub.tell_progress, job_id, Progress(done=2, of=4, unit="epoch"))


@pytest.mark.parametrize("last", ["999999999", "-1", "x", "1; drop", "99999999999999999999999999"])
def test_an_id_that_was_never_given_means_resync(house: House, admin: httpx.Client, last: str) -> None:
    job = house.ended()
    found = told(admin, f"/jobs/{job.id}/events", last=last)
    assert kinds(found) == ["resync", "job.submitted", "job.started", "job.completed"]


def test_the_stream_of_everything_begins_now_and_replays_on_request(house: House, admin: httpx.Client) -> None:
    before = house.job()
    after: list[str] = []

    def on_heartbeat(frame: Frame) -> bool:
        if frame["event"] == "heartbeat":
            after.append(house.job().id)
        return frame["event"] == "event"

    found = told(admin, "/events", until=on_heartbeat)
    assert json.loads(found[0]["data"])["subject"] == after[0] != before.id
    replayed = told(admin, "/events", last=str(int(found[0]["id"]) - 1), until=lambda frame: frame["event"] == "event")
    assert replayed == found


def test_a_reader_that_is_too_far_behind_is_told_to_start_anew(house: House, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "REPLAY", 1)
    for _ in range(3):
        house.job()
    found = told(admin, "/events", last="0", until=lambda frame: frame["event"] in ("resync", "event"))
    assert kinds(found) == ["resync"]


def test_no_value_can_forge_a_message(house: House, admin: httpx.Client) -> None:
    job = house.job()
    evil = "a\n\nid: 1\nevent: resync\r\rdata: x\u2028\u2029"
    with house.app.store.write() as tx:
        events.append(tx, subject=job.id, kind=evil, actor=evil, detail={evil: evil})
    house.move(house.move(job, JobStatus.RUNNING), JobStatus.COMPLETED)
    found = told(admin, f"/jobs/{job.id}/events")
    assert [frame["event"] for frame in found] == ["event"] * 4
    assert json.loads(found[1]["data"])["kind"] == evil


def test_an_unknown_job_has_no_stream(admin: httpx.Client) -> None:
    is_problem(admin.get("/jobs/job_absent/events"), 404)


def test_stopping_ends_open_streams_and_waits(start: Callable[..., House]) -> None:
    house = start()
    job = house.job()
    with house.client() as client, client.stream("GET", f"/jobs/{job.id}/events") as response:
        stream = frames(response)
        assert next(stream)["event"] == "event"
        house.plane.stop()
        rest: list[Any] = [frame for frame in stream if frame["event"] != "heartbeat"]
        assert rest == []


def test_a_reader_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_SLOW_S", 0.01)

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield sse.HEARTBEAT

    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    asyncio.run(sse.EventStream(endless()).stream_response(never))  # ends


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner, max_size=3), max_leaves=8))
def test_a_frame_is_four_lines_at_most_whatever_its_data(data: Any) -> None:
    made = sse.frame("event", data, seq=7)
    assert made.isascii()
    lines = made.decode().splitlines()
    assert lines[:2] == ["id: 7", "event: event"]
    assert lines[3:] == [""]
    assert json.loads(lines[2].removeprefix("data: ")) == data


def test_the_stream_of_a_job_ends_when_the_job_that_it_needs_does(house: House) -> None:
    first = house.job()
    second = house.job(needs=[first.id])
    seen = []
    with Client(house.url, house.secrets["viewer"]) as arc:
        for update in arc.jobs.watch(second.id):
            seen += [update.event.kind] if update.event else []
            if seen == ["job.submitted"]:
                house.app.jobs.cancel(first.id, actor="test")
    assert seen == ["job.submitted", "job.cancelled"]
