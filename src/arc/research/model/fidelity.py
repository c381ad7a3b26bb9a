"""Fidelity: which trainings go on to more epochs, by asynchronous successive halving (ASHA; Li et al. 2020).

A configuration starts at the lowest rung and goes on when it is among the best 1/eta of those that reached its rung. Nothing waits for a
rung to fill. A pure function of the trials, so that a study that resumes decides alike.
"""

import itertools
from collections.abc import Sequence
from typing import Any

from arc.core.space import digest
from arc.research.model.trial import Trial


def ladder(*, lowest: float, eta: int = 3) -> tuple[float, ...]:
    """Fidelities from `lowest` up to 1, each `eta` times the one below: (1/9, 1/3, 1) for 1/9 and 3; the first step may be shorter."""
    steps = [1.0]
    while steps[-1] / eta > lowest * (1 + 1e-9):
        steps.append(steps[-1] / eta)
    if lowest < steps[-1]:
        steps.append(lowest)
    return tuple(reversed(steps))


def rungs(trials: Sequence[Trial], *, lowest: float, eta: int = 3) -> list[tuple[dict[str, Any], float]]:
    """(configuration, next fidelity) of those that go on, highest rung first, best first.

    Failed trials count as having reached their rung and never go on; what is in flight at a higher rung is not asked for again.
    """
    steps, going = ladder(lowest=lowest, eta=eta), []
    for here, above in reversed(list(itertools.pairwise(steps))):
        asked = {digest(trial.config) for trial in trials if trial.fidelity > here * (1 + 1e-9)}
        reached = [trial for trial in trials if abs(trial.fidelity - here) <= 1e-6 and (trial.failed or trial.value is not None)]
        ranked = sorted((trial for trial in reached if not trial.failed and trial.value is not None), key=_value, reverse=True)
        going += [(trial.config, above) for trial in ranked[: len(reached) // eta] if digest(trial.config) not in asked]
    return going


def _value(trial: Trial) -> float:
    assert trial.value is not None
    return trial.value
