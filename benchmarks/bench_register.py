"""What keeping a dataset costs: SHA-256 of its files with two threads, `data.register` as a job, and `dvc add` of the same folder.

5,000 files of random bytes in 50 folders, once of 40 KB and once of 300 KB, just written and therefore in memory. The two take
turns, in random order. Each `dvc add` gets a repository of its own (git init and dvc init are not counted), in a process
that has imported DVC: `cold` is its first add, which also puts the files into its cache (by hard link, and by copy as DVC's own
configuration has it where there are no reflinks); `again` adds the unchanged folder once more. `dvc add` hashes by MD5, with as
many threads. The command line adds 1 to 1.5 s of imports to each. `data.register` is timed by the store, from the start of the job to its
completion: process, look, hash, names, manifests, seals, places, row; the second time nothing has changed. Files begin as JPEGs do.

    python benchmarks/bench_register.py [--files 5000] [--rounds 5] [--folder /dev/shm] [--sizes 40 300] [--without-dvc]
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dvc.repo import Repo

from arc.app import build
from arc.artifacts import tree
from arc.core.job import JobRequest
from arc.settings import Settings

THREADS = 2


def fill(folder: Path, *, count: int, size_bytes: int) -> None:
    """Files of random bytes, none like another."""
    block = bytearray(os.urandom(size_bytes))
    block[:3] = b"\xff\xd8\xff"
    lines = ["file,label,patient"]
    for number in range(count):
        block[3:11] = number.to_bytes(8, "big")
        place = folder / f"{number % 50:02d}"
        lines.append(f"{number % 50:02d}/{number:05d}.jpg,{number % 2},P{number // 2}")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:05d}.jpg").write_bytes(block)
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def seconds(act: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def hashed(folder: Path) -> float:
    """SHA-256 of every file and the list of them: what sealing a version costs."""
    spent = seconds(lambda: tree.seal(folder, threads=THREADS))
    (folder / tree.LIST).unlink()
    return spent


def added(folder: Path, *, link: str) -> tuple[float, float]:
    """The first `dvc add` of the folder in a fresh repository, and another one."""
    root = folder.parent
    for stale in (root / ".git", root / ".dvc", root / "data.dvc", root / ".gitignore"):
        subprocess.run(["rm", "-rf", stale], check=True)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    Repo.init(str(root)).close()
    config = {"core": {"checksum_jobs": THREADS, "site_cache_dir": str(root / ".dvc" / "tmp" / "notes")}, "cache": {"type": link}}
    with Repo(str(root), config=config) as repo:
        cold = seconds(lambda: repo.add(str(folder)))
    with Repo(str(root), config=config) as repo:
        again = seconds(lambda: repo.add(str(folder)))
    return cold, again


def dvc_after_new_files(folder: Path, link: str) -> tuple[float, float]:
    """`added`, on files that no link to a cache has touched."""
    fresh = folder.with_name("fresh")
    subprocess.run(["cp", "--recursive", "--no-preserve=mode", folder, fresh], check=True)
    subprocess.run(["rm", "-rf", folder], check=True)
    fresh.rename(folder)
    return added(folder, link=link)


def median(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):6.2f} s [{min(values):.2f}-{max(values):.2f}]"


async def registered(folder: Path, workspace: Path, *, times: int) -> list[float]:
    """Seconds of `data.register` on the folder, again and again in one workspace."""
    app = build(Settings(workspace=workspace, data_roots=[folder], memory_reserve_gb=0.0))
    await app.start()
    spent = []
    try:
        warm = JobRequest(recipe="data.synthetic_fundus", params={"patients": 4, "size_px": 64})
        await app.engine.finished(app.jobs.submit(warm, actor="bench").id)  # the warm server has imported everything after it
        for _ in range(times):
            request = JobRequest(
                recipe="data.register", params={"name": "eyes"}, inputs={"folder": f"path:{folder}"}, threads=THREADS, seed=1
            )
            job = await app.engine.finished(app.jobs.submit(request, actor="bench").id)
            assert job.started_at is not None, job.failure
            assert job.completed_at is not None, job.failure
            assert job.status.value == "completed", job.failure
            spent.append((job.completed_at - job.started_at).total_seconds())
    finally:
        await app.stop()
    return spent


def measure(root: Path, *, count: int, size_kb: int, rounds: int, links: list[str]) -> None:
    """Both by turns, and one line for each."""
    folder = root / "data"
    fill(folder, count=count, size_bytes=size_kb * 1000)
    sha: list[float] = []
    register: list[list[float]] = []
    dvc: dict[str, list[tuple[float, float]]] = {link: [] for link in links}
    for _ in range(rounds):
        for turn in random.sample(["sha", "register", *dvc], 2 + len(dvc)):
            if turn == "sha":
                sha.append(hashed(folder))
            elif turn == "register":
                workspace = root / f"workspace-{len(register)}"
                register.append(asyncio.run(registered(folder.resolve(), workspace, times=2)))
                subprocess.run(["rm", "-rf", workspace], check=True)
            else:
                dvc[turn].append(dvc_after_new_files(folder, turn))
    print(f"{count} files of {size_kb} KB, {THREADS} threads, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    print(f"  SHA-256 of all, and the list       {median(sha)}")
    for name, at in (("first", 0), ("unchanged", 1)):
        times = [one[at] for one in register]
        ratio = statistics.median(one / base for one, base in zip(times, sha, strict=True))
        print(f"  data.register, {name:18} {median(times)}   {ratio:.1f} times the hashing")
    for link, both in dvc.items():
        cold, again = zip(*both, strict=True)
        ratios = statistics.median(one / base for one, base in zip(cold, sha, strict=True))
        print(f"  dvc add, {link:14} cold       {median(list(cold))}   {ratios:.1f} times the hashing")
        print(f"  dvc add, {link:14} again      {median(list(again))}")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--files", type=int, default=5000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to measure on")
    options.add_argument("--sizes", type=int, nargs="+", default=[40, 300], help="of a file, in KB")
    options.add_argument("--without-dvc", action="store_true")
    asked = options.parse_args()
    links = [] if asked.without_dvc else ["hardlink,copy", "reflink,copy"]
    for size_kb in asked.sizes:
        with tempfile.TemporaryDirectory(dir=asked.folder) as name:
            measure(Path(name), count=asked.files, size_kb=size_kb, rounds=asked.rounds, links=links)


if __name__ == "__main__":
    main()
