"""Progress for people: how far, how long still, at most twice a second.

The remaining time is the mean time of the steps of this attempt, evaluation and checkpoints included, times the
steps that are left; early stopping may make it shorter.
"""

import time
from collections.abc import Mapping

from arc.core.ports import RunContext

_PERIOD_S = 0.5


class ProgressReporter:
    """Tells the context the epochs done of all, and the time that is left."""

    def __init__(self, ctx: RunContext, *, epochs: int, steps_per_epoch: int, step: int) -> None:
        self._ctx = ctx
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._first = step
        self.began = time.perf_counter()
        self._due = self.began

    def tick(self, step: int, loss: float | None, *, now: float) -> None:
        """Say where it stands when it is time to; `now` is of `time.perf_counter`."""
        if now < self._due:
            return
        self._due = now + _PERIOD_S
        values: dict[str, float] = {"step": step, "steps": self._epochs * self._steps_per_epoch}
        self.say(step, values if loss is None else values | {"loss": loss}, now=now)

    def say(self, step: int, values: Mapping[str, float], *, now: float) -> None:
        """Say where it stands now."""
        done = step - self._first
        left = self._epochs * self._steps_per_epoch - step
        eta_s = (now - self.began) / done * left if done > 0 else None
        self._ctx.progress(step / self._steps_per_epoch, self._epochs, unit="epoch", eta_s=eta_s, values=values)
