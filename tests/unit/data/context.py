"""A run context in a temporary folder, and small photographs and archives to feed the data recipes with."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from arc.core.errors import BadData
from arc.core.inputs import ResolvedInput


class FolderContext:
    """What a recipe is given, with a folder instead of an engine behind it."""

    def __init__(self, root: Path, *, seed: int = 0, inputs: Mapping[str, ResolvedInput] | None = None, simulated: bool = False) -> None:
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True)
        self.seed = seed
        self.inputs = dict(inputs or {})
        self.simulated = simulated
        self.shrink = 0
        self.job_id = "job_test"
        self.attempt = 1
        self.device = "cpu"
        self.threads = 1
        self.stop = False
        self.stop_at_step: int | None = None
        self.points: list[tuple[int, dict[str, float]]] = []
        self.said: list[tuple[float, float | None, str]] = []
        self.phases: list[str] = []
        self.saved: dict[str, tuple[str, Path]] = {}
        self.checkpoints: list[Path] = []
        self.newest: Path | None = None

    def input(self, name: str) -> ResolvedInput:
        if name not in self.inputs:
            raise BadData(f"the input {name} was not given", field=f"inputs.{name}")
        return self.inputs[name]

    def optional(self, name: str) -> ResolvedInput | None:
        return self.inputs.get(name)

    def report(self, step: int, values: Mapping[str, float]) -> None:
        self.points.append((step, dict(values)))

    def progress(
        self,
        done: float,
        of: float | None = None,
        *,
        unit: str = "step",
        eta_s: float | None = None,
        values: Mapping[str, float] | None = None,
    ) -> None:
        self.said.append((done, of, unit))

    def phase(self, name: str, *, budget_s: float | None = None) -> None:
        self.phases.append(name)

    def checkpoint(self, step: int, write: Callable[[Path], None], *, best: bool = False) -> Path:
        path = self.root / f"step-{step}.ckpt"
        write(path)
        self.checkpoints.append(path)
        return path

    def resume(self) -> Path | None:
        return self.newest

    def save(self, name: str, kind: str, write: Callable[[Path], None]) -> Path:
        path = self.root / name
        write(path)
        self.saved[name] = (kind, path)
        return path

    def folder(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(exist_ok=True)
        return path

    def should_stop(self) -> bool:
        return self.stop or (self.stop_at_step is not None and any(step >= self.stop_at_step for step, _ in self.points))

    def log(self, event: str, **fields: Any) -> None:
        pass


def given(path: Path, **more: Any) -> ResolvedInput:
    """An input as the engine resolves it."""
    return ResolvedInput(ref=f"path:{path}", path=str(path), **more)


def photograph(seed: int, *, size: tuple[int, int] = (40, 32), form: str = "JPEG", **options: Any) -> bytes:
    """A small picture, different for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1] // 8 + 1, size[0] // 8 + 1, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR).save(data, form, **options)
    return data.getvalue()


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    """A ZIP with these members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def clinic(*, each: int = 6, prefix: str = "", classes: tuple[str, str] = ("glaucoma", "normal")) -> dict[str, bytes]:
    """Members of a small archive with one folder a class."""
    return {
        f"{prefix}{label}/{number:02d}_{label[0]}.jpg": photograph(1000 * index + number)
        for index, label in enumerate(classes)
        for number in range(each)
    }
