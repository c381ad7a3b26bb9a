"""The training loop beside Lightning and Accelerate, each against the plain PyTorch loop of its own process.

Processor time a step, one thread; small CNN, EfficientNet-B0 (MONAI), a tiny GPT, and an MLP whose step is about a
millisecond. loop_rig.py says what a turn is and what is not in the figure; the losses of all must agree.
`plain` is the plain loop against itself: how far it is from 1 is what this machine cannot tell apart. The peers' torch must be
ours, and MONAI must be there too:

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install torch==2.13.0 lightning accelerate monai
    python benchmarks/peers/bench_loop.py [PYTHON_OF_THE_PEERS] [SECONDS] [TASK ...]

The rate is the plain time over the loop's, so 0.99 means that the loop trains at 0.99 of the plain speed.
"""

import random
import sys
import time
from typing import Any

import numpy as np
from loop_rig import TASKS
from rigs import HERE, Rig, load, peers_python

from arc.stats import bootstrap


def middle(values: Any) -> str:
    """The median and its 95 % interval."""
    found = bootstrap(lambda drawn: float(np.median(drawn)), values, method="percentile", seed=0)
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def main() -> None:
    """Measure and print."""
    python = peers_python()
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 120.0
    interpreters = {"plain": sys.executable, "arc": sys.executable} | ({"lightning": python, "accelerate": python} if python else {})
    rigs = [Rig(name, [interpreter, HERE / "loop_rig.py", name], quiet=False) for name, interpreter in interpreters.items()]
    said: dict[tuple[str, str], list[Any]] = {}
    wanted = sys.argv[3:] or list(TASKS)
    rounds, until = 0, time.perf_counter() + seconds
    while rounds < 5 or time.perf_counter() < until:
        rounds += 1
        for task in wanted:
            for rig in random.sample(rigs, len(rigs)):
                said.setdefault((task, rig.name), []).append(rig.turn(list(TASKS).index(task)))
    for rig in rigs:
        rig.end()
    for task in wanted:
        curve = said[task, "plain"][0]["losses"]
        plain_us = np.median([turn["plain_us"] for rig in rigs for turn in said[task, rig.name]])
        print(f"{task}: plain step {plain_us / 1000:.2f} ms of processor time, {rounds} turns")
        for rig in rigs:
            turns = said[task, rig.name]
            assert all(np.allclose(turn["losses"], curve, rtol=1e-5, atol=0) for turn in turns), f"{rig.name} does other work"
            exact = "same losses" if all(turn["losses"] == turn["plain_losses"] for turn in turns) else "losses within 1e-5"
            plain, loop = (np.array([turn[key] for turn in turns]) for key in ("plain_us", "loop_us"))
            print(f"  {rig.name:11} rate {middle(plain / loop)}   extra {np.median(loop - plain):7.1f} us a step   {exact}")
    print(load())


if __name__ == "__main__":
    main()
