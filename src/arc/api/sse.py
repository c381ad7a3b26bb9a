"""Event streams: what happens, as it happens, over one long answer.

The id of an event is its sequence number, so `Last-Event-ID` replays from the store what a reader missed;
nothing is lost or doubled. Progress comes without an id, because only the newest matters. `heartbeat` comes
when nothing else did. `resync` means: the id you named is unknown here or too far back; forget what you
know, read the state anew, and go on from what follows.

Messages: `event` (an Event), `progress` {job_id, progress}, `heartbeat` {}, `resync` {last}. Data is ASCII
JSON on one line, so no value can end a line and begin a message of its own. A reader that takes nothing for
a minute is cut off, and finds its place again by its last id.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from arc.api.views import progress_view
from arc.app import App
from arc.core.event import Event
from arc.core.job import Job
from arc.jobs import reading
from arc.jobs.hub import Message

REPLAY = 10_000  # events; a reader of everything that is further behind starts anew
_SLOW_S = 60.0
_BATCH = 500
_ENDS = frozenset({"job.completed", "job.failed", "job.cancelled"})
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
HEARTBEAT = b"event: heartbeat\ndata: {}\n\n"
OPENING = b"retry: 2000\n\n"


class EventStream(StreamingResponse):
    """An answer of server-sent events."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        super().__init__(frames, headers={"X-Accel-Buffering": "no"})
        self._frames = frames

    async def stream_response(self, send: Send) -> None:
        """Send frame by frame; end when the reader takes nothing for a minute."""

        async def bounded(message: Any) -> None:
            async with asyncio.timeout(_SLOW_S):
                await send(message)

        try:
            await super().stream_response(bounded)
        except TimeoutError:
            return  # the server closes the connection, because the answer is not complete
        finally:
            await self._frames.aclose()


async def of_job(house: App, job_id: str, last_id: str | None, stopping: asyncio.Event) -> Response:
    """The stream of one job, from its first event or after `last_id`; it ends with the job. 204 when nothing is left to tell."""
    job = await run_in_threadpool(house.jobs.get, job_id)
    newest = await run_in_threadpool(reading.newest_event, house.store)
    after, lost = 0, False
    if last_id is not None:
        after, lost = _known(last_id, newest)
        after = 0 if lost else after
    if job.terminal and not lost and not await run_in_threadpool(house.jobs.events, after=after, subject=job_id, limit=1):
        return Response(status_code=204)
    return EventStream(_job_frames(house, job, after, newest if lost else None, stopping))


async def of_all(house: App, last_id: str | None, stopping: asyncio.Event) -> Response:
    """The stream of everything: from now on, or after `last_id`."""
    newest = await run_in_threadpool(reading.newest_event, house.store)
    after, lost = newest, False
    if last_id is not None:
        after, lost = _known(last_id, newest)
        if lost or newest - after > REPLAY:
            after, lost = newest, True
    return EventStream(_all_frames(house, after, newest if lost else None, stopping))


def frame(event: str, data: Any, *, seq: int | None = None) -> bytes:
    """One message; `event` is a word of this module, never of a request."""
    head = f"id: {seq}\n" if seq is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(',', ':'))}\n\n".encode("ascii")


def _known(last_id: str, newest: int) -> tuple[int, bool]:
    """The sequence number in a `Last-Event-ID`, and whether it is none that was ever given."""
    if not _ID.fullmatch(last_id) or int(last_id) > newest:
        return newest, True
    return int(last_id), False


async def _job_frames(house: App, job: Job, after: int, lost: int | None, stopping: asyncio.Event) -> AsyncGenerator[bytes, None]:
    yield OPENING
    if lost is not None:
        yield frame("resync", {"last": lost})
    if job.terminal:
        async for event in _stored(house, job.id, after):
            yield _event(event)
        return
    if job.progress is not None:
        yield _progress(Message(job_id=job.id, progress=job.progress))
    live = _live(house, job.id, after, stopping)
    try:
        async for message in live:
            yield _render(message)
            if message is not None and message.event is not None and message.event.kind in _ENDS:
                return
    finally:
        await live.aclose()


async def _all_frames(house: App, after: int, lost: int | None, stopping: asyncio.Event) -> AsyncGenerator[bytes, None]:
    yield OPENING
    if lost is not None:
        yield frame("resync", {"last": lost})
    live = _live(house, None, after, stopping)
    try:
        async for message in live:
            yield _render(message)
    finally:
        await live.aclose()


async def _stored(house: App, subject: str, after: int) -> AsyncIterator[Event]:
    while found := await run_in_threadpool(house.jobs.events, after=after, subject=subject, limit=_BATCH):
        for event in found:
            after = event.seq
            yield event


async def _live(house: App, subject: str | None, after: int, stopping: asyncio.Event) -> AsyncGenerator[Message | None, None]:
    """Messages of the hub, None when it is time for a heartbeat; ends with the hub or when the control plane stops."""
    source = cast("AsyncGenerator[Message, None]", house.hub.stream(subject, after=after))
    stopped: asyncio.Future[Any] = asyncio.ensure_future(stopping.wait())
    coming: asyncio.Future[Any] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(source))
            await asyncio.wait({coming, stopped}, timeout=house.settings.sse_heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                return
            if not coming.done():
                yield None
                continue
            message, coming = coming.result(), None
            if message is None:
                return
            yield message
    finally:
        stopped.cancel()
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await source.aclose()


async def _next(source: AsyncIterator[Message]) -> Message | None:
    return await anext(source, None)


def _render(message: Message | None) -> bytes:
    if message is None:
        return HEARTBEAT
    return _event(message.event) if message.event is not None else _progress(message)


def _event(event: Event) -> bytes:
    return frame("event", event.model_dump(mode="json"), seq=event.seq)


def _progress(message: Message) -> bytes:
    assert message.progress is not None
    return frame("progress", {"job_id": message.job_id, "progress": progress_view(message.progress).model_dump(mode="json")})
