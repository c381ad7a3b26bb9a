"""Leakage: how many planted copies of real photographs are found, how many clean photographs raise an alarm, and how fast.

Give it folders of fundus photographs (JPEG, PNG, TIFF), 700 or more in all, of which no two should be of one picture; public
collections of full fundus photographs will do. The pairs found in them are printed, to be looked at: collections hold
repeats. Then, for each transformation, copies of some photographs are put beside all of them.

    python benchmarks/bench_leakage.py FOLDER [FOLDER ...] [--copies 100] [--inner] [--only NAME ...]

--inner takes the middle 60 % of each photograph instead, as collections of disc crops do: no edge of the field is left.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from arc.data.duplicates import find, sign
from arc.stats.intervals import wilson

Image = np.ndarray  # H x W x 3, uint8, RGB
AT_ONCE = 8  # transformations planted in one search, each of other photographs


def jpeg(image: Image, quality: int) -> Image:
    data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1].copy()


def crop(image: Image, left: float, top: float, right: float, bottom: float) -> Image:
    height, width = image.shape[:2]
    return image[round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)].copy()


def times(image: Image, gain: float, offset: float = 0) -> Image:
    return np.clip(image.astype(np.float32) * gain + offset, 0, 255).astype(np.uint8)


def gamma(image: Image, power: float) -> Image:
    return cv2.LUT(image, (np.linspace(0, 1, 256) ** power * 255).round().astype(np.uint8))


def contrast(image: Image, gain: float) -> Image:
    return times(image, gain, image.mean() * (1 - gain))


def clahe(image: Image) -> Image:
    made = image.copy()
    made[:, :, 1] = cv2.createCLAHE(2.0, (8, 8)).apply(np.ascontiguousarray(image[:, :, 1]))
    return made


def moved(image: Image, *, degrees: float = 0, right: float = 0, down: float = 0) -> Image:
    height, width = image.shape[:2]
    move = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    move[:, 2] += right * width, down * height
    return cv2.warpAffine(image, move, (width, height))


def resized(image: Image, across: float, down: float) -> Image:
    return cv2.resize(image, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)


def second_look(image: Image, rng: np.random.Generator) -> Image:
    """A simulated second photograph of the eye: parallax up to 1.5 % of the width, the eye 3 % aside, 2 degrees, other light, noise."""
    height, width = image.shape[:2]
    dark = image.max(axis=2) < 12
    waves = [cv2.resize(rng.uniform(-0.015, 0.015, (4, 4)), (width, height), interpolation=cv2.INTER_CUBIC) * width for _ in "xy"]
    angle = np.deg2rad(rng.uniform(-2, 2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x - width / 2, y - height / 2
    side = rng.uniform(-0.03, 0.03, 2) * width
    to_x = u * np.cos(angle) - v * np.sin(angle) + width / 2 + waves[0] + side[0]
    to_y = u * np.sin(angle) + v * np.cos(angle) + height / 2 + waves[1] + side[1]
    look = cv2.remap(image, to_x.astype(np.float32), to_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    light = 1 + rng.uniform(-0.25, 0.25) * u / width + rng.uniform(-0.25, 0.25) * v / height
    look = np.clip(look * light[:, :, None] + rng.normal(0, 2, look.shape), 0, 255).astype(np.uint8)
    look[dark] = image[dark]  # the camera's mask stays where it is
    return look


Change = Callable[[Image, np.random.Generator], Image]
CHANGES: dict[str, Change] = {
    "PNG, nothing else": lambda i, _: i.copy(),
    "JPEG quality 95": lambda i, _: jpeg(i, 95),
    "JPEG quality 60": lambda i, _: jpeg(i, 60),
    "JPEG quality 30": lambda i, _: jpeg(i, 30),
    "resized to 50 %": lambda i, _: resized(i, 0.5, 0.5),
    "resized to 25 %": lambda i, _: resized(i, 0.25, 0.25),
    "squeezed: height 85 %": lambda i, _: resized(i, 1, 0.85),
    "flipped left to right": lambda i, _: i[:, ::-1].copy(),
    "flipped top to bottom": lambda i, _: i[::-1].copy(),
    "turned by 180 degrees": lambda i, _: i[::-1, ::-1].copy(),
    "turned by 90 degrees": lambda i, _: np.rot90(i).copy(),
    "turned by 3 degrees": lambda i, _: moved(i, degrees=3),
    "moved by 4 % and 3 %": lambda i, _: moved(i, right=0.04, down=-0.03),
    "brightness x 0.7": lambda i, _: times(i, 0.7),
    "brightness x 1.3": lambda i, _: times(i, 1.3),
    "30 grey levels darker": lambda i, _: times(i, 1, -30),
    "30 grey levels brighter": lambda i, _: times(i, 1, 30),
    "gamma 0.7": lambda i, _: gamma(i, 0.7),
    "gamma 1.3": lambda i, _: gamma(i, 1.3),
    "contrast x 0.7": lambda i, _: contrast(i, 0.7),
    "contrast x 1.3": lambda i, _: contrast(i, 1.3),
    "CLAHE on green": lambda i, _: clahe(i),
    "grey": lambda i, _: cv2.cvtColor(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
    "crop 5 % of each side": lambda i, _: crop(i, 0.05, 0.05, 0.05, 0.05),
    "crop 5 % left": lambda i, _: crop(i, 0.05, 0, 0, 0),
    "crop 5 % left and top": lambda i, _: crop(i, 0.05, 0.05, 0, 0),
    "crop 0 to 5 % at random": lambda i, rng: crop(i, *rng.uniform(0, 0.05, 4)),
    "crop 10 % of each side": lambda i, _: crop(i, 0.1, 0.1, 0.1, 0.1),
    "flip + crop 5 % + x 1.2 + JPEG 50": lambda i, _: jpeg(times(crop(i, 0.05, 0.05, 0.05, 0.05)[:, ::-1], 1.2), 50),
    "CLAHE + crop left, bottom + 50 %": lambda i, _: resized(crop(clahe(i), 0.05, 0, 0.02, 0.05), 0.5, 0.5),
    "gamma 0.8 + flip down + 2 degrees + JPEG 40": lambda i, _: jpeg(moved(gamma(i, 0.8)[::-1].copy(), degrees=2, right=0.01), 40),
    "simulated second photograph": second_look,
}


def load(folders: list[Path], *, inner: bool) -> tuple[list[str], list[Image]]:
    """Names and pixels of all photographs below the folders; masks are left out."""
    names, images = [], []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in {".jpg", ".jpeg", ".png", ".tif", ".tiff"} or "mask" in path.parent.name:
                continue
            pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
            image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            names.append(str(path.relative_to(folder)))
            images.append(crop(image, 0.2, 0.2, 0.2, 0.2) if inner else image)
    return names, images


def main() -> None:
    """Print the tables in Markdown."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("folders", nargs="+", type=Path)
    ask.add_argument("--copies", type=int, default=100)
    ask.add_argument("--inner", action="store_true")
    ask.add_argument("--only", nargs="*", default=list(CHANGES), help="names of transformations")
    given = ask.parse_args()
    names, images = load(given.folders, inner=given.inner)
    began, busy = time.perf_counter(), time.process_time()
    clean = np.stack([sign(image) for image in images])
    print(f"{len(images)} photographs, signed in {1e3 * (time.process_time() - busy) / len(images):.1f} ms of processor time each")
    alarms = find(clean)
    alarmed = {place for pair in alarms for place in (pair.a, pair.b)}
    share = wilson(len(alarmed), len(images))
    print(f"clean: {len(alarms)} pairs, {len(alarmed)} photographs, {share.value:.2%} (95 % {share.low:.2%} to {share.high:.2%})")
    for pair in alarms:
        print(f"  {names[pair.a]} = {names[pair.b]}: {pair.score:.2f}, {pair.how}")
    known = {(pair.a, pair.b) for pair in alarms}
    rng = np.random.default_rng(0)
    everything = [clean]
    print("\n| what was done | copies found | share | 95 % | middle score | worst found |\n|---|---|---|---|---|---|")
    others = 0
    for start in range(0, len(given.only), AT_ONCE):
        names_now = given.only[start : start + AT_ONCE]
        places = rng.permutation(len(images))[: min(given.copies, len(images) // AT_ONCE) * len(names_now)]
        chosen = dict(zip(names_now, np.split(places, len(names_now)), strict=True))
        copies = [sign(np.ascontiguousarray(CHANGES[name](images[place], rng))) for name in names_now for place in chosen[name]]
        everything.append(np.stack(copies))
        pairs = find(np.concatenate([clean, *everything[-1:]]))
        place_of = {int(place): len(images) + k for k, place in enumerate(places)}
        planted = set(place_of.items())
        others += sum((pair.a, pair.b) not in planted | known for pair in pairs)
        for name in names_now:
            here = {(int(place), place_of[int(place)]) for place in chosen[name]}
            scores = [pair.score for pair in pairs if (pair.a, pair.b) in here]
            share = wilson(len(scores), len(here))
            middle, worst = (statistics.median(scores), min(scores)) if scores else (0, 0)
            row = f"{len(scores)}/{len(here)} | {share.value:.1%} | {share.low:.1%} to {share.high:.1%} | {middle:.2f} | {worst:.2f}"
            print(f"| {name} | {row} |", flush=True)
    print(f"\nother pairs, in all these searches: {others} (a pair of the clean set that comes again through a copy included)")
    many = np.concatenate(everything * 5)[:5000]  # repeated where there are fewer
    began, busy = time.perf_counter(), time.process_time()
    pairs = find(many)
    took, used = time.perf_counter() - began, time.process_time() - busy
    load_now = os.getloadavg()[0]
    print(
        f"find among {len(many)} signatures, {sum(map(len, everything))} of them different: {took:.1f} s, {used:.1f} s of processor time, load {load_now:.1f}; {len(pairs)} pairs"
    )


if __name__ == "__main__":
    sys.exit(main())
