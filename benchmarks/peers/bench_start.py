"""Submit to the first line of user code, own process, torch and MONAI imported, one job at a time.

Ours goes through the whole control plane: verb, durable row, claim, warm server, reaper, attempt. Beside it a bare
double and a bare single fork of a process with the same imports, and RQ whose forking worker has imported the same; RQ's Redis syncs
every write, as our store does. The clocks are CLOCK_MONOTONIC, which processes share. See rigs.py for RQ.

    python benchmarks/peers/bench_start.py [PYTHON_OF_THE_PEERS] [ROUNDS]
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from runpy import run_path

from rigs import HERE, Rig, load, peers_python, redis

from arc.app import App, build
from arc.core.job import JobRequest
from arc.jobs.backends.local import LocalBackend
from arc.settings import Settings

_alone = run_path(str(HERE.parent / "bench_start.py"))  # the recipe and the bare forks are those of the benchmark without peers
SINGLE = """
import gc, os, sys, time
import torch, monai, monai.networks.nets
gc.collect(); gc.freeze()
for line in sys.stdin:
    outlet, inlet = os.pipe()
    began = time.perf_counter()
    if os.fork() == 0:
        os.write(inlet, repr(time.perf_counter()).encode())
        os._exit(0)
    os.close(inlet)
    at = float(os.read(outlet, 100))
    os.close(outlet)
    os.wait()
    print((at - began) * 1000, flush=True)
"""


class Forker:
    """A process with the same imports that forks when it is told to."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"OMP_NUM_THREADS": "1"}
        )

    def turn(self) -> float:
        """Milliseconds from before the fork to the last child."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


async def ours(app: App) -> float:
    """Milliseconds of one job of ours."""
    began = time.perf_counter()
    job = await asyncio.to_thread(app.jobs.submit, JobRequest(recipe="bench.start"), actor="bench")
    done = await app.engine.finished(job.id, 60)
    assert done.metrics is not None, done.failure
    return float((done.metrics["at"] - began) * 1000)


async def measure(folder: Path, python: Path | None, rounds: int) -> dict[str, list[float]]:
    """Each in its turn."""
    environment = _alone["install"](folder / "site")
    sys.path.insert(0, str(folder / "site"))
    app = build(
        Settings(workspace=folder / "arc"), backends={"local": LocalBackend(environment=environment, preload=["torch", "bench.start"])}
    )
    await app.start()
    took: dict[str, list[float]] = {"arc": [], "bare double fork": [], "bare single fork": []}
    with ExitStack() as stack:
        port = stack.enter_context(redis(folder / "redis")) if python is not None else None
        rig = Rig("rq", [python, HERE / "start_rig.py", str(port)]) if python is not None and port is not None else None
        forkers = {"bare double fork": Forker(_alone["FORKS"]), "bare single fork": Forker(SINGLE)}
        for number in range(-3, rounds):
            turn = {name: await asyncio.to_thread(forker.turn) for name, forker in forkers.items()}
            turn["arc"] = await ours(app)
            if rig is not None:
                (turn["rq"],) = await asyncio.to_thread(rig.turn, 1)
            for name, value in turn.items() if number >= 0 else ():
                took.setdefault(name, []).append(value)
        if rig is not None:
            rig.end()
        for forker in forkers.values():
            forker.end()
    await app.stop()
    return took


def main() -> None:
    """Measure and print."""
    python = peers_python()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    with tempfile.TemporaryDirectory() as name:
        took = asyncio.run(measure(Path(name), python, rounds))
    for name, values in took.items():
        print(f"{name:18} median {statistics.median(values):7.2f} ms   p95 {statistics.quantiles(values, n=20)[-1]:7.2f} ms")
    for name in list(took)[1:]:
        ratios = [mine / theirs for mine, theirs in zip(took["arc"], took[name], strict=True)]
        print(
            f"    ours over {name}: {statistics.median(took['arc']) / statistics.median(took[name]):.2f} (median of turns {statistics.median(ratios):.2f})"
        )
    print(load())


if __name__ == "__main__":
    main()
