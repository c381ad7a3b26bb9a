"""The price of safe unpacking: `arc.data.archive.unpack` against `unzip -q` and `tar -x` on the same file.

5,000 JPEG photographs of about 40 KB (400 synthetic ones, each copy with a comment of its own) in 50 folders, packed by
Python as ZIP (deflate), TAR, TAR.GZ and, where `zstd` is installed, TAR.ZST. Ours and the peer unpack it in turns, in random
order, into fresh folders on the same disk; nobody syncs. That all files came out is checked, not assumed. ARC reads in one
process; `tar -xz` and `tar --zstd` decompress in a second one beside it, which counts in wall time but not in processor time.

    python benchmarks/bench_unpack.py [--images 5000] [--rounds 7] [--folder /dev/shm]

The ratio is the peer's time over ours, the median over rounds of the two of the same round: 1 is as fast, 0.8 is the target.
"""

import argparse
import io
import os
import random
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from arc.data.archive import unpack
from arc.data.members import Limits

Unpack = Callable[[Path, Path], None]


def photographs(count: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of `count` JPEGs of about 40 KB."""
    random_numbers = np.random.default_rng(0)
    made = []
    for _ in range(400):
        coarse = Image.fromarray(random_numbers.integers(0, 256, (80, 80, 3), dtype=np.uint8)).resize((320, 320), Image.Resampling.BICUBIC)
        data = io.BytesIO()
        coarse.save(data, "JPEG", quality=82)
        made.append(data.getvalue())
    for number in range(count):
        comment = b"\xff\xfe\x00\x0a%08d" % number  # a JPEG comment, right behind the start mark
        photo = made[number % len(made)]
        yield f"set/{number % 50:02d}/photo_{number:05d}.jpg", photo[:2] + comment + photo[2:]


def pack(folder: Path, count: int) -> dict[str, Path]:
    """The photographs in each format."""
    files = {form: folder / f"photos.{form}" for form in ("zip", "tar", "tar.gz")}
    with zipfile.ZipFile(files["zip"], "w", zipfile.ZIP_DEFLATED) as zipped, tarfile.open(files["tar"], "w") as tarred:
        for name, data in sorted(photographs(count)):
            zipped.writestr(name, data)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tarred.addfile(member, io.BytesIO(data))
    with files["tar.gz"].open("wb") as out:
        subprocess.run(["gzip", "-c", files["tar"]], stdout=out, check=True)
    if shutil.which("zstd"):
        files["tar.zst"] = folder / "photos.tar.zst"
        subprocess.run(["zstd", "-q", files["tar"], "-o", files["tar.zst"]], check=True)
    return files


def ours(source: Path, into: Path) -> None:
    """Unpack with every check."""
    unpack(source, into, limits=Limits(), tell=lambda share: None)


def with_unzip(source: Path, into: Path) -> None:
    """Unpack with Info-ZIP."""
    subprocess.run(["unzip", "-q", source, "-d", into], check=True)


def with_tar(source: Path, into: Path) -> None:
    """Unpack with GNU tar."""
    into.mkdir()
    subprocess.run(["tar", "--no-same-owner", "-xf", source, "-C", into], check=True)


def spent() -> float:
    """Processor time of this process and its children so far, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def turn(run: Unpack, source: Path, folder: Path, count: int) -> tuple[float, float]:
    """Wall and processor seconds of one unpacking into a fresh folder."""
    into = folder / "out"
    before, began = spent(), time.perf_counter()
    run(source, into)
    wall, cpu = time.perf_counter() - began, spent() - before
    assert sum(len(files) for _, _, files in os.walk(into)) == count
    shutil.rmtree(into)
    return wall, cpu


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=5000)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to measure on")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        for form, source in pack(folder, asked.images).items():
            peer = with_unzip if form == "zip" else with_tar
            measured: dict[Unpack, list[tuple[float, float]]] = {ours: [], peer: []}
            for _ in range(asked.rounds):
                for run in random.sample([ours, peer], 2):
                    measured[run].append(turn(run, source, folder, asked.images))
            report(form, source.stat().st_size, asked.images, measured[ours], measured[peer])


def report(form: str, size: int, count: int, mine: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> None:
    """One line: median times, and the peer's over ours."""
    walls = [their[0] / my[0] for my, their in zip(mine, theirs, strict=True)]
    cpus = [their[1] / my[1] for my, their in zip(mine, theirs, strict=True)]
    my_wall, their_wall = (statistics.median(wall for wall, _ in turns) for turns in (mine, theirs))
    print(
        f"{form:8} {size / 1e6:6.0f} MB  ARC {my_wall:.2f} s ({count / my_wall:,.0f} images/s)  peer {their_wall:.2f} s"
        f"  wall ratio {statistics.median(walls):.2f} [{min(walls):.2f}-{max(walls):.2f}]  processor ratio {statistics.median(cpus):.2f}"
    )


if __name__ == "__main__":
    main()
