"""A small training with everything that could make a resume inexact: dropout, batch norm, weighted and augmented samples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from arc.kit import optim
from arc.kit.loader import Loader
from arc.kit.loop import FitResult, fit
from arc.kit.sampler import Order, balanced_weights
from arc.kit.schedule import Schedule
from arc.kit.seeding import seed_all
from arc.kit.spec import LoopSettings
from tests.numerics.kit_context import FolderContext

SAMPLES = 44
EPOCHS = 3


class Noisy:
    """Rows with a label; a sample is disturbed by noise that depends on its seed alone."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self.rows = random.normal(size=(SAMPLES, 6)).astype(np.float32)
        self.labels = (self.rows[:, 0] + 0.5 * random.normal(size=SAMPLES) > 0.4).astype(np.int64)

    def __len__(self) -> int:
        return SAMPLES

    def sample(self, index: int, seed: int) -> tuple[torch.Tensor, int]:
        noise = np.random.default_rng(seed).normal(size=6).astype(np.float32)
        return torch.from_numpy(self.rows[index] + 0.1 * noise), int(self.labels[index])


def build_model() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))


def loss_of(model: nn.Module, batch: Any) -> torch.Tensor:
    rows, labels = batch
    return nn.functional.cross_entropy(model(rows), labels)


def train(
    ctx: FolderContext,
    *,
    optimizer: str = "adamw",
    schedule: str = "cosine",
    workers: int = 0,
    on_step: Callable[[int], None] | None = None,
    loss_fn: Callable[[nn.Module, Any], torch.Tensor] = loss_of,
    device: str = "cpu",
    **settings: Any,
) -> tuple[nn.Module, FitResult]:
    """One attempt, from the context's newest checkpoint when there is one."""
    torch.set_num_threads(1)
    seed_all(ctx.seed)
    model = build_model().to(device)
    data = Noisy()
    order = Order(SAMPLES, seed=ctx.seed, weights=balanced_weights(data.labels))
    batches = Loader(data, order=order, batch_size=8, workers=workers)

    def evaluate(model: nn.Module) -> dict[str, float | None]:
        # Draws from the global generator on purpose: an evaluation may.
        picked = torch.randint(0, SAMPLES, (16,))
        rows, labels = torch.from_numpy(data.rows)[picked].to(device), torch.from_numpy(data.labels)[picked].to(device)
        return {"val_loss": float(nn.functional.cross_entropy(model(rows), labels)), "nothing": None}

    chosen = {"epochs": EPOCHS, "monitor": "val_loss", "clip_norm": 1.0, **settings}
    result = fit(
        ctx,
        model=model,
        optimizer=optim.build(model, name=optimizer, lr=3e-3, weight_decay=1e-2),
        loss_fn=loss_fn,
        batches=batches,
        settings=LoopSettings(**chosen),
        schedule=Schedule(schedule, total_steps=EPOCHS * len(batches), warmup_steps=3, patience=1),
        evaluate=evaluate,
        on_step=on_step,
    )
    return model, result
