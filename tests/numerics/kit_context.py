"""A run context on a folder, for tests of the kit: what the worker's context promises, without the worker."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from arc.core.errors import BadData
from arc.core.inputs import ResolvedInput


class FolderContext:
    """One attempt; a second one on the same folder resumes from the first one's newest checkpoint."""

    job_id = "j"
    attempt = 1
    device = "cpu"
    threads = 1
    simulated = False
    shrink = 0

    def __init__(self, folder: Path, *, seed: int = 0, stop_at: int | None = None) -> None:
        self.root = folder
        self.seed = seed
        self.stop_at = stop_at
        self.curve: dict[int, dict[str, float]] = {}
        self.said: list[dict[str, Any]] = []
        self.phases: list[str] = []
        self.best: list[int] = []
        self.steps = 0

    def input(self, name: str) -> ResolvedInput:
        raise BadData(f"no input {name}")

    def report(self, step: int, values: Mapping[str, float]) -> None:
        self.steps = max(self.steps, step)
        self.curve.setdefault(step, {}).update(values)

    def progress(
        self,
        done: float,
        of: float | None = None,
        *,
        unit: str = "step",
        eta_s: float | None = None,
        values: Mapping[str, float] | None = None,
    ) -> None:
        self.said.append({"done": done, "of": of, "unit": unit, "eta_s": eta_s, "values": dict(values or {})})

    def phase(self, name: str, *, budget_s: float | None = None) -> None:
        self.phases.append(name)

    def checkpoint(self, step: int, write: Callable[[Path], None], *, best: bool = False) -> Path:
        path = self.root / f"{step:08d}.safetensors"
        assert not path.exists(), "one checkpoint a step"
        temporary = path.with_suffix(".part")
        write(temporary)
        temporary.rename(path)
        if best:
            self.best.append(step)
        return path

    def resume(self) -> Path | None:
        return max(self.root.glob("*.safetensors"), default=None)

    def save(self, name: str, kind: str, write: Callable[[Path], None]) -> Path:
        write(self.root / name)
        return self.root / name

    def folder(self, name: str) -> Path:
        return self.root

    def should_stop(self) -> bool:
        return self.stop_at is not None and self.steps >= self.stop_at

    def log(self, event: str, **fields: Any) -> None:
        self.said.append({"event": event, **fields})
