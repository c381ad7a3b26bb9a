"""Client: a control plane as an object whose attributes are its rooms.

with Client("http://127.0.0.1:8000", token) as arc:
    job = arc.jobs.submit(JobRequest(recipe="fundus.classify", inputs={"dataset": "dataset:demo"}))
    for update in arc.jobs.watch(job.id): ...
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from arc.client.control import address, token
from arc.client.datasets import DatasetCalls
from arc.client.experiments import ExperimentCalls
from arc.client.fundus import FundusCalls
from arc.client.http import Http
from arc.client.jobs import JobCalls
from arc.client.leases import LeaseCalls
from arc.client.recipes import RecipeCalls
from arc.client.studies import StudyCalls
from arc.client.tokens import TokenCalls
from arc.client.views import Update, updates
from arc.core.errors import ServiceDown


class Client:
    """Everything that a control plane offers; raises the errors of `arc.core.errors`."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = Http(url, token, timeout_s=timeout_s, transport=transport, sleep=sleep)
        self.url = self._http.url
        self.jobs = JobCalls(self._http)
        self.experiments = ExperimentCalls(self._http)
        self.datasets = DatasetCalls(self._http)
        self.fundus = FundusCalls(self.jobs)
        self.recipes = RecipeCalls(self._http)
        self.studies = StudyCalls(self._http)
        self.leases = LeaseCalls(self._http)
        self.tokens = TokenCalls(self._http)

    @classmethod
    def of_workspace(cls, workspace: Path) -> Self:
        """A client of the control plane that serves a workspace of this machine; ServiceDown when none does."""
        url = address(workspace)
        if url is None:
            raise ServiceDown(f"no control plane serves {workspace}; start one with arc serve", field="workspace", value=str(workspace))
        return cls(url, token(workspace))

    def events(self, *, after: int | None = None) -> Iterator[Update]:
        """What happens to everything, from now on or after a sequence number; does not end. Reconnects by itself."""
        return updates(self._http.stream("/events", last_id="" if after is None else str(after)))

    def health(self) -> dict[str, Any]:
        """Whether it lives, and with a token how it is."""
        found: dict[str, Any] = self._http.get("/health")
        return found

    def download(self, digest: str, to: Path) -> Path:
        """The bytes of a published artifact as the file `to`; DigestMismatch when they are not those, and then no file."""
        return self._http.download(f"/artifacts/{digest}", to, digest=digest)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """The client, to be closed at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connections."""
        self.close()
