"""The inline backend: each attempt a thread of this process, with the same journal and the same files.

For tests of the engine, where a process would only cost time. It isolates nothing: a recipe that ends its process
ends the test, threads and seeds are not set, and a kill only refuses every further line, so that the recipe ends
at its next word. Attempts are known to the process, not to the instance: a second instance adopts them.
"""

import asyncio
import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from arc.core import order as orders
from arc.core.attempt import ProcessIdentity
from arc.core.clock import Clock, SystemClock
from arc.core.errors import BackendBusy, Cancelled
from arc.core.journal import ORDER, STDERR, STDOUT
from arc.core.ports import Exit, LaunchOrder, Liveness
from arc.core.process import boot_id, stat
from arc.worker.attempt import carry_out
from arc.worker.journal import Journal
from arc.worker.reaper import publish, write_exit
from arc.worker.stopping import StopRequest

_SIGKILL = 9


@dataclass
class _Run:
    journal: Journal
    stop: StopRequest = field(default_factory=StopRequest)
    killed: bool = False
    ended: "Future[Exit]" = field(default_factory=Future)
    thread: threading.Thread | None = None


class InlineBackend:
    """Implements `arc.core.ports.Backend` with threads."""

    name = "inline"
    _runs: ClassVar[dict[tuple[int, int], _Run]] = {}

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    async def open(self) -> None:
        """Nothing to get ready."""

    async def close(self) -> None:
        """Attempts that run go on."""

    async def launch(self, order: LaunchOrder) -> ProcessIdentity:
        """Start a thread; BackendBusy when the launch was revoked."""
        order.staging.mkdir(parents=True, exist_ok=True)
        (order.staging / ORDER).write_bytes(orders.dump(order))
        run = _Run(Journal(order.staging, self._clock))
        known: Future[ProcessIdentity] = Future()
        run.thread = threading.Thread(target=self._carry_out, args=(order, run, known), daemon=True, name=order.job_id)
        run.thread.start()
        try:
            return await asyncio.wrap_future(known)
        except FileExistsError:
            raise BackendBusy("the launch was revoked") from None

    async def alive(self, identity: ProcessIdentity) -> Liveness:
        """Whether its thread runs."""
        run = self._find(identity)
        return Liveness.DEAD if run is None or run.ended.done() else Liveness.ALIVE

    async def wait(self, identity: ProcessIdentity, staging: Path) -> Exit:
        """Return when its thread has ended."""
        run = self._find(identity)
        return await asyncio.shield(asyncio.wrap_future(run.ended)) if run else Exit(None, None)

    async def stop(self, identity: ProcessIdentity) -> None:
        """Ask it to checkpoint and end."""
        if run := self._find(identity):
            run.stop.ask()

    async def kill(self, identity: ProcessIdentity) -> None:
        """Refuse every further line of its journal."""
        if (run := self._find(identity)) and not run.ended.done():
            run.killed = True
            run.stop.ask()
            run.journal.seal(Cancelled("killed"))

    def _find(self, identity: ProcessIdentity) -> _Run | None:
        return self._runs.get((identity.pid, identity.start_time)) if identity.boot_id == boot_id() else None

    def _carry_out(self, order: LaunchOrder, run: _Run, known: "Future[ProcessIdentity]") -> None:
        thread = threading.get_native_id()
        found = stat(thread)
        identity = ProcessIdentity(pid=thread, start_time=found.start_time if found else os.getpid(), boot_id=boot_id())
        self._runs[identity.pid, identity.start_time] = run
        try:
            publish(order.staging, identity)
        except OSError as error:
            run.journal.close()
            run.ended.set_result(Exit(None, None))
            known.set_exception(error)
            return
        known.set_result(identity)
        with (order.staging / STDOUT).open("a") as stdout, (order.staging / STDERR).open("a") as stderr:
            code = carry_out(order, run.journal, run.stop, self._clock, stdout=stdout, stderr=stderr)
        how = Exit(None, _SIGKILL) if run.killed else Exit(code, None)
        write_exit(order.staging, {"code": how.code, "signal": how.signal})
        run.ended.set_result(how)
