"""The context: all that a recipe sees of the house.

Everything it says goes into the journal and the attempt's staging folder; nothing here waits for the control
plane. Inside the staging folder: `checkpoints/` (the last two and the best), `artifacts/` (published when the
job completes), and the folders a recipe asks for.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from arc.core.artifact import ArtifactKind
from arc.core.errors import BadData, RecipeBroken
from arc.core.ids import check_name
from arc.core.inputs import ResolvedInput
from arc.core.ports import LaunchOrder
from arc.worker import durable
from arc.worker.journal import Journal
from arc.worker.plain import words
from arc.worker.stopping import StopRequest

_KEEP: Final = 2
_STEP: Final = re.compile(r"ckpt-(\d+)\.safetensors")
_KINDS: Final = tuple(kind.value for kind in ArtifactKind)


class Context:
    """Implements `arc.core.ports.RunContext` for one attempt."""

    def __init__(self, order: LaunchOrder, journal: Journal, stop: StopRequest, *, console: TextIO | None = None) -> None:
        self.job_id = order.job_id
        self.attempt = order.number
        self.seed = order.seed
        self.device = order.device
        self.threads = order.threads
        self.simulated = order.simulated
        self.shrink = order.shrink
        self.secret = order.secret  # the attempt's capability, for recipes that ask the control plane
        self.control_url = order.control_url
        self._order = order
        self._journal = journal
        self._stop = stop
        self._console = console or sys.stdout
        self._kept: list[str] = []  # names of the checkpoints that are there, in the order they were written
        self._best: str | None = None
        self.tracking: Any = None  # an arc.kit.tracking.Tracking, which this room knows by name only

    def input(self, name: str) -> ResolvedInput:
        """What the engine resolved for an input; BadData when it was not given."""
        given = self.optional(name)
        if given is None:
            raise BadData(f"the input {name!r} was not given", field=f"inputs.{name}")
        return given

    def optional(self, name: str) -> ResolvedInput | None:
        """What the engine resolved for an input that may be left out; None when it was."""
        return self._order.inputs.get(name)

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Record metric values at a step; numbers that are not finite become null."""
        self._journal.metrics(step, {name: float(value) for name, value in values.items()})
        if self.tracking is not None:
            self.tracking.report(step, {name: float(value) for name, value in values.items()})

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
        shown = {name: float(value) for name, value in (values or {}).items()}
        self._journal.line("progress", done=done, of=of, unit=unit, eta_s=eta_s, values=shown)

    def phase(self, name: str, *, budget_s: float | None = None) -> None:
        """Say what the process is doing now, and how long it may take without progress; None is the usual."""
        self._journal.line("phase", name=name, budget_s=budget_s)

    def checkpoint(self, step: int, write: Callable[[Path], None], *, best: bool = False) -> Path:
        """Have `write` fill a temporary file, then sync, hash and rename it; keeps the last two and the best.

        When this returns, file and journal line are on disk. NoSpace when the disk is full: the checkpoints
        before this one are still there then.
        """
        name = f"ckpt-{step:09d}.safetensors"
        written = durable.write(self._order.staging / "checkpoints" / name, write)
        self._best = name if best else self._best
        self._kept = [*(kept for kept in self._kept if kept != name), name]
        keep = {*self._kept[-_KEEP:], self._best or name}
        self._journal.line(
            "checkpoint",
            step=step,
            path=f"checkpoints/{name}",
            digest=written.digest,
            size=written.size_bytes,
            best=best,
            keep=sorted(f"checkpoints/{kept}" for kept in keep),
        )
        self._journal.sync()
        for old in [kept for kept in self._kept if kept not in keep]:
            (written.path.parent / old).unlink(missing_ok=True)
            self._kept.remove(old)
        return written.path

    def resume(self) -> Path | None:
        """The newest checkpoint whose digest holds, or None: then start from the beginning. A bad one is said in the log."""
        for text, digest in self._order.checkpoints:
            path = Path(text)
            trouble = durable.holds(path, digest)
            if trouble is None:
                self._journal.line("started", pid=os.getpid(), step=_step_of(path))
                self.log("resumed", checkpoint=path.name)
                return path
            self.log("checkpoint skipped", level="warning", checkpoint=str(path), why=trouble.message)
        return None

    def save(self, name: str, kind: str, write: Callable[[Path], None]) -> Path:
        """Have `write` fill a file that becomes the artifact `name` when the job completes."""
        check_name(name, field="artifact")
        if kind not in _KINDS:
            raise RecipeBroken(f"there is no kind of artifact {kind!r}; there are {', '.join(_KINDS)}", field="kind", value=kind)
        written = durable.write(self._order.staging / "artifacts" / name, write)
        self._journal.line("artifact", name=name, kind=str(kind), path=f"artifacts/{name}", digest=written.digest, size=written.size_bytes)
        if self.tracking is not None:
            self.tracking.artifact(written.path, str(kind))
        return written.path

    def folder(self, name: str) -> Path:
        """A folder in the attempt's staging, made on first use."""
        path = self._order.staging / check_name(name, field="folder")
        path.mkdir(exist_ok=True)
        return path

    def should_stop(self) -> bool:
        """Whether someone asked the attempt to end: checkpoint, then raise Cancelled."""
        return self._stop.requested

    def log(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """A line for the reader of the log: in the journal, and on stdout."""
        shown = words(fields)
        self._journal.line("log", event=event, level=level, fields=shown)
        try:
            self._console.write(" ".join([event, *(f"{name}={value!r}" for name, value in shown.items())]) + "\n")
            self._console.flush()
        except OSError:
            pass  # on a full disk the journal has it, or says NoSpace


def _step_of(path: Path) -> int | None:
    """The step in a checkpoint's name; None for one that was published and is known by its digest."""
    found = _STEP.fullmatch(path.name)
    return int(found[1]) if found else None
