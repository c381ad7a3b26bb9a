"""The engine: claims what fits, attends what runs, adopts what survived; one for each workspace.

Nothing polls between submit, start and record: a commit pokes the hub, the hub wakes the scheduler; a
journal grows, inotify wakes its attendance; a process ends, its pidfd does. What must be sampled (leases,
memory limits) is sampled at `sample_interval_s`. Store calls are short synchronous transactions on a small
thread pool.

The three promises that are made here: a job that was acknowledged is claimed when it fits; an attempt that
lives is never started a second time; after a restart every living attempt is adopted and every dead one
judged by what it left. Shutting down asks the attempts to checkpoint and puts their jobs back in the queue.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from asyncinotify import Inotify, Mask

from arc.core.attempt import Attempt
from arc.core.errors import StoreBusy
from arc.core.job import Job, Priority
from arc.core.journal import JOURNAL
from arc.core.ports import Backend
from arc.jobs.adopt import note_adoption, published
from arc.jobs.attend import Attendance
from arc.jobs.claim import Claimed, Claimer
from arc.jobs.house import House
from arc.jobs.memory import watch
from arc.jobs.sample import sample
from arc.jobs.upkeep import upkeep
from arc.store import attempts, events
from arc.store import jobs as rows
from arc.store.engine import Tx

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Intervals:
    """How often what must be sampled is sampled, in seconds."""

    lease_ttl_s: float
    sample_s: float
    upkeep_s: float
    shutdown_s: float


@dataclass(frozen=True)
class _Found:
    """What one look at the queue gave."""

    claimed: list[Claimed] = field(default_factory=list)
    room: tuple[Job, list[str]] | None = None  # who waits, and who is to leave for it
    due_s: float | None = None  # when to look again although nothing happened


class Engine:
    """Runs the jobs of one workspace."""

    def __init__(self, house: House, claimer: Claimer, backends: Mapping[str, Backend], intervals: Intervals) -> None:
        self._house = house
        self._claimer = claimer
        self._backends = backends
        self._intervals = intervals
        self._wake = asyncio.Event()
        self._attending: dict[str, Attendance] = {}
        self._care: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._inotify: Inotify | None = None
        self._stopping = False
        self._astray = False  # whether an attempt may be running that nobody attends
        self._chores: list[Callable[[], object]] = [lambda: upkeep(house.store)]
        house.hub.listen(self._changed)

    @property
    def running(self) -> list[str]:
        """Ids of the jobs that are attended now."""
        return list(self._attending)

    def at_upkeep(self, chore: Callable[[], object]) -> None:
        """Call `chore` with each upkeep too, on the thread pool; it ends soon when the house is closed."""
        self._chores.append(chore)

    def wake(self) -> None:
        """Look at the queue again; from the event loop only."""
        self._wake.set()

    async def start(self) -> None:
        """Open the backends, adopt what lives, begin to claim."""
        self._stopping = False
        self._inotify = Inotify()
        for backend in self._backends.values():
            await backend.open()
        for job, attempt in await self._house.run(self._left_behind):
            self._adopt(job, attempt)
        loops = (self._schedule, self._watch_journals, self._sample, self._watch_memory, self._upkeep)
        self._loops = [asyncio.create_task(loop()) for loop in loops]

    async def stop(self) -> None:
        """Ask the running attempts to checkpoint, put their jobs back in the queue, and let go of everything."""
        self._stopping = True
        self._wake.set()
        if self._loops:  # what is being claimed at this moment is launched first, and then asked like the rest
            await asyncio.wait({self._loops[0]}, timeout=self._intervals.shutdown_s)
        for attendance in self._attending.values():
            attendance.request("shutdown")
        if self._care:
            await asyncio.wait(self._care, timeout=self._intervals.shutdown_s)
        await self.abandon()

    async def abandon(self) -> None:
        """Let go at once and leave the attempts running, as a killed control plane would."""
        self._stopping = True
        tasks = [*self._loops, *self._care]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for backend in self._backends.values():
            await backend.close()
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    async def finished(self, job_id: str, timeout_s: float | None = None) -> Job:
        """The job as soon as it is terminal, or as it is when the time is up."""
        with self._house.hub.listening(job_id, quiet=False) as changed, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not (job := await self._house.run(self._job, job_id)).terminal:
                    await changed.wait()
                    changed.clear()
                return job
        return await self._house.run(self._job, job_id)

    def _job(self, job_id: str) -> Job:
        with self._house.store.read() as tx:
            return rows.get(tx, job_id)

    def _changed(self, subject: str) -> None:
        self._wake.set()
        if subject in self._attending:
            self._attending[subject].nudge()

    # --- starting ---------------------------------------------------------------------------

    async def _schedule(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                if self._astray:
                    await self._find_astray()
                leaving = {job_id for job_id, attendance in self._attending.items() if attendance.leaving}
                found = await self._house.run(self._claim, leaving)
                for claimed in found.claimed:
                    self._launch(claimed)
                if found.room is not None:
                    await self._make_room(*found.room)
            except Exception as error:  # noqa: BLE001 - the engine loop survives anything
                _log.error("claiming failed, trying again", error=repr(error))
                found = _Found(due_s=1.0)
                self._astray = True  # the claim may have been committed all the same, and only the answer was lost
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(found.due_s):
                    await self._wake.wait()

    def _claim(self, leaving: set[str]) -> "_Found":
        """Claim all that fits, and look at what is left, in one transaction."""
        if not self._house.store.own():
            raise StoreBusy("another control plane has become the engine of this database")
        with self._house.store.write() as tx:
            tx.after_commit(lambda: self._house.hub.poke_each(tx.moved))  # those whose inputs cannot be had
            claimed = self._claimer.all_that_fit(tx)
            for each in claimed:
                tx.after_commit(partial(self._house.hub.poke, each.job.id, quiet=True))
            first = next(iter(rows.claimable(tx, now=self._house.clock.now(), limit=1)), None)  # the most urgent comes first
            urgent = first is not None and first.priority is Priority.CRITICAL
            return _Found(claimed, self._claimer.room_for(tx, leaving=leaving) if urgent else None, self._due_s(tx, first))

    async def _make_room(self, waiting: Job, asked: list[str]) -> None:
        """Ask less urgent attempts to checkpoint and leave, because a CRITICAL job waits for their place."""
        for job_id in asked:
            if job_id in self._attending:
                detail = {"for": waiting.id}
                await self._house.write(events.append, about=job_id, subject=job_id, kind="job.preempted", actor="engine", detail=detail)
                self._attending[job_id].request("preempted")

    def _due_s(self, tx: Tx, first: Job | None) -> float | None:
        """Seconds until a waiting retry is due; also a look every sample while something waits for memory."""
        now = self._house.clock.now()
        due = rows.next_due(tx, now=now)
        times = [max(0.0, (due - now).total_seconds())] if due else []
        times += [self._intervals.sample_s] if first is not None else []
        return min(times, default=None)

    def _launch(self, claimed: Claimed) -> None:
        attendance = Attendance(self._house, self._backends[self._claimer.backend], claimed.job, claimed.staging, watch=self._watch)
        self._care_for(attendance, attendance.launch(claimed.order))

    def _care_for(self, attendance: Attendance, work: Coroutine[Any, Any, None]) -> None:
        job_id = attendance.job.id
        self._attending[job_id] = attendance
        task = asyncio.create_task(self._survive(attendance, work))
        self._care.add(task)
        task.add_done_callback(lambda done: self._let_go(job_id, attendance, done))

    def _watch(self, staging: Path) -> None:
        """Hear of its journal at once; without a watch (no space, too many of them) it is looked at with every sample."""
        try:
            staging.mkdir(parents=True, exist_ok=True)
            if self._inotify is not None:
                self._inotify.add_watch(staging, Mask.MODIFY | Mask.CREATE | Mask.ONLYDIR)
        except OSError as error:
            _log.warning("an attempt cannot be watched", staging=staging.name, error=repr(error))

    async def _survive(self, attendance: Attendance, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - one attempt's trouble must not stop the engine
            _log.error("attending failed, taking the attempt up again", job_id=attendance.job.id, error=repr(error))
            await asyncio.sleep(1.0)
            self._astray = True
            self._wake.set()

    def _let_go(self, job_id: str, attendance: Attendance, task: asyncio.Task[None]) -> None:
        self._care.discard(task)
        if self._attending.get(job_id) is attendance:
            del self._attending[job_id]

    # --- adopting ---------------------------------------------------------------------------

    def _left_behind(self) -> list[tuple[Job, Attempt]]:
        with self._house.store.read() as tx:
            return [(rows.get(tx, attempt.job_id), attempt) for attempt in attempts.open(tx)]

    async def _find_astray(self) -> None:
        """Take up what is running and attended by nobody. Between a claim and its launch there is no moment for this to run in."""
        for job, attempt in await self._house.run(self._left_behind):
            attended = self._attending.get(job.id)  # perhaps by whoever still puts the files of an earlier attempt in order
            if attended is None or attended.number != attempt.number:
                self._adopt(job, attempt)
        self._astray = False

    def _adopt(self, job: Job, attempt: Attempt) -> None:
        staging = self._house.layout.stored(attempt.staging)
        attendance = Attendance(
            self._house, self._backends[attempt.backend], job, staging, watch=self._watch, offset=attempt.journal_offset
        )
        self._care_for(attendance, self._take_up(attendance, attempt, staging))

    async def _take_up(self, attendance: Attendance, attempt: Attempt, staging: Path) -> None:
        identity = attempt.identity or await self._house.run(published, staging)
        if identity is None:
            await attendance.never_started()
            return
        liveness = await self._backends[attempt.backend].alive(identity)
        if await self._house.write(note_adoption, attempt, identity, liveness, about=attempt.job_id, quiet=True):
            self._house.figures.adopted()
            _log.info("adopted", job_id=attempt.job_id, attempt=attempt.number, pid=identity.pid, found=liveness.value)
            await attendance.attend(identity)

    # --- sampling ---------------------------------------------------------------------------

    async def _watch_journals(self) -> None:
        assert self._inotify is not None
        async for event in self._inotify:
            if event.path is not None and event.path.name == JOURNAL:
                job_id = event.path.parent.name.rpartition(".")[0]
                if job_id in self._attending:
                    self._attending[job_id].journal_grew()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(self._intervals.sample_s)
            await sample(self._house, self._backends[self._claimer.backend], self._attending, lease_ttl_s=self._intervals.lease_ttl_s)

    async def _watch_memory(self) -> None:
        await watch(self._house, self._attending)

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(self._intervals.upkeep_s)
            for chore in self._chores:
                try:
                    await self._house.run(chore)
                except Exception as error:  # noqa: BLE001 - upkeep is tried again at the next interval
                    _log.warning("upkeep failed", error=repr(error))
