"""View: all that the agents of a study see when they decide; a value, the same for every agent of a cycle.

It is put together from the records by `arc.research.campaign`. Agents are functions of it and of a seed, so a cycle that is
decided twice is decided alike. Configurations here hold the parameters of the space alone, by dotted name.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from arc.core.proposal import Constraint, Novelty, Observation, Proposal
from arc.core.space import Space, digest
from arc.core.study import StudySpec

Mode = Literal["recover", "exploit", "explore"]


@dataclass(frozen=True)
class Standing:
    """A configuration and what its full trainings gave, by seed."""

    proposal_id: str
    config: dict[str, Any]
    values: dict[int, float]  # seed -> measured value of the objective

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None before the first."""
        return sum(self.values.values()) / len(self.values) if self.values else None

    def as_dict(self) -> dict[str, Any]:
        """As a record keeps it: JSON has no numbers for names."""
        return {"proposal_id": self.proposal_id, "config": self.config, "values": {str(seed): value for seed, value in self.values.items()}}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Standing":
        """What `as_dict` gave."""
        return cls(kept["proposal_id"], kept["config"], {int(seed): float(value) for seed, value in kept["values"].items()})


@dataclass(frozen=True)
class Left:
    """What is left to spend; None is no limit."""

    experiments: int  # for the search, without the reserve
    confirmations: int  # with it
    compute_s: float | None = None  # for the search, without the reserve
    tokens: int | None = None
    calls: int | None = None


@dataclass(frozen=True)
class Machine:
    """What a training may have."""

    memory_gb: float
    threads: int
    gpus: int = 0


@dataclass(frozen=True)
class Directive:
    """What the director wants of a cycle."""

    mode: Mode
    slots: dict[Novelty, int]
    reason: str
    rule: str  # id of the rule that decided, such as D1


@dataclass(frozen=True)
class View:
    """The state of a study at the beginning of a cycle."""

    study: str
    spec: StudySpec
    space: Space
    cycle: int
    baseline: dict[str, Any]  # what proposals change: the configuration of the incumbent
    incumbent: Standing
    left: Left
    machine: Machine
    observations: tuple[Observation, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    noise_sd: float | None = None  # of the baseline's seeds
    directives: tuple[Directive, ...] = field(default=())  # of the cycles before, oldest first

    @property
    def metric(self) -> str:
        """The metric of the objective."""
        return self.spec.objective.metric

    def config(self, changes: dict[str, Any]) -> dict[str, Any]:
        """The baseline with changes merged in, and without what does not exist under it."""
        merged = self.baseline | changes
        return {name: merged[name] for name in self.space.active(merged) if name in merged}

    def known(self) -> set[str]:
        """Digests of every configuration that was measured, failed, or waits."""
        return {digest(one.config) for one in self.observations}

    def random(self, who: str) -> random.Random:
        """The dice of one agent in this cycle: the same whenever the cycle is decided again."""
        seed = sha256(f"{self.spec.seed}/{self.cycle}/{who}".encode()).digest()
        return random.Random(seed)  # noqa: S311, dice and no secret
