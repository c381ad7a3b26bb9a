"""Ports: what the engine asks of a backend, and what a recipe is given to work with.

A backend starts attempts and proves whether they live; it decides nothing. The shipped
`arc.testing.BackendContract` says what each one must do. `RunContext` is the only thing a recipe sees.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from arc.core.attempt import ProcessIdentity
from arc.core.inputs import ResolvedInput


@dataclass(frozen=True)
class LaunchOrder:
    """All that a backend needs to start one attempt."""

    job_id: str
    number: int
    recipe: str
    params: Mapping[str, Any]
    inputs: Mapping[str, ResolvedInput]
    staging: Path  # absolute, made by the backend when it is not there, and empty
    seed: int
    threads: int
    device: str  # cpu, or cuda
    gpu_ids: tuple[int, ...] = ()
    checkpoints: tuple[tuple[str, str], ...] = ()  # (absolute path, digest), newest first
    memory_gb: float | None = None
    shrink: int = 0  # out-of-memory failures so far: each batch is worked on in 2 ** shrink pieces
    simulated: bool = False
    secret: str = field(default="", repr=False)  # the attempt's capability; never in environment, argv or a file
    control_url: str | None = None


class Liveness(StrEnum):
    """What is known of a process; UNKNOWN never justifies a second attempt."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Exit:
    """How an attempt ended: an exit code, a signal, or neither when nobody saw it."""

    code: int | None
    signal: int | None
    oom_kills: int = 0  # processes of it that the kernel killed because its control group was full


class Backend(Protocol):
    """Where attempts run. All coroutines are called from the engine's event loop."""

    name: str

    async def open(self) -> None:
        """Get ready to launch."""
        ...

    async def close(self) -> None:
        """Let go; attempts that run go on, to be adopted later."""
        ...

    async def launch(self, order: LaunchOrder) -> ProcessIdentity:
        """Start the attempt and say which process it is; BackendBusy or RecipeBroken when it cannot."""
        ...

    async def alive(self, identity: ProcessIdentity) -> Liveness:
        """Whether that very process lives, by evidence."""
        ...

    async def wait(self, identity: ProcessIdentity, staging: Path) -> Exit:
        """Return when the attempt and all its descendants are gone; works for adopted attempts too."""
        ...

    async def stop(self, identity: ProcessIdentity) -> None:
        """Ask the attempt to checkpoint and end (SIGTERM)."""
        ...

    async def kill(self, identity: ProcessIdentity) -> None:
        """End the attempt and its descendants now."""
        ...


class RunContext(Protocol):
    """What a recipe is given: the only way from the work column to the rest of the house."""

    job_id: str
    attempt: int
    seed: int
    device: str
    threads: int
    simulated: bool
    secret: str  # what the attempt asks the control plane with; it may read its own job, an orchestrator may submit jobs
    control_url: str | None  # where it asks; None when no control plane is served
    shrink: int  # each batch is worked on in 2 ** shrink pieces, because larger ones did not fit

    def input(self, name: str) -> ResolvedInput:
        """What the engine resolved for an input; BadData when it was not given."""
        ...

    def optional(self, name: str) -> ResolvedInput | None:
        """What the engine resolved for an input that may be left out; None when it was."""
        ...

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Record metric values at a step. A few microseconds; never waits for the control plane."""
        ...

    def progress(
        self,
        done: float,
        of: float | None = None,
        *,
        unit: str = "step",
        eta_s: float | None = None,
        values: Mapping[str, float] | None = None,
    ) -> None:
        """Say how far the work is, for people; at most a few times a second."""
        ...

    def phase(self, name: str, *, budget_s: float | None = None) -> None:
        """Say what the process is doing now (compile, train, evaluate …) and how long it may take without progress."""
        ...

    def checkpoint(self, step: int, write: Callable[[Path], None], *, best: bool = False) -> Path:
        """Have `write` fill a temporary file, then sync, hash and rename it; keeps the last two and the best."""
        ...

    def resume(self) -> Path | None:
        """The newest checkpoint whose digest holds, or None: then start from the beginning."""
        ...

    def save(self, name: str, kind: str, write: Callable[[Path], None]) -> Path:
        """Have `write` fill a file that becomes the artifact `name` (a file name with suffix) when the job completes."""
        ...

    def folder(self, name: str) -> Path:
        """A folder in the attempt's staging, made on first use; a recipe of purpose `data` fills `dataset` and `sealed`."""
        ...

    def should_stop(self) -> bool:
        """Whether someone asked the attempt to end: checkpoint and return."""
        ...

    def log(self, event: str, **fields: Any) -> None:
        """A line for the reader of the log."""
        ...
