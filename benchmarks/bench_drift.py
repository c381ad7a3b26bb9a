"""Drift: how often photographs of one kind are held by chance, and which changes are found with 100 against 100 photographs.

Synthetic patients (two eyes each), the photographs below `--sample` and those below each further folder are measured once. Then
random halves by patient are compared many times with the recipe's own parameters: every hold is a false alarm. For power, `--each` photographs
are compared with as many others that were changed; all of both were encoded again, as nothing but the change shall differ. "without
sizes" leaves width, height and bytes aside.

    python benchmarks/bench_drift.py [--sample FOLDER] [FOLDER ...] [--runs 200] [--power 40] [--each 100 ...]
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from arc.data import drift, synthetic
from arc.data.drift_judged import Photographs
from arc.data.features import FEATURES, measure
from arc.data.judge_spec import DriftParams
from arc.data.spec import SyntheticFundusParams
from arc.stats.intervals import wilson

Image = np.ndarray  # H x W x 3, uint8, RGB
QUALITY = 95


def encoded(image: Image, quality: int = QUALITY) -> bytes:
    return cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def again(image: Image, quality: int) -> Image:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(encoded(image, quality), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def times(image: Image, *gains: float) -> Image:
    return np.clip(image * np.array(gains), 0, 255).astype(np.uint8)


def half(image: Image) -> Image:
    """With half the pixels across, as data.unpack makes large photographs smaller."""
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Change:
    name: str
    of: Callable[[Image], Image]
    quality: int = QUALITY


CHANGES = (
    Change("none", lambda image: image),
    Change("half the pixels across", half),
    Change("brightness x 1.15", lambda image: times(image, 1.15, 1.15, 1.15)),
    Change("brightness x 0.85", lambda image: times(image, 0.85, 0.85, 0.85)),
    Change("JPEG quality 50", lambda image: image, 50),
    Change("JPEG quality 20", lambda image: image, 20),
    Change("colour cast: red x 1.1, blue x 0.9", lambda image: times(image, 1.1, 1.0, 0.9)),
    Change("colour cast: blue x 1.3", lambda image: times(image, 1.0, 1.0, 1.3)),
    Change("blur, 1 % of the width", lambda image: cv2.GaussianBlur(image, (0, 0), image.shape[1] / 400)),
)


def drawn(patients: int) -> Iterator[tuple[str, Image]]:
    """Patient and photograph of synthetic eyes, through the quality of each site's camera."""
    params = SyntheticFundusParams(patients=patients, masks=False)
    for eye in synthetic.population(params, seed=0):
        yield eye.patient, again(synthetic.draw(eye, params.size_px)[0], eye.site.jpeg_quality)


def found(folder: Path) -> Iterator[tuple[str, Image]]:
    """Each photograph below a folder, its name standing for its patient."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".tif", ".tiff"}:
            yield path.name, cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@dataclass(frozen=True)
class Measured:
    name: str
    patients: np.ndarray
    values: dict[str, np.ndarray]  # change -> (photographs, FEATURES)

    def side(self, places: np.ndarray, change: str) -> Photographs:
        names = tuple(self.patients[places].tolist())
        return Photographs("side", names, tuple(map(Path, names)), names, True, self.values[change][places])


def measured(name: str, photographs: Iterator[tuple[str, Image]], changes: tuple[Change, ...]) -> Measured:
    patients, rows = [], {change.name: [] for change in changes}
    for patient, image in photographs:
        patients.append(patient)
        for change in changes:
            data = encoded(change.of(image), change.quality)
            seen = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            features = measure(seen, bytes=len(data))
            rows[change.name].append([features[feature] for feature in FEATURES])
    return Measured(name, np.array(patients), {change: np.array(values) for change, values in rows.items()})


def halves(of: Measured, random: np.random.Generator, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Places of the photographs of two groups of patients without overlap, at most so many photographs each."""
    order = random.permutation(np.unique(of.patients))
    sides = [np.flatnonzero(np.isin(of.patients, part)) for part in np.array_split(order, 2)]
    if most is None:
        return sides[0], sides[1]
    first, second = (np.concatenate([np.flatnonzero(of.patients == one) for one in part])[:most] for part in np.array_split(order, 2))
    return first, second


def alarms(of: Measured, runs: int) -> str:
    random, held, reasons = np.random.default_rng(1), 0, Counter[str]()
    for run in range(runs):
        old, new = halves(of, random)
        result = drift.compare(of.side(old, "none"), of.side(new, "none"), DriftParams(), seed=run)
        held += result.hold
        reasons.update(why for one in result.features for why in one.because)
    share = wilson(held, runs)
    return f"| {of.name} | {len(old)} and {len(new)} | {held} of {runs} | {share.value:.1%} ({share.low:.1%} to {share.high:.1%}) | {dict(reasons)} |"


def power(of: Measured, change: str, each: int, runs: int) -> str:
    random, held, eyes, reasons = np.random.default_rng(2), 0, 0, Counter[str]()
    for run in range(runs):
        old, new = halves(of, random, each)
        result = drift.compare(of.side(old, "none"), of.side(new, change), DriftParams(), seed=run)
        held, eyes = held + result.hold, eyes + bool(set(result.drifted) - {"width", "height", "bytes"})
        reasons.update(result.drifted)
    often = ", ".join(f"{name} {count / runs:.0%}" for name, count in reasons.most_common(5))
    return f"| {of.name} | {each} | {change} | {held / runs:.0%} | {eyes / runs:.0%} | {often or '-'} |"


def main() -> None:
    """Print the tables in Markdown."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("folders", nargs="*", type=Path)
    ask.add_argument("--sample", type=Path, help="a small set: false alarms alone")
    ask.add_argument("--runs", type=int, default=200)
    ask.add_argument("--power", type=int, default=40)
    ask.add_argument("--each", type=int, nargs="+", default=[100])
    given = ask.parse_args()
    began = time.perf_counter()
    large = [measured("synthetic, 150 patients", drawn(150), CHANGES)]
    large += [measured("/".join(folder.parts[-2:]), found(folder), CHANGES) for folder in given.folders]
    small = [measured("/".join(given.sample.parts[-2:]), found(given.sample), CHANGES[:1])] if given.sample else []
    print("| photographs | compared | held by chance | share (95 %) | whose bound |\n|---|---|---|---|---|")
    for of in (*large, *small):
        print(alarms(of, given.runs), flush=True)
    print("\n| photographs | each side | change | held | without sizes | features, how often |\n|---|---|---|---|---|---|")
    for of in large:
        for each in [each for each in given.each if each <= len(of.patients) // 2]:
            for change in CHANGES:
                print(power(of, change.name, each, given.power), flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
