"""The state of a training: everything that decides how it goes on, taken and put back as one.

Held here: model, optimiser, the running mean of the weights when there is one, schedule, gradient scaler, early stopping, the sums of the epoch under way, the
position (epoch, batch, step), the best weights so far, the history, and the state of the random generators.
The best weights travel inside each checkpoint (once, when they are the current ones), because a resumed
attempt is given one file and must be able to end with the best epoch of an attempt that died.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from arc.core.errors import BadData
from arc.kit import seeding
from arc.kit.checkpoint import put_optimizer, put_weights
from arc.kit.early_stopping import EarlyStopping
from arc.kit.ema import Ema
from arc.kit.losses import LossWatch
from arc.kit.schedule import Schedule


@dataclass
class Position:
    """Where a training stands; all numbers count what is done."""

    epoch: int = 0
    batch: int = 0  # in the epoch under way
    step: int = 0  # optimiser steps since the beginning


@dataclass
class Best:
    """The best epoch so far and its weights."""

    value: float
    epoch: int  # from 1, as people count
    step: int
    weights: dict[str, torch.Tensor]  # {} when nobody wants them back


@dataclass
class TrainState:
    """What a checkpoint keeps and a resume restores."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler | None
    stopping: EarlyStopping
    losses: LossWatch
    data: str  # fingerprint of the batches
    ema: Ema | None = None
    position: Position = field(default_factory=Position)
    best: Best | None = None
    history: list[dict[str, float | int | None]] = field(default_factory=list)

    def keep_best(self, value: float, *, weights: bool = True) -> None:
        """Remember this epoch as the best, and its weights if wanted, in main memory: a GPU may have none to spare."""
        kept = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.judged().items()} if weights else {}
        self.best = Best(value, self.position.epoch, self.position.step, kept)

    def judged(self) -> dict[str, torch.Tensor]:
        """The weights that count: the running mean, or the model's own without one."""
        return self.ema.weights if self.ema else dict(self.model.state_dict())

    def capture(self) -> dict[str, Any]:
        """The state as a nest for `checkpoint.save`; it refers to the living tensors, so write it at once."""
        best = self.best
        return {
            "model": dict(self.model.state_dict()),
            "ema": self.ema.weights if self.ema else {},
            "optim": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else {},
            "stopping": self.stopping.state_dict(),
            "losses": self.losses.state_dict(),
            "data": self.data,
            "position": vars(self.position).copy(),
            "best": None
            if best is None
            else vars(best) | {"weights": self.judged() if best.weights and best.step == self.position.step else best.weights},
            "history": self.history,
            "rng": seeding.rng_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put a captured state back, all but the random generators; BadData when it belongs to another training."""
        try:
            if state["data"] != self.data:
                raise BadData("the checkpoint was written with other data, order or batch size", field="data")
            put_weights(self.model, state["model"])
            put_optimizer(self.optimizer, state["optim"])
            if self.ema:
                self.ema.restore(state.get("ema", {}))
            self.schedule.load_state_dict(state["schedule"])
            if self.scaler and state["scaler"]:
                self.scaler.load_state_dict(state["scaler"])
            self.stopping.load_state_dict(state["stopping"])
            self.losses.load_state_dict(state["losses"])
            self.position = Position(**state["position"])
            self.best = None if state["best"] is None else Best(**state["best"])
            self.history = list(state["history"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadData(f"the checkpoint lacks a part or has a wrong one: {error}", field="checkpoint") from None
        if self.best is not None:
            # Copies: the loaded tensors of model and best may be the same, and the model's will change.
            self.best.weights = {name: tensor.clone() for name, tensor in self.best.weights.items()}
