"""The price of the training loop: `arc.kit.loop.fit` against the plain PyTorch loop anyone would write.

Both loops see the same batches and start from the same weights; that they do the same work is checked, not assumed: the
loss curves must be equal. Variants run interleaved in random order, so that what disturbs the machine disturbs all.
Compared is processor time (other processes on the machine hardly change it); the ratio is the median over
rounds, each against the plain run of its own round, with a bootstrap interval.

    python benchmarks/bench_loop.py [--rounds 21] [--json]

A ratio of 1.02 means that the loop takes 2 % more processor time than the plain one. `again` is the plain loop once more: how
far its ratio and interval are from 1 is what this machine cannot tell apart. `journal` also encodes and writes a
journal line a step, as an attempt does. Checkpoints are measured by themselves, in milliseconds.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from arc.core.inputs import ResolvedInput
from arc.core.journal import encode
from arc.kit import checkpoint, optim
from arc.kit.loader import TensorBatches
from arc.kit.loop import fit
from arc.kit.sampler import Order
from arc.kit.seeding import seed_all
from arc.kit.spec import LoopSettings
from arc.stats import bootstrap


class Quiet:
    """A context that keeps the losses and does nothing else; with a journal it writes each report as an attempt would."""

    job_id, attempt, seed, device, threads, simulated, shrink = "bench", 1, 0, "cpu", 1, False, 0

    def __init__(self, journal: Path | None = None) -> None:
        self.losses: list[float] = []
        self.file = journal.open("ab", buffering=0) if journal else None

    def input(self, name: str) -> ResolvedInput:
        raise KeyError(name)

    def report(self, step: int, values: Mapping[str, float]) -> None:
        if "loss" in values:
            self.losses.append(values["loss"])
        if self.file:
            self.file.write(encode("metrics", s=step, v=dict(values), at=time.time()))

    def progress(self, done: float, of: float | None = None, **said: Any) -> None:
        pass

    def phase(self, name: str, *, budget_s: float | None = None) -> None:
        pass

    def checkpoint(self, step: int, write: Callable[[Path], None], *, best: bool = False) -> Path:
        return Path()

    def resume(self) -> Path | None:
        return None

    def save(self, name: str, kind: str, write: Callable[[Path], None]) -> Path:
        return Path()

    def folder(self, name: str) -> Path:
        return Path()

    def should_stop(self) -> bool:
        return False

    def log(self, event: str, **fields: Any) -> None:
        pass


@dataclass(frozen=True)
class Task:
    """A model, its data and how long to train."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch_size: int
    steps: int


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def cnn() -> nn.Module:
    def block(inside: int, outside: int) -> list[nn.Module]:
        return [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(3, 16), *block(16, 32), *block(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def tiny() -> nn.Module:
    return nn.Linear(4, 10)


# `tiny` computes next to nothing: what is extra there is the loop's own price.
TASKS = [Task("tiny", tiny, (4,), 8, 800), Task("mlp", mlp, (256,), 64, 200), Task("cnn", cnn, (3, 64, 64), 16, 40)]

COMPARED = ("again", "kit", "journal")


def loss_of(model: nn.Module, batch: Any) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def prepare(task: Task) -> tuple[nn.Module, torch.optim.Optimizer, TensorBatches]:
    seed_all(0)
    samples = task.batch_size * task.steps // 4
    data = [torch.randn(samples, *task.shape), torch.randint(0, 10, (samples,))]
    model = task.build()
    return model, optim.build(model, name="adamw", lr=1e-3), TensorBatches(data, order=Order(samples, seed=0), batch_size=task.batch_size)


def plain(task: Task) -> tuple[float, float, list[float]]:
    model, optimizer, batches = prepare(task)
    losses = []
    cpu, wall = time.process_time(), time.perf_counter()
    for epoch in range(4):
        model.train()
        for batch in batches.run(epoch):
            optimizer.zero_grad()
            loss = loss_of(model, batch)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return time.process_time() - cpu, time.perf_counter() - wall, losses


def with_kit(task: Task, journal: Path | None = None) -> tuple[float, float, list[float]]:
    model, optimizer, batches = prepare(task)
    ctx = Quiet(journal)
    settings = LoopSettings(epochs=4, restore_best=False)
    cpu, wall = time.process_time(), time.perf_counter()
    fit(ctx, model=model, optimizer=optimizer, loss_fn=loss_of, batches=batches, settings=settings)
    taken = time.process_time() - cpu, time.perf_counter() - wall
    if ctx.file:
        ctx.file.close()
    return *taken, ctx.losses


def measure(task: Task, rounds: int, folder: Path) -> dict[str, Any]:
    """Ratios and overheads of a task, each with its 95 % interval."""
    variants: dict[str, Callable[[], tuple[float, float, list[float]]]] = {
        "plain": lambda: plain(task),
        "again": lambda: plain(task),
        "kit": lambda: with_kit(task),
        "journal": lambda: with_kit(task, folder / f"{task.name}.jsonl"),
    }
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    curves = {name: run()[2] for name, run in variants.items()}  # warms up, too
    assert curves["plain"] == curves["kit"] == curves["journal"], "the loops do not do the same work"
    for _ in range(rounds):
        for name in random.sample(list(variants), len(variants)):
            cpu[name].append(variants[name]()[0])
    times = {name: np.array(values) for name, values in cpu.items()}
    found: dict[str, Any] = {
        "task": task.name,
        "steps": task.steps,
        "rounds": rounds,
        "step_ms": float(np.median(times["plain"]) / task.steps * 1e3),
    }
    for name in COMPARED:
        for key, values in (("ratio", times[name] / times["plain"]), ("extra_us", (times[name] - times["plain"]) / task.steps * 1e6)):
            interval = bootstrap(lambda drawn: float(np.median(drawn)), values, method="percentile", seed=0)
            found[f"{name}_{key}"] = [interval.value, interval.low, interval.high]
    found["checkpoint_ms"] = checkpoint_ms(task, folder)
    return found


def checkpoint_ms(task: Task, folder: Path) -> float:
    """Milliseconds to write model and optimiser once (no sync), median of ten."""
    model, optimizer, batches = prepare(task)
    loss_of(model, next(batches.run(0))).backward()
    optimizer.step()
    taken = []
    for _ in range(10):
        before = time.perf_counter()
        checkpoint.save(folder / "c.safetensors", {"model": model.state_dict(), "optim": optimizer.state_dict()})
        taken.append(time.perf_counter() - before)
    return float(np.median(taken) * 1e3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(task, options.rounds, Path(folder)) for task in TASKS]
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(f"{row['task']}: plain step {row['step_ms']:.3f} ms, {row['steps']} steps, {row['rounds']} rounds, 1 thread, processor time")
        for name in COMPARED:
            ratio, extra = row[f"{name}_ratio"], row[f"{name}_extra_us"]
            print(
                f"  {name:8} ratio {ratio[0]:.3f} [{ratio[1]:.3f}, {ratio[2]:.3f}]   extra {extra[0]:.1f} us a step [{extra[1]:.1f}, {extra[2]:.1f}]"
            )
        print(f"  checkpoint {row['checkpoint_ms']:.1f} ms")


if __name__ == "__main__":
    main()
