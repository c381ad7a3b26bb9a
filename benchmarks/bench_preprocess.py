"""The price of preprocessing: `data.preprocess` against the bare OpenCV calls on the same photographs.

The photographs of HRF as they are (640 x 427) and four times as large, like those that cameras give, copied until there are
enough. Both sides read each file, decode it, cut it to its field of view, apply CLAHE to the green channel, shrink it to a
padded square of 512 px, encode it as JPEG (quality 95, 4:4:4) and write it. The peer finds the field as a script would:
a threshold and the box around what is above it, keeps the pixels as BGR and shrinks by `INTER_AREA`, which is slow where the
factor is no whole number; a second peer shrinks as ARC does, by halving and then bilinear. ARC fits a circle, judges the quality, hashes what
it writes, and writes manifests, quality and seals. One thread each, in turns, in random order; then ARC alone with two.

    python benchmarks/bench_preprocess.py HRF_IMAGES [--rounds 7] [--images 120] [--folder /dev/shm]

The ratio is the peer's processor time (and wall time) over ours, the median over rounds of the two of the same round: 1 is as fast.
"""

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from arc.core.dataset import DatasetVersion
from arc.core.inputs import ResolvedInput
from arc.data import manifest, preprocess
from arc.data.derive_spec import PreprocessParams
from arc.data.manifest import Row
from arc.data.pictures import shrunk

Run = Callable[[Path], None]


class Context:
    """What the recipe is given, without an engine behind it."""

    def __init__(self, root: Path, given: ResolvedInput, threads: int) -> None:
        self.root, self.given, self.threads = root, given, threads

    def input(self, name: str) -> ResolvedInput:
        """The dataset."""
        return self.given

    def folder(self, name: str) -> Path:
        """A folder of the attempt."""
        (self.root / name).mkdir(parents=True, exist_ok=True)
        return self.root / name

    def should_stop(self) -> bool:
        """Never."""
        return False

    def phase(self, name: str, *, budget_s: float | None = None) -> None:
        """Nobody listens."""

    def progress(self, done: float, of: float | None = None, **more: Any) -> None:
        """Nobody listens."""


def photographs(source: Path, into: Path, *, count: int, factor: int) -> ResolvedInput:
    """A version whose train split has `count` photographs, `factor` times as large as those in `source`."""
    files = sorted(source.glob("*/*.jpg"))
    rows = []
    (into / "images").mkdir(parents=True)
    for number in range(count):
        data = files[number % len(files)].read_bytes()
        if factor > 1:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            grain = np.random.default_rng(number).normal(0, 3, picture.shape).astype(np.float32)  # or it would decode too easily
            data = cv2.imencode(".jpg", cv2.add(picture, grain, dtype=cv2.CV_8U), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        (into / "images" / f"{number}.jpg").write_bytes(data)
        rows.append(
            Row(file=f"images/{number}.jpg", label="eye", index=0, patient=str(number), eye="", site="", sha256="", bytes=len(data))
        )
    for split in ("train", "val", "sealed"):
        manifest.write(into / f"{split}.csv", rows if split == "train" else [])
    known = {"name": "hrf", "version": 1, "digest": "", "task": "classification", "layout": "", "classes": ["eye"], "counts": {}}
    known |= {"patients": {}, "patients_known": False, "split_rule": "", "licence": "", "source": "", "job_id": None}
    version = DatasetVersion.model_validate(known | {"path": "", "sealed_path": "", "created_at": "2026-01-01T00:00:00Z"})
    splits = {split: str(into / f"{split}.csv") for split in ("train", "val", "sealed")}
    info = version.model_dump(mode="json", exclude={"path", "sealed_path"})
    return ResolvedInput(ref="dataset:hrf@1", path=str(into), splits=splits, sealed_path=str(into), info=info)


def ours(given: ResolvedInput, threads: int) -> Run:
    """The recipe with its default steps."""

    def run(into: Path) -> None:
        preprocess.run(Context(into, given, threads), PreprocessParams())

    return run


def bare(given: ResolvedInput, shrink: Callable[[np.ndarray, tuple[int, int]], np.ndarray]) -> Run:
    """The OpenCV calls in a loop."""

    def run(into: Path) -> None:
        cv2.setNumThreads(1)
        (into / "images").mkdir(parents=True)
        for file in sorted((Path(given.path) / "images").iterdir()):
            picture = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
            _, lit = cv2.threshold(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), 12, 255, cv2.THRESH_BINARY)
            left, top, width, height = cv2.boundingRect(lit)
            picture = np.ascontiguousarray(picture[top : top + height, left : left + width])
            green = cv2.createCLAHE(2.0, (8, 8)).apply(cv2.extractChannel(picture, 1))
            cv2.insertChannel(green, picture, 1)
            scale = 512 / max(width, height)
            size = round(width * scale), round(height * scale)
            picture = shrink(picture, size)
            above, before = (512 - size[1]) // 2, (512 - size[0]) // 2
            picture = cv2.copyMakeBorder(picture, above, 512 - size[1] - above, before, 512 - size[0] - before, cv2.BORDER_CONSTANT)
            _, data = cv2.imencode(".jpg", picture, preprocess.JPEG)
            (into / "images" / file.name).write_bytes(data.tobytes())

    return run


def by_area(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What the documentation of OpenCV says for shrinking."""
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def turn(run: Run, folder: Path, count: int) -> tuple[float, float]:
    """Wall and processor seconds of one run into a fresh folder."""
    before, began = time.process_time(), time.perf_counter()
    run(folder / "out")
    wall, processor = time.perf_counter() - began, time.process_time() - before
    assert sum(1 for _ in (folder / "out").rglob("*.jpg")) == count
    shutil.rmtree(folder / "out")
    return wall, processor


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser()
    options.add_argument("source", type=Path, help="the images folder of HRF")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--images", type=int, default=120)
    options.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to measure on")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        for factor, count in ((1, asked.images), (4, max(asked.images // 8, 1))):
            folder = Path(name) / str(factor)
            given = photographs(asked.source, folder / "source", count=count, factor=factor)
            runs: dict[str, Run] = {
                "bare": bare(given, by_area),
                "alike": bare(given, shrunk),
                "one": ours(given, 1),
                "two": ours(given, 2),
            }
            measured: dict[str, list[tuple[float, float]]] = {key: [] for key in runs}
            for _ in range(asked.rounds):
                for key in random.sample(sorted(runs), len(runs)):
                    measured[key].append(turn(runs[key], folder, count))
            report(f"{640 * factor} x {427 * factor}", count, measured)


def report(what: str, count: int, measured: dict[str, list[tuple[float, float]]]) -> None:
    """Median times and ratios of one size of photograph."""
    cost = {key: statistics.median(processor for _, processor in turns) / count * 1e3 for key, turns in measured.items()}
    print(f"{what}: " + ", ".join(f"{key} {value:.2f} ms" for key, value in cost.items()) + " of processor time an image")
    for key in ("bare", "alike"):
        ratios, walls = ([their[at] / my[at] for my, their in zip(measured["one"], measured[key], strict=True)] for at in (1, 0))
        print(
            f"  against {key}: ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}], wall {statistics.median(walls):.2f}"
        )
    scaling = [one[0] / two[0] for one, two in zip(measured["one"], measured["two"], strict=True)]
    print(f"  two threads: {statistics.median(scaling):.2f} [{min(scaling):.2f}-{max(scaling):.2f}] times as fast as one")


if __name__ == "__main__":
    main()
