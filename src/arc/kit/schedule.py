"""Schedules: the learning rate as a function of the step.

A schedule is a factor on each group's own base rate. `constant`, `cosine` and `step` depend on the step alone;
`plateau` also on what it was told at the end of each epoch, and that is all its state. All warm up linearly:
in step s of w the factor is (s + 1) / w (s from 0).

cosine  floor + (1 - floor) * (1 + cos(pi * t)) / 2, with t from 0 after the warm-up to 1 at the last step
        (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
step    multiplied by `factor` after every `every_steps` steps that follow the warm-up, down to the floor.
plateau multiplied by `factor` whenever `patience` epochs in a row brought nothing better, down to the floor.
"""

import math
from typing import Any

import torch

from arc.core.errors import BadData, InvalidSpec
from arc.kit.spec import Direction

NAMES = ("constant", "cosine", "step", "plateau")


class Schedule:
    """A learning-rate schedule; InvalidSpec names the field that is wrong."""

    def __init__(
        self,
        name: str = "constant",
        *,
        total_steps: int = 1,
        warmup_steps: int = 0,
        floor: float = 0.0,
        factor: float = 0.5,
        patience: int = 3,
        every_steps: int = 1,
        direction: Direction = "min",
    ) -> None:
        if name not in NAMES:
            raise InvalidSpec(f"schedule {name[:60]!r} is not one of {', '.join(NAMES)}", field="schedule", value=name[:60])
        if total_steps < 1 or warmup_steps < 0:
            raise InvalidSpec("total_steps must be positive and warmup_steps not negative", field="total_steps", value=total_steps)
        if not 0 <= floor <= 1 or not 0 < factor < 1 or patience < 1 or every_steps < 1:
            raise InvalidSpec(
                "floor lies in 0..1, factor between 0 and 1, patience and every_steps from 1 on", field="schedule", value=name
            )
        self.name = name
        self.total_steps = total_steps
        self.warmup_steps = min(warmup_steps, total_steps)
        self.floor = floor
        self.decay = factor
        self.patience = patience
        self.every_steps = every_steps
        self.sign = 1.0 if direction == "max" else -1.0
        self._scale = 1.0
        self._best: float | None = None
        self._bad = 0

    def factor(self, step: int) -> float:
        """The factor on the base rate in a step, numbered from 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.name == "constant":
            return 1.0
        if self.name == "plateau":
            return max(self._scale, self.floor)
        if self.name == "step":
            return float(max(self.decay ** ((step - self.warmup_steps) // self.every_steps), self.floor))
        t = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - 1 - self.warmup_steps))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * t))

    def observe(self, value: float | None) -> None:
        """Tell the schedule the monitored metric at the end of an epoch; only `plateau` listens."""
        if self.name != "plateau":
            return
        score = self.sign * value if value is not None and math.isfinite(value) else None
        if score is not None and (self._best is None or score > self._best):
            self._best, self._bad = score, 0
            return
        self._bad += 1
        if self._bad >= self.patience:
            self._scale, self._bad = self._scale * self.decay, 0

    def apply(self, optimizer: torch.optim.Optimizer, step: int) -> float:
        """Set the rate of every group for a step; returns that of the first group."""
        factor = self.factor(step)
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
        return float(optimizer.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """What cannot be recomputed from the step."""
        return {"name": self.name, "scale": self._scale, "best": self._best, "bad": self._bad}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the state back; BadData when it belongs to another schedule."""
        if state.get("name") != self.name:
            raise BadData(f"the checkpoint has the schedule {state.get('name')!r}, not {self.name!r}", field="schedule")
        self._scale, self._best, self._bad = float(state["scale"]), state["best"], int(state["bad"])
