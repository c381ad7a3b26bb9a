"""One training loop beside the plain PyTorch loop: `loop_rig.py plain|arc|lightning|accelerate`; a turn is a task by its number.

A turn runs both, in random order. The loss function reads the clock, and the figure is the median time from one reading to the
next: what a loop does before, after and between epochs is not in it, what it does in each step is. All have the same batches in
memory, weights, optimiser and one thread, and keep loss and rate of every step by the loop's own way of logging; the losses go
back, so that equal work can be checked.
"""

import logging
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from runpy import run_path
from typing import Any

import numpy as np
import torch
from rigs import HERE, serve
from torch import nn

_WARM = 2  # steps before the clock starts


class TinyGpt(nn.Module):
    """A decoder of two layers, 64 wide, over 64 of 128 characters: N x T tokens to N x 128 x T logits."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(128, 64), nn.Parameter(torch.randn(64, 64) * 0.02)
        layer = [
            nn.TransformerEncoderLayer(64, 4, 256, dropout=0.1, activation="gelu", batch_first=True, norm_first=True) for _ in range(2)
        ]
        self.layers = nn.ModuleList(layer)
        self.head = nn.Linear(64, 128, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(64), persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of the next token at each place."""
        x = self.tokens(tokens) + self.places
        for layer in self.layers:
            x = layer(x, src_mask=self.mask, is_causal=True)
        return self.head(x).transpose(1, 2)


def mlp() -> nn.Module:
    """Little to compute, so that what a loop adds shows."""
    return nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def cnn() -> nn.Module:
    """The small CNN of bench_loop.py."""
    widths, layers = (3, 16, 32, 64), []
    for inside, outside in pairwise(widths):
        layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def efficientnet() -> nn.Module:
    """The network of the fundus recipes."""
    from monai.networks.nets import EfficientNetBN

    return EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=2, in_channels=3, num_classes=10)


def images(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images and classes."""
    return torch.randn(count, 3, size, size), torch.randint(0, 10, (count,))


def text() -> tuple[torch.Tensor, torch.Tensor]:
    """Random tokens and the next ones."""
    drawn = torch.randint(0, 128, (4, 65))
    return drawn[:, :-1], drawn[:, 1:]


@dataclass(frozen=True)
class Task:
    """A model, one batch of its data, and the steps that are timed."""

    build: Callable[[], nn.Module]
    batch: Callable[[], tuple[torch.Tensor, torch.Tensor]]
    steps: int


TASKS = {
    "mlp": Task(mlp, lambda: (torch.randn(64, 256), torch.randint(0, 10, (64,))), 60),
    "small CNN": Task(cnn, lambda: images(8, 48), 12),
    "EfficientNet-B0": Task(efficientnet, lambda: images(2, 32), 4),
    "tiny GPT": Task(TinyGpt, text, 10),
}


class Batches:
    """Batches in memory: `run` is for ours, iteration for Lightning, which takes a list for several loaders."""

    fingerprint = "bench"

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)

    def run(self, epoch: int, *, start: int = 0) -> Iterator[Any]:
        """The batches from `start` on."""
        return iter(self.batches[start:])


@dataclass
class Run:
    """All that a loop is given, and what it leaves."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: list[tuple[torch.Tensor, torch.Tensor]]
    clock: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def loss(self, model: nn.Module, batch: Any) -> torch.Tensor:
        """Mean cross entropy; reads the clock first."""
        self.clock.append(time.process_time())
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    def keep(self, values: dict[str, float]) -> None:
        """Where every loop's log ends."""
        self.losses.append(values["loss"])
        self.rates.append(values["lr"])


def plain(run: Run) -> None:
    """The loop anyone would write."""
    run.model.train()
    for batch in run.batches:
        run.optimizer.zero_grad()
        loss = run.loss(run.model, batch)
        loss.backward()
        run.optimizer.step()
        run.keep({"loss": loss.item(), "lr": run.optimizer.param_groups[0]["lr"]})


def arc() -> Callable[[Run], None]:
    """Ours; the context keeps what is reported."""
    from arc.kit.loop import fit
    from arc.kit.spec import LoopSettings

    quiet = run_path(str(HERE.parent / "bench_loop.py"))["Quiet"]

    def train(run: Run) -> None:
        ctx = quiet()
        ctx.report = lambda step, values: run.keep(values) if "loss" in values else None
        settings = LoopSettings(epochs=1, restore_best=False)
        fit(ctx, model=run.model, optimizer=run.optimizer, loss_fn=run.loss, batches=Batches(run.batches), settings=settings)

    return train


def lightning() -> Callable[[Run], None]:
    """PyTorch Lightning without checkpoints and progress bar, which are dearer than its loop; a logger that keeps each step."""
    import lightning.pytorch as pl
    from lightning.pytorch.loggers import Logger

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Kept(Logger):
        name, version = "kept", 0

        def __init__(self, run: Run) -> None:
            super().__init__()
            self.run = run

        def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
            pass

        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            if "loss" in metrics:
                self.run.keep(metrics)

    class Module(pl.LightningModule):
        def __init__(self, run: Run) -> None:
            super().__init__()
            self.model, self.given = run.model, run

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            loss = self.given.loss(self.model, batch)
            self.log_dict({"loss": loss, "lr": self.given.optimizer.param_groups[0]["lr"]})
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return self.given.optimizer

    def train(run: Run) -> None:
        trainer = pl.Trainer(
            max_epochs=1, accelerator="cpu", devices=1, logger=Kept(run), log_every_n_steps=1, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Module(run), Batches(run.batches))

    return train


def accelerate() -> Callable[[Run], None]:
    """Accelerate as its guide has it: prepared model and optimiser, `accumulate`, `backward`, and a tracker that keeps each step."""
    from accelerate import Accelerator
    from accelerate.tracking import GeneralTracker

    class Kept(GeneralTracker):
        name, requires_logging_directory, tracker = "kept", False, None
        run: Run

        def store_init_configuration(self, values: dict[str, Any]) -> None:
            pass

        def log(self, values: dict[str, float], step: int | None = None, **more: Any) -> None:
            self.run.keep(values)

    kept = Kept()
    accelerator = Accelerator(cpu=True, log_with=kept)
    accelerator.init_trackers("bench")

    def train(run: Run) -> None:
        kept.run = run
        model, optimizer = accelerator.prepare(run.model, run.optimizer)
        model.train()
        for step, batch in enumerate(run.batches):
            with accelerator.accumulate(model):
                loss = run.loss(model, batch)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
            accelerator.log({"loss": loss.item(), "lr": optimizer.param_groups[0]["lr"]}, step=step)
        accelerator.free_memory()

    return train


def timed(loop: Callable[[Run], None], task: Task) -> tuple[float, list[float]]:
    """Microseconds of processor time from step to step, the median, and the losses."""
    torch.manual_seed(0)
    model = task.build()
    batches = [task.batch() for _ in range(4)]
    total = task.steps + _WARM + 1
    run = Run(model, torch.optim.AdamW(model.parameters(), lr=1e-3), [batches[step % 4] for step in range(total)])
    torch.manual_seed(1)  # the same dropout, whatever a loop drew while it was made
    loop(run)
    assert len(run.rates) == total, f"{len(run.rates)} of {total} steps were logged"
    return float(np.median(np.diff(run.clock[_WARM:]))) * 1e6, run.losses


def main() -> None:
    """Work in turns."""
    warnings.simplefilter("ignore")  # advice about workers and GPUs
    torch.set_num_threads(1)
    loop = {"plain": lambda: plain, "arc": arc, "lightning": lightning, "accelerate": accelerate}[sys.argv[1]]()
    tasks = list(TASKS.values())

    def turn(number: int) -> dict[str, Any]:
        done = {which: timed((plain, loop)[which], tasks[number]) for which in random.sample((0, 1), 2)}
        return {"plain_us": done[0][0], "loop_us": done[1][0], "plain_losses": done[0][1], "losses": done[1][1]}

    serve(turn)


if __name__ == "__main__":
    main()
