"""Watching the loss: its mean over an epoch, its curve, and the moment it stops being a number.

Reading a loss makes a GPU wait for all it has queued, so on a GPU the last few are kept as tensors and read
together; on a CPU reading costs nothing and each is read at once. Every loss is looked at sooner or later,
in order, and always before a checkpoint: so no checkpoint holds what came after a NaN.
"""

import math
from collections.abc import Callable, Collection
from typing import Any, ClassVar

import torch

from arc.core.errors import PermanentError

Report = Callable[[int, dict[str, float]], None]


class NotFinite(PermanentError):
    """The loss or a weight is not a finite number; the same run would fail the same way."""

    failure_class: ClassVar[str] = "nan"


class LossWatch:
    """Reads losses every `every` steps and reports every `report_every`-th of them."""

    def __init__(self, report: Report, *, every: int, report_every: int = 1) -> None:
        self._report = report
        self._every = every
        self._report_every = report_every
        self._waiting: list[tuple[int, torch.Tensor, float]] = []
        self.total = 0.0  # of the epoch
        self.count = 0
        self.last: float | None = None

    def add(self, step: int, loss: torch.Tensor, lr: float) -> None:
        """Take the scalar loss of a step (numbered from 1); NotFinite names the first step that is none."""
        if self._every == 1:
            self._read(step, loss.item(), lr)
            return
        self._waiting.append((step, loss.detach(), lr))
        if len(self._waiting) >= self._every:
            self.flush()

    def flush(self) -> None:
        """Read what is waiting."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            values = torch.stack([loss for _, loss, _ in waiting]).tolist()
            for (step, _, lr), value in zip(waiting, values, strict=True):
                self._read(step, value, lr)

    def _read(self, step: int, value: float, lr: float) -> None:
        if not math.isfinite(value):
            raise NotFinite(f"the loss of step {step} is {value}", field="loss", value=str(value))
        self.total += value
        self.count += 1
        self.last = value
        if step % self._report_every == 0:
            self._report(step, {"loss": value, "lr": lr})

    @property
    def mean(self) -> float | None:
        """The mean loss of the epoch so far, every step counting the same."""
        return self.total / self.count if self.count else None

    def begin_epoch(self) -> None:
        """Forget the epoch before."""
        self.flush()
        self.total, self.count = 0.0, 0

    def state_dict(self) -> dict[str, Any]:
        """The sums of an epoch that is under way."""
        self.flush()
        return {"total": self.total, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on in the middle of an epoch."""
        self.total, self.count = float(state["total"]), int(state["count"])


def constants(model: torch.nn.Module) -> frozenset[str]:
    """The buffers of a new model that hold infinity on purpose, as masks of attention do."""
    floats = ((name, value) for name, value in model.named_buffers() if value.is_floating_point())
    return frozenset(name for name, value in floats if bool(torch.isinf(value).any()))


def check_weights(model: torch.nn.Module, *, but: Collection[str] = ()) -> None:
    """NotFinite naming the first parameter or buffer that holds NaN or infinity; those of `but` are not looked at."""
    values = {name: value for name, value in model.state_dict().items() if value.is_floating_point() and value.numel() and name not in but}
    if not values:
        return
    # A sum is finite only when all its terms are; it may overflow without one, so a bad sum is looked at closely.
    sums = torch.stack([value.detach().sum(dtype=torch.float64).cpu() for value in values.values()])
    if bool(torch.isfinite(sums).all()):
        return
    for name, value in values.items():
        if not bool(torch.isfinite(value).all()):
            raise NotFinite(f"{name} holds NaN or infinity", field=name)
