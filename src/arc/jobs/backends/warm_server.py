"""A warm server as the local backend keeps one: started when it is first wanted, and again when it has died."""

import asyncio
from collections.abc import Mapping, Sequence

from arc.core.errors import BackendBusy
from arc.jobs.backends.warm_link import WarmLink


class WarmServer:
    """One warm server at a time; `slim` is one that imports little."""

    def __init__(self, environment: Mapping[str, str], preload: Sequence[str] | None, *, slim: bool = False) -> None:
        self.link: WarmLink | None = None
        self._environment = environment
        self._preload = preload
        self._slim = slim
        self._starting = asyncio.Lock()

    async def open(self) -> None:
        """Start it in this event loop; does not wait for its imports."""
        self._starting = asyncio.Lock()
        await self.warm()

    async def warm(self) -> WarmLink:
        """The running server; BackendBusy when it cannot be started."""
        async with self._starting:
            if self.link is not None and self.link.lost:
                await self.close()
            if self.link is None:
                try:
                    self.link = await WarmLink.start(self._environment, self._preload, slim=self._slim)
                except OSError as error:
                    raise BackendBusy(f"the warm server could not be started: {error}") from error
            return self.link

    async def discard(self, link: WarmLink) -> None:
        """End that server, and start another one when one is wanted."""
        if self.link is link:
            self.link = None
        await link.close()

    async def close(self) -> None:
        """End the server; the attempts it forked live on."""
        if self.link is not None:
            await self.discard(self.link)
