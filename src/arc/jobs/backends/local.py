"""The local backend: each attempt a process on this machine, forked by the warm server under a reaper.

Whether an attempt lives, and how it ended, is found from its identity and its staging folder alone, so that a
control plane which was started a moment ago can look after attempts of the one before. Waiting is done on
process descriptors: nothing polls. When the warm server dies its attempts live on, and the next launch starts
another one; a launch that was under way is settled by who takes the name `process.json` first.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

import structlog

from arc import catalog
from arc.core import groups
from arc.core import order as orders
from arc.core.attempt import ProcessIdentity
from arc.core.errors import ArcError, BackendBusy, NoSpace
from arc.core.journal import ORDER
from arc.core.ports import Exit, LaunchOrder, Liveness
from arc.core.process import boot_id, identity_or_revoke, liveness, open_pidfd, read_exit, send
from arc.jobs.backends.environment import scrubbed
from arc.jobs.backends.remains import sweep
from arc.jobs.backends.warm_link import NotSent
from arc.jobs.backends.warm_server import WarmServer

_log = structlog.get_logger(__name__)
_GPU_LOOK_S: Final = 0.1
_GPU_LOOKS: Final = 100  # a driver that needs longer than this is stuck


class Unsettled(Exception):
    """Whether a launch has begun could not be found out; it has to be asked again before anything is done about it."""


class LocalBackend:
    """Implements `arc.core.ports.Backend` with processes of this machine.

    `environment` is what is scrubbed and handed on (this process's own when None); `preload` names the recipes
    that the warm server imports beforehand. When None, there are two servers: one with all recipes and torch, and one for
    the recipes that import little, whose forks cost a tenth. `gpu_holders` tells for which processes the driver
    holds memory on a GPU.
    """

    name = "local"

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        preload: Sequence[str] | None = None,
        launch_timeout_s: float = 180.0,
        gpu_holders: Callable[[], AbstractSet[int]] | None = None,
    ) -> None:
        allowed = scrubbed(environment)
        self._full = WarmServer(allowed, preload)
        self._slim = WarmServer(allowed, None, slim=True) if preload is None else None
        self._servers = [server for server in (self._slim, self._full) if server is not None]
        self._launch_timeout_s = launch_timeout_s  # the first launch waits for the imports, on a slow disk for long
        self._gpu_holders = gpu_holders

    @property
    def warm_pid(self) -> int | None:
        """The pid of the warm server that has everything in memory, when there is one."""
        link = self._full.link
        return link.process.pid if link is not None and not link.lost else None

    async def open(self) -> None:
        """Start the warm servers; does not wait for their imports."""
        for server in self._servers:
            await server.open()

    async def close(self) -> None:
        """End the warm servers; attempts that run go on."""
        for server in self._servers:
            await server.close()

    async def launch(self, order: LaunchOrder) -> ProcessIdentity:
        """Fork an attempt and say which process it is; BackendBusy when the warm server died over it, NoSpace on a full disk."""
        await asyncio.to_thread(_write, order)
        server = self._slim if self._slim is not None and _slim(order.recipe) else self._full
        link = await server.warm()
        try:
            async with asyncio.timeout(self._launch_timeout_s):
                try:
                    answer = await link.launch(order.staging, order.secret)
                except NotSent:  # it had died since the last launch
                    await server.discard(link)
                    link = await server.warm()
                    answer = await link.launch(order.staging, order.secret)
        except (ConnectionError, TimeoutError) as error:
            await server.discard(link)
            return await asyncio.to_thread(_settle, order.staging, error)
        if answer.get("unknown"):  # the reaper was killed, perhaps after it had let the attempt begin
            return await asyncio.to_thread(_settle, order.staging, ConnectionError(answer["error"]))
        return _identity(answer)

    async def alive(self, identity: ProcessIdentity) -> Liveness:
        """Whether the attempt or its reaper lives: a place is free only when both are gone."""
        found = liveness(identity.pid, identity.start_time, identity.boot_id)
        if found is Liveness.DEAD and identity.reaper_pid is not None:
            return liveness(identity.reaper_pid, identity.reaper_start_time or 0, identity.boot_id)
        return found

    async def wait(self, identity: ProcessIdentity, staging: Path) -> Exit:
        """Return when the attempt and all its descendants are gone; Exit(None, None) when nobody saw how it ended."""
        if identity.boot_id == boot_id():
            if identity.reaper_pid is not None:
                await _gone(identity.reaper_pid, identity.reaper_start_time or 0)
            seen = read_exit(staging)
            if seen is None:
                await _gone(identity.pid, identity.start_time)
                await asyncio.to_thread(sweep, identity)
            await self._gpu_let_go(identity.pid)
            if seen is not None:
                return seen
        return await asyncio.to_thread(_how_it_ended, staging)

    async def _gpu_let_go(self, pid: int) -> None:
        """Wait until the driver has given back what the process held on a GPU: the next attempt there will need it."""
        if self._gpu_holders is None:
            return
        for _ in range(_GPU_LOOKS):
            if pid not in await asyncio.to_thread(self._gpu_holders):
                return
            await asyncio.sleep(_GPU_LOOK_S)
        _log.warning("the driver still holds memory on a GPU for a process that is gone", pid=pid)

    async def stop(self, identity: ProcessIdentity) -> None:
        """Ask the attempt to checkpoint and end."""
        if identity.boot_id == boot_id():
            send(identity.pid, identity.start_time, signal.SIGTERM)

    async def kill(self, identity: ProcessIdentity) -> None:
        """Kill the attempt's process group; its reaper ends the rest, or this does when the reaper is gone. `wait` proves it."""
        if identity.boot_id != boot_id():
            return
        reaper, since = identity.reaper_pid, identity.reaper_start_time or 0
        if reaper is None or liveness(reaper, since, identity.boot_id) is Liveness.DEAD:
            await asyncio.to_thread(sweep, identity)
            return
        send(identity.pid, identity.start_time, signal.SIGKILL, group=True)
        send(identity.pid, identity.start_time, signal.SIGKILL)
        send(reaper, since, signal.SIGCONT)  # someone may have stopped it


def _slim(recipe: str) -> bool:
    try:
        return catalog.spec(recipe).slim
    except ArcError:  # unknown here: the attempt says so
        return False


def _write(order: LaunchOrder) -> None:
    order.staging.mkdir(parents=True, exist_ok=True)
    (order.staging / ORDER).write_bytes(orders.dump(order))


def _settle(staging: Path, error: Exception) -> ProcessIdentity:
    """What came of a launch that got no answer: the identity its reaper published, or BackendBusy and it never will."""
    try:
        identity = identity_or_revoke(staging)
    except OSError as failed:  # a full disk: nobody may start it again before this is known
        raise Unsettled(f"whether {staging.name} has begun is not known: {failed}") from failed
    if identity is None:
        why = "the warm server did not answer in time" if isinstance(error, TimeoutError) else str(error)
        raise BackendBusy(f"the attempt could not be started: {why}", delay_s=1.0)
    return identity


def _identity(answer: dict[str, Any]) -> ProcessIdentity:
    if "identity" in answer:
        return ProcessIdentity.model_validate(answer["identity"])
    if answer.get("full"):
        raise NoSpace(f"the attempt could not be started: {answer['error']}")
    raise BackendBusy(f"the attempt could not be started: {answer['error']}", delay_s=5.0)


def _how_it_ended(staging: Path) -> Exit:
    """What the reaper wrote; what a killed reaper could not write but its control group counted."""
    group = groups.of_staging(staging)
    kills = groups.kills(group) if group is not None else 0
    if group is not None:
        groups.remove(group)
    return read_exit(staging) or Exit(None, None, kills)


async def _gone(pid: int, start_time: int) -> None:
    """Return when that very process is gone."""
    descriptor = open_pidfd(pid, start_time)
    if descriptor is None:
        return
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _set, ended)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _set(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
