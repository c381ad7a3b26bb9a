"""Trials and what is said before one: the plain values that the optimiser, the world model and its judge speak in.

A trial is one training of one configuration. Its value is already turned so that more is better, whatever the metric. Not covered:
where trials come from (`arc.core.proposal.Observation`, turned by the caller) and which of them are comparable.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trial:
    """One training of one configuration; without a value and not failed it is still in flight."""

    config: dict[str, Any]
    value: float | None  # more is better
    failed: bool = False  # by the configuration's fault: a lost machine is no trial
    cost_s: float | None = None  # seconds it took
    fidelity: float = 1.0  # share of a full training, in (0, 1]


@dataclass(frozen=True)
class Prediction:
    """What a full training of a configuration is expected to give."""

    mean: float
    sd: float  # of what would be measured: noise included
    p_failure: float
    cost_s: float | None  # None before any cost is known


@dataclass(frozen=True)
class Suggestion:
    """A configuration worth trying next; mean and sd are None before the world model knows anything."""

    config: dict[str, Any]
    mean: float | None
    sd: float | None
    p_failure: float
    cost_s: float | None
