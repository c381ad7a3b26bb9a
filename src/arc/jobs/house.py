"""House: what every attendance of an attempt works with, and how it reaches the store.

Store calls are short synchronous functions on a small thread pool. A write about an attempt is repeated until
the store takes it: while a disk is full or a database restarts the attempt goes on, and its journal waits.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import structlog

from arc.artifacts import ArtifactStore
from arc.core.clock import Clock
from arc.core.errors import NoSpace, StoreBusy
from arc.jobs import lifecycle
from arc.jobs.figures import Figures
from arc.jobs.hub import Hub
from arc.jobs.paths import Layout
from arc.jobs.stall import StallRules
from arc.store.engine import Store

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class House:
    """What every attendance works with."""

    store: Store
    artifacts: ArtifactStore
    layout: Layout
    hub: Hub
    clock: Clock
    executor: Executor
    verbs: Mapping[str, lifecycle.CompletionVerb]
    sample_interval_s: float
    stall: StallRules
    figures: Figures = field(default_factory=Figures)

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a short synchronous function on the thread pool."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, partial(function, *args, **kwargs))

    async def write(self, function: Callable[..., T], *args: Any, about: str, quiet: bool = False, **kwargs: Any) -> T:
        """Run `function(tx, …)` in one write transaction and tell the readers of `about`.

        A transaction whose answer was lost is tried again although it was committed: the function must stand that.
        """

        def work() -> T:
            with self.store.write() as tx:
                tx.after_commit(lambda: self.hub.poke(about, quiet=quiet))
                return function(tx, *args, **kwargs)

        return await self.patiently(work, about=about)

    async def patiently(self, function: Callable[..., T], *args: Any, about: str, **kwargs: Any) -> T:
        """Run a synchronous function on the thread pool, again and again until the store answers."""
        wait_s = 0.1
        while True:
            try:
                return await self.run(function, *args, **kwargs)
            except (StoreBusy, NoSpace) as error:  # an attempt must be recorded, however long the store takes to come back
                _log.warning("the store does not answer, trying again", error=error.message, wait_s=wait_s, subject=about)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, 5.0)
