"""Where a backend is tested: an open backend with folders for attempts, and looks at what an attempt left.

Used by `backend_contract` and by everything else that launches `probe.faults` and watches its journal. Nothing
polls: what is awaited is a line of the journal, and inotify says when it grew.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from asyncinotify import Inotify, Mask

from arc.core.journal import JOURNAL, decode
from arc.core.ports import Backend, Exit, LaunchOrder

SECRET = "a-capability-that-must-not-leak"  # noqa: S105 - made up
_PATIENCE_S = 60.0


class Maker(Protocol):
    """A suite that says how a backend is made."""

    def make(self) -> Backend:
        """A new backend."""
        ...


_M = TypeVar("_M", bound=Maker)


@dataclass
class Stand:
    """A backend that is open, and a folder for attempts."""

    backend: Backend
    folder: Path

    def order(self, job: str = "job_a", number: int = 1, **faults: Any) -> LaunchOrder:
        """An order for probe.faults; its staging folder exists."""
        staging = self.folder / job / "attempts" / f"{job}.{number}"
        staging.mkdir(parents=True)
        return LaunchOrder(
            job_id=job,
            number=number,
            recipe="probe.faults",
            params={"faults": faults},
            inputs={},
            staging=staging,
            seed=7,
            threads=1,
            device="cpu",
            secret=SECRET,
        )

    async def run(self, order: LaunchOrder) -> Exit:
        """Launch and wait for the end."""
        return await self.backend.wait(await self.backend.launch(order), order.staging)


def entries(order: LaunchOrder, kind: str) -> list[dict[str, Any]]:
    """The journal lines of one kind so far."""
    try:
        text = (order.staging / JOURNAL).read_bytes()
    except FileNotFoundError:
        return []
    found = [decode(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
    return [entry for entry in found if entry["k"] == kind]


async def appears(order: LaunchOrder, kind: str, *, count: int = 1) -> dict[str, Any]:
    """The line of a kind that makes it `count` of them, as soon as it is there."""
    with Inotify() as watch:
        watch.add_watch(order.staging, Mask.MODIFY | Mask.CREATE)
        while len(found := entries(order, kind)) < count:
            await watch.get()
    return found[count - 1]


def outcome(order: LaunchOrder) -> dict[str, Any]:
    """The outcome line; there must be exactly one, and it is the last."""
    [found] = entries(order, "outcome")
    assert decode((order.staging / JOURNAL).read_bytes().splitlines()[-1]) == found
    return found


def driven(test: Callable[[_M, Stand], Awaitable[None]]) -> Callable[[_M, Path], None]:
    """Turn an async test over a Stand into one that pytest can call."""

    def run(self: _M, tmp_path: Path) -> None:
        async def with_backend() -> None:
            backend = self.make()
            await backend.open()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await test(self, Stand(backend, tmp_path))
            finally:
                await backend.close()

        asyncio.run(with_backend())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run
