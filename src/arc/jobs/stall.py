"""Stalls: whether an attempt still gets on, judged by its progress and never by its heartbeat.

Between two signs of progress (a metric, a progress, a checkpoint, an artifact) an attempt may take six times
its slowest recent step, at least 90 s and at most 15 min. In a declared phase other than training (load,
compile, evaluate, checkpoint …) it may take the most, or what the phase itself declared. Before the first
sign of progress nothing is known of its pace, so it gets an hour. All four are settings.

The clock is the engine's monotonic one; after a restart of the control plane an adopted attempt starts with a
full budget, so that no healthy one is ever ended for the engine's own absence. Nor does time count in which the
engine itself was stopped, or in which it could not record what the attempt had written.
"""

from collections import deque
from dataclasses import dataclass

TRAINING = frozenset({"", "train"})
_RECENT = 50


@dataclass(frozen=True)
class StallRules:
    """Budgets, in seconds."""

    factor: float = 6.0
    floor_s: float = 90.0
    cap_s: float = 900.0
    first_s: float = 3600.0


class Pace:
    """How one attempt gets on."""

    def __init__(self, rules: StallRules, *, now: float, fixed_s: float | None = None) -> None:
        self._rules = rules
        self._fixed_s = fixed_s  # what the job itself asked for
        self._since = now  # engine time of the last sign of progress
        self._steps: deque[float] = deque(maxlen=_RECENT)  # seconds between signs, by the attempt's own clock
        self._last_at: float | None = None
        self._phase = ""
        self._declared_s: float | None = None

    def phase(self, name: str, budget_s: float | None, *, now: float) -> None:
        """The attempt says what it does now, and perhaps how long it may take."""
        if (name, budget_s) != (self._phase, self._declared_s):
            self._phase, self._declared_s = name, budget_s
            self._since = now
            self._last_at = None  # the first step after a phase is no measure of the pace

    def sign(self, at: float, *, now: float) -> None:
        """The attempt got on, at this moment of its own clock."""
        if self._last_at is not None and self._phase in TRAINING:
            self._steps.append(max(0.0, at - self._last_at))
        self._last_at = at
        self._since = now

    def excuse(self, seconds: float) -> None:
        """Nobody looked for so long: it is not held against the attempt."""
        self._since += seconds

    @property
    def budget_s(self) -> float:
        """Seconds it may take until its next sign of progress."""
        if self._fixed_s is not None or self._declared_s is not None:
            return self._fixed_s or self._declared_s or 0.0
        if self._phase not in TRAINING:
            return self._rules.cap_s
        if not self._steps:
            return self._rules.first_s if self._last_at is None else self._rules.cap_s
        return min(max(self._rules.factor * max(self._steps), self._rules.floor_s), self._rules.cap_s)

    def overdue_s(self, *, now: float) -> float:
        """Seconds since the budget ran out; negative while there is some left."""
        return now - self._since - self.budget_s
