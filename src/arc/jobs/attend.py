"""Attending: one attempt, from its launch (or adoption) to the transaction that ends it.

Everything is derived from the rows and the staging folder, never from memory of an earlier engine, so that
an adopted attempt is attended by the same code. The attempt is left alone unless there is a reason on
record: a request to cancel or hold, its timeout, its memory limit, or the end of the control plane. Then it
is asked to stop, given its grace to checkpoint, and ended; its place is free only when it is verified gone.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from arc.core.attempt import Attempt, ProcessIdentity
from arc.core.errors import ArcError, LeaseLost, TemporaryError
from arc.core.job import Job
from arc.core.journal import JOURNAL
from arc.core.ports import Backend, Exit, LaunchOrder, Liveness
from arc.jobs import follow, publish
from arc.jobs.claim import failure_of
from arc.jobs.conclude import Conclusion, Unrecorded, note_asked, without_room
from arc.jobs.house import House
from arc.jobs.stall import Pace
from arc.jobs.verdict import Ending, Requeue, Verdict
from arc.store import attempts, events
from arc.store import jobs as rows

_log = structlog.get_logger(__name__)
_COALESCE_S = 0.02  # busy journals are committed at most this often
_SHORT_S = 0.05  # an attempt that is over by then is recorded in one transaction
_BLIND = 3.0  # samples missed in a row: the engine itself was stopped
_GONE_S = 10.0  # after a kill, say so when the process is still there


class Attendance:
    """One attempt under care."""

    def __init__(self, house: House, backend: Backend, job: Job, staging: Path, *, watch: Callable[[Path], None], offset: int = 0) -> None:
        self.job = job
        self.number = job.attempt  # of this attempt, whatever the row says later
        self.identity: ProcessIdentity | None = None
        self._house = house
        self._backend = backend
        self._staging = staging
        self._watch = watch  # has `journal_grew` called when something happens in a folder
        self._unrecorded: ProcessIdentity | None = None
        self._offset = offset
        self._phase = ""
        self._outcome: dict[str, Any] | None = None
        self._ending: Ending | None = None
        self._signal = asyncio.Event()  # the journal grew, or the job's row changed
        self._nudged = True
        self._pace: Pace | None = None
        self._judged_at = house.clock.monotonic()
        self._seen = 0  # bytes of the journal that were read, and recorded as far as they are whole
        self._gone: asyncio.Task[Exit] | None = None
        self._ender: asyncio.Task[None] | None = None

    @property
    def leaving(self) -> bool:
        """Whether the attempt was asked to end."""
        return self._ending is not None

    def journal_grew(self) -> None:
        """There may be new lines."""
        self._signal.set()

    def nudge(self) -> None:
        """The job's row may have changed: look for requests."""
        self._nudged = True
        self._signal.set()

    async def launch(self, order: LaunchOrder) -> None:
        """Start the attempt and attend it to its end."""
        job, figures, clock = self.job, self._house.figures, self._house.clock
        waited_s = figures.claimed(job, now=clock.now())
        _log.info("claimed", job_id=job.id, attempt=job.attempt, recipe=job.recipe, priority=job.priority.value, waited_s=waited_s)
        try:
            self.identity = await self._backend.launch(order)
        except TemporaryError as error:  # the warm server died, or the disk is full: nothing to blame the job for
            await self._end(Requeue(error.message, delay_s=error.delay_s))
            return
        except ArcError as error:
            await self._end(failure_of(error))
            return
        except OSError as error:
            await self._end(without_room(f"the attempt could not be started: {error}", error, delay_s=5.0))
            return
        since_s = figures.started(job, now=clock.now())
        _log.info("launched", job_id=job.id, attempt=job.attempt, pid=self.identity.pid, since_submitted_s=since_s)
        self._unrecorded = self.identity
        await self.attend(self.identity)

    async def attend(self, identity: ProcessIdentity) -> None:
        """Follow the journal until the attempt is gone, then end it. One that is short is recorded with its end, all at once."""
        self.identity = identity
        while await self._backend.alive(identity) is Liveness.UNKNOWN:
            await asyncio.sleep(self._house.sample_interval_s)
        self._pace = Pace(self._house.stall, fixed_s=self.job.limits.stall_s, now=self._house.clock.monotonic())
        self._gone = asyncio.create_task(self._backend.wait(identity, self._staging))
        if self._ending is not None:
            self._ender = asyncio.create_task(self._bring_down())
        timer = self._arm_timeout(identity)
        try:
            if not await self._is_gone(_SHORT_S):
                await self._note_begun()
            while not self._gone.done():
                await self._look()
                await self._wait_for_news()
            await self._conclude(self._gone.result())
        except LeaseLost:
            await self._backend.kill(identity)  # the store says that this attempt is no longer the current one
            await self._gone
        finally:
            if timer is not None:
                timer.cancel()
            if self._ender is not None:
                self._ender.cancel()
            self._gone.cancel()

    async def _note_begun(self) -> None:
        """Record which process it is and what it was given, and hear of its journal from now on."""
        if self._unrecorded is not None:
            await self._house.write(attempts.set_identity, self.job.id, self.number, self._unrecorded, about=self.job.id, quiet=True)
            self._unrecorded = None
        with contextlib.suppress(OSError):  # the end tries again
            await self._house.run(publish.keep_config, self.job, layout=self._house.layout)
        self._watch(self._staging)

    async def _conclude(self, exit_: Exit) -> None:
        piece = await self._read_piece()
        while not (piece.empty or piece.outcome):
            await self._take(piece)
            piece = await self._read_piece()
        self._tell_progress(piece)  # before the end is committed: a reader of the job stops there
        conclusion = Conclusion(self._house, self.job, self._staging, Unrecorded(piece, self._unrecorded))
        await conclusion.judge(self._outcome, self._ending, exit_)

    async def _end(self, verdict: Verdict) -> None:
        """End an attempt that never ran."""
        await Conclusion(self._house, self.job, self._staging).end(verdict)

    async def never_started(self) -> None:
        """Put the job back: the control plane died before a process of this attempt existed."""
        await self._end(Requeue("the attempt had not started when the control plane was lost"))

    def request(self, ending: Ending) -> None:
        """Ask the attempt to stop, and end it after its grace; the first reason counts."""
        if self._ending is None and not (self._gone is not None and self._gone.done()):
            self._ending = ending
            if self._gone is not None:  # else it is being launched, and is brought down as soon as it is there
                self._ender = asyncio.create_task(self._bring_down())

    def end_if_stalled(self) -> None:
        """End an attempt that makes no progress; orchestrators and services wait for others and are never judged so."""
        if self._pace is None or self.job.requires.role in ("orchestrator", "service"):
            return
        now = self._house.clock.monotonic()
        unseen, self._judged_at = now - self._judged_at, now
        if unseen > _BLIND * self._house.sample_interval_s:
            self._pace.excuse(unseen)
        if self._pace.overdue_s(now=now) > 0 and not self._behind():
            self.request("stalled")

    def _behind(self) -> bool:
        """Whether there is more in the journal than was read and recorded; then nobody knows how the attempt gets on."""
        try:
            return (self._staging / JOURNAL).stat().st_size > self._seen
        except OSError:
            return False

    def _note_pace(self, trace: list[follow.PhaseChange | float]) -> None:
        if self._pace is None:
            return
        now = self._house.clock.monotonic()
        for mark in trace:
            if isinstance(mark, follow.PhaseChange):
                self._pace.phase(mark.name, mark.budget_s, now=now)
            else:
                self._pace.sign(mark, now=now)

    async def _look(self) -> None:
        self._signal.clear()
        if self._nudged:
            self._nudged = False
            await self._check_requests()
        await self._read_journal()

    async def _wait_for_news(self) -> None:
        assert self._gone is not None
        signal = asyncio.create_task(self._signal.wait())
        try:
            await asyncio.wait({self._gone, signal}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({self._gone}, timeout=_COALESCE_S)
        finally:
            signal.cancel()

    async def _read_row(self) -> None:
        self.job = await self._house.patiently(self._read_job, about=self.job.id)

    async def _check_requests(self) -> None:
        await self._read_row()
        if self.job.cancel_requested is not None:
            self.request("cancel")
        elif self.job.hold:
            self.request("hold")

    def _read_job(self) -> Job:
        with self._house.store.read() as tx:
            return rows.get(tx, self.job.id)

    async def _read_piece(self) -> follow.Piece:
        piece = await self._house.run(follow.read, self._staging, self._offset, phase=self._phase)
        self._outcome = piece.outcome or self._outcome
        return piece

    async def _read_journal(self) -> None:
        piece = await self._read_piece()
        if piece.empty or piece.outcome:  # what ends with the outcome is recorded with the end
            self._seen = piece.seen
        else:
            await self._take(piece)

    async def _take(self, piece: follow.Piece) -> None:
        await self._record(piece)
        self._offset, self._seen, self._phase = piece.end, piece.seen, piece.phase
        self._note_pace(piece.trace)
        self._tell_progress(piece)

    def _tell_progress(self, piece: follow.Piece) -> None:
        if piece.progress is not None:
            self._house.hub.tell_progress(self.job.id, piece.progress)

    async def _record(self, piece: follow.Piece) -> None:
        """Commit a piece. When an earlier try was committed and only its answer was lost, there is nothing more to do."""
        staging = self._house.layout.relative(self._staging)
        try:
            await self._house.write(
                follow.record, piece, job_id=self.job.id, number=self.number, staging=staging, clock=self._house.clock,
                about=self.job.id, quiet=True,
            )  # fmt: skip
        except LeaseLost:
            row = await self._house.patiently(self._read_attempt, about=self.job.id)
            if row.outcome != "running" or row.journal_offset != piece.end:
                raise

    def _read_attempt(self) -> Attempt:
        with self._house.store.read() as tx:
            return attempts.get(tx, self.job.id, self.number)

    async def _bring_down(self) -> None:
        assert self.identity is not None
        assert self._gone is not None
        await self._house.run(note_asked, self._staging, str(self._ending))
        await self._backend.stop(self.identity)
        if not await self._is_gone(self.job.limits.grace_s):
            await self._backend.kill(self.identity)
            if not await self._is_gone(_GONE_S):
                detail = {"attempt": self.job.attempt, "pid": self.identity.pid}
                await self._house.write(
                    events.append, about=self.job.id, subject=self.job.id, kind="attempt.quarantined", actor="engine", detail=detail
                )  # fmt: skip

    async def _is_gone(self, within_s: float) -> bool:
        assert self._gone is not None
        done, _ = await asyncio.wait({self._gone}, timeout=within_s)
        return bool(done)

    def _arm_timeout(self, identity: ProcessIdentity) -> asyncio.TimerHandle | None:
        limit = self.job.limits.timeout_s
        if limit is None:
            return None
        return asyncio.get_running_loop().call_later(max(0.0, limit - _age_s(identity)), self.request, "timeout")


def _age_s(identity: ProcessIdentity) -> float:
    """Seconds since the process was told to begin, by the boot clock; unmoved by changes of the wall clock."""
    try:
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return 0.0
    return max(0.0, uptime - (identity.began or identity.start_time) / os.sysconf("SC_CLK_TCK"))
