"""Hub: tells waiting readers that something new is in the store.

A verb commits and pokes; whoever listens reads the new events from the store by their sequence number.
Replay and live delivery are thus the same read, and a slow reader misses nothing: it is only late. Only
progress is sent past the store, newest value per job, because it is of no interest a second later.

Pokes may come from any thread; everything else runs in the event loop the hub was bound to.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field

from arc.core.event import Event
from arc.core.job import Progress
from arc.store import events
from arc.store.engine import Store

_BATCH = 500


@dataclass(frozen=True)
class Message:
    """One thing to tell a reader: an event (with its sequence number as id) or a progress of a job."""

    event: Event | None = None
    job_id: str | None = None
    progress: Progress | None = None


@dataclass(eq=False)
class _Reader:
    subject: str | None
    quiet: bool = True  # whether it is woken by what is quiet as well
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    progress: dict[str, Progress] = field(default_factory=dict)


class Hub:
    """Wakes readers of events; one for each control plane."""

    def __init__(self, store: Store, executor: Executor) -> None:
        self._store = store
        self._executor = executor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers: set[_Reader] = set()
        self._listeners: list[Callable[[str], None]] = []
        self._closed = False

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver in this event loop from now on."""
        self._loop = loop
        self._closed = False

    def listen(self, callback: Callable[[str], None]) -> None:
        """Call `callback(subject)` in the event loop after each commit that concerns a subject."""
        self._listeners.append(callback)

    def poke(self, subject: str, *, quiet: bool = False) -> None:
        """Something about `subject` was committed; `quiet` tells readers only, not listeners. Safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, subject, quiet)

    def poke_each(self, subjects: Iterable[str]) -> None:
        """The same for several: what ends a job may end, or let begin, the jobs that need it."""
        for subject in dict.fromkeys(subjects):
            self.poke(subject)

    def tell_progress(self, job_id: str, progress: Progress) -> None:
        """Give the newest progress of a job to its readers; from the event loop only."""
        for reader in self._readers:
            if reader.subject in (None, job_id):
                reader.progress[job_id] = progress
                reader.wake.set()

    def close(self) -> None:
        """End every stream; from the event loop only."""
        self._closed = True
        for reader in self._readers:
            reader.wake.set()
        self._loop = None

    async def stream(self, subject: str | None = None, *, after: int = 0) -> AsyncIterator[Message]:
        """Every event after `after`, then each new one as it comes, with progress in between; ends with the hub."""
        reader = _Reader(subject)
        self._readers.add(reader)
        try:
            while not self._closed:
                reader.wake.clear()
                found = await self._after(after, subject)
                updates, reader.progress = reader.progress, {}
                for event in found[:-1]:
                    yield Message(event=event)
                for job_id, progress in updates.items():  # before the last event, which may end the job and the reading
                    yield Message(job_id=job_id, progress=progress)
                for event in found[-1:]:
                    after = event.seq
                    yield Message(event=event)
                if len(found) < _BATCH and not self._closed:
                    await reader.wake.wait()
        finally:
            self._readers.discard(reader)

    @contextmanager
    def listening(self, subject: str, *, quiet: bool = True) -> Iterator[asyncio.Event]:
        """An event that is set after each commit about `subject`, the quiet ones too or not, and when the hub closes; clear it before you look."""
        reader = _Reader(subject, quiet)
        self._readers.add(reader)
        try:
            yield reader.wake
        finally:
            self._readers.discard(reader)

    def _wake(self, subject: str, quiet: bool) -> None:
        for reader in self._readers:
            if reader.subject in (None, subject) and (reader.quiet or not quiet):
                reader.wake.set()
        for callback in [] if quiet else self._listeners:
            callback(subject)

    async def _after(self, seq: int, subject: str | None) -> list[Event]:
        def read() -> list[Event]:
            with self._store.read() as tx:
                return events.after(tx, seq, subject=subject, limit=_BATCH)

        return await asyncio.get_running_loop().run_in_executor(self._executor, read)
