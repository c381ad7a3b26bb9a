"""Early stopping: which epoch was the best, and when waiting for a better one is over.

A value that is missing or not finite is never an improvement and counts against the patience, so that a
metric that cannot be computed ends a run instead of keeping it alive.
"""

import math
from typing import Any

from arc.core.errors import BadData
from arc.kit.spec import Direction


class EarlyStopping:
    """The best value so far and the epochs since; patience 0 never stops."""

    def __init__(self, *, direction: Direction, patience: int = 0, min_delta: float = 0.0) -> None:
        self.direction = direction
        self.patience = patience
        self.min_delta = min_delta
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.bad = 0

    def observe(self, value: float | None, *, epoch: int) -> bool:
        """Take the value of an epoch; True when it is the best so far by more than `min_delta`."""
        if value is not None and math.isfinite(value) and self._better(value):
            self.best, self.best_epoch, self.bad = value, epoch, 0
            return True
        self.bad += 1
        return False

    def _better(self, value: float) -> bool:
        if self.best is None:
            return True
        gain = value - self.best if self.direction == "max" else self.best - value
        return gain > self.min_delta

    @property
    def stopped(self) -> bool:
        """Whether patience has run out."""
        return self.patience > 0 and self.bad >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """All that changes while it observes."""
        return {"direction": self.direction, "best": self.best, "best_epoch": self.best_epoch, "bad": self.bad}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the state back; BadData when the other direction was better then."""
        if state.get("direction") != self.direction:
            raise BadData(f"in the checkpoint {state.get('direction')!r} is better, here {self.direction!r}", field="direction")
        self.best, self.best_epoch, self.bad = state["best"], state["best_epoch"], int(state["bad"])
