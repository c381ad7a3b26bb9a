"""How long from `launch` to the first line of a recipe, against the least that a double fork can take.

The warm server has torch and MONAI in memory. The bare double fork happens in a process with the same imports, in
turns with the launches, so that both meet the same machine. Both clocks are CLOCK_MONOTONIC, which processes share.

    python benchmarks/bench_start.py [ROUNDS]
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from arc.core.journal import JOURNAL, decode
from arc.jobs.backends.local import LocalBackend
from arc.testing.backend_stand import Stand

RECIPE = """
import time
import torch, monai, monai.networks.nets
from pydantic import BaseModel
from arc.catalog import Row
from arc.core.recipe import Done, RecipeSpec

class Params(BaseModel):
    pass

def run(ctx, params):
    at = time.perf_counter()
    return Done(metrics={"at": at})

SPEC = RecipeSpec(name="bench.start", version="1", params=Params, title="Says when it began", purpose="figure")
ROWS = [Row("bench.start", "bench_start_recipe:SPEC", "bench_start_recipe:run")]
"""

FORKS = """
import os, sys, time
import torch, monai, monai.networks.nets
import gc
gc.collect(); gc.freeze()
for line in sys.stdin:
    outlet, inlet = os.pipe()
    began = time.perf_counter()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(inlet, repr(time.perf_counter()).encode())
            os._exit(0)
        os.wait()
        os._exit(0)
    os.close(inlet)
    at = float(os.read(outlet, 100))
    os.close(outlet)
    os.wait()
    print((at - began) * 1000, flush=True)
"""


def install(folder: Path) -> dict[str, str]:
    """The recipe as a stranger's package; the environment that has it."""
    info = folder / "bench_start_recipe-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench_start_recipe\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[arc.recipes]\nbench = bench_start_recipe:ROWS\n")
    (folder / "bench_start_recipe.py").write_text(RECIPE)
    return {"PYTHONPATH": str(folder), "PATH": os.defpath}


async def one_launch(backend: LocalBackend, stand: Stand, name: str) -> tuple[float, float]:
    """Milliseconds from launch to the recipe's first line, and to the return of `launch`."""
    order = replace(stand.order(name), recipe="bench.start", params={})
    began = time.perf_counter()
    identity = await backend.launch(order)
    returned = time.perf_counter()
    await backend.wait(identity, order.staging)
    last = decode((order.staging / JOURNAL).read_bytes().splitlines()[-1])
    return (last["metrics"]["at"] - began) * 1000, (returned - began) * 1000


async def measure(folder: Path, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """First lines, returns of launch, and bare double forks, in milliseconds."""
    backend = LocalBackend(environment=install(folder / "site"), preload=["torch", "bench.start"])
    await backend.open()
    stand = Stand(backend, folder / "jobs")
    command = [sys.executable, "-c", FORKS]
    lines, returns, forks = [], [], []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"OMP_NUM_THREADS": "1"}) as forker:
        for number in range(-3, rounds):  # the first three warm up
            forker.stdin.write("go\n")
            forker.stdin.flush()
            bare = float(await asyncio.to_thread(forker.stdout.readline))
            line, back = await one_launch(backend, stand, f"job_{number + 3}")
            if number >= 0:
                lines.append(line)
                returns.append(back)
                forks.append(bare)
        forker.stdin.close()
    await backend.close()
    return lines, returns, forks


def cold_start_s(folder: Path) -> float:
    """Seconds that a fresh interpreter takes to get as far."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, monai, monai.networks.nets"], check=True, cwd=folder)
    return time.perf_counter() - began


def say(name: str, values: Sequence[float]) -> None:
    """Median and 95 % of a series."""
    print(f"{name:<44} median {statistics.median(values):7.2f} ms   p95 {statistics.quantiles(values, n=20)[-1]:7.2f} ms")


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as name:
        lines, returns, forks = asyncio.run(measure(Path(name), rounds))
        cold = cold_start_s(Path(name))
    say("launch -> first line of the recipe", lines)
    say("launch -> identity returned", returns)
    say("bare double fork, same imports", forks)
    print(f"ratio of the medians: {statistics.median(lines) / statistics.median(forks):.2f}; a cold interpreter takes {cold:.2f} s")


if __name__ == "__main__":
    main()
