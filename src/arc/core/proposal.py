"""Proposal, ballot, decision, constraint, observation: what agents, people and the store say to each other of a study.

One schema on both sides of the wall. `changes` is the one object that duplicates are detected on, that the config generator merges
into the baseline, and that the world model sees. Who writes is said by `actor`; a decision is never changed, only followed by another.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.attempt import FailureClass
from arc.core.space import Value

_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Novelty = Literal["exploit", "explore", "wildcat"]
ProposalType = Literal["hyperparameter_tuning", "architecture", "augmentation", "loss", "data"]
Use = Literal["baseline", "search", "confirm"]  # what a training is for: a confirmation may take the reserve of the budget
Vote = Literal["approve", "revise", "reject", "abstain"]
Risk = Literal["low", "medium", "high", "critical"]


class ProposalStatus(StrEnum):
    """Where a proposal is; only an approved one may become a job."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    VETOED = "vetoed"
    REVISED = "revised"  # another took its place
    INVALID = "invalid"  # refused before the ballot: a duplicate, or outside bounds or constraints


class Predicted(BaseModel):
    """What the proposer expects of a metric."""

    model_config = _CONFIG

    mean: float
    sd: float = Field(ge=0)


class Proposal(BaseModel):
    """Changes to the baseline, with a hypothesis that the measured result can contradict."""

    model_config = _CONFIG

    proposal_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    study: str
    cycle: int = Field(ge=0)  # 0 is the measurement of the baseline
    proposer: str = Field(min_length=1, max_length=80)  # a role, or the name of a token
    type: ProposalType = "hyperparameter_tuning"
    hypothesis: str = Field(min_length=10, max_length=500)
    changes: dict[str, Value] = Field(max_length=100)  # parameter -> value; empty for the baseline alone
    novelty: Novelty = "explore"
    predicted: dict[str, Predicted] = Field(default_factory=dict, max_length=20)  # metric -> expectation
    expected_impact: float = 0.0  # of the objective, in its unit and towards better
    cost_s: float | None = Field(None, ge=0)  # seconds of one training, as estimated
    risk: Risk = "low"
    parent: str | None = None  # the proposal it revises, repeats or continues
    status: ProposalStatus = ProposalStatus.PROPOSED
    simulated: bool = False


class Ballot(BaseModel):
    """One independent vote on one proposal, cast before seeing the others."""

    model_config = _CONFIG

    proposal_id: str
    agent: str = Field(min_length=1, max_length=80)
    vote: Vote
    confidence: float = Field(ge=0, le=1)
    reason: str = Field(min_length=1, max_length=1000)
    weight: float = Field(1.0, ge=0, le=100)
    round: int = Field(1, ge=1, le=2)  # a revision is voted on once more


DecisionKind = Literal[
    "directive", "refused", "vote", "conflict", "veto", "approval", "submitted", "result", "failure", "noise_floor",
    "race", "test", "incumbent", "constraint", "expired", "probe", "sealed", "budget", "stop", "note",
]  # fmt: skip


class Decision(BaseModel):
    """What was decided, by which rule, and why: a line of the argument of a study."""

    model_config = _CONFIG

    study: str
    cycle: int = Field(ge=0)
    kind: DecisionKind
    why: str = Field(min_length=1, max_length=2000)
    proposal_id: str | None = None
    rules: tuple[str, ...] = ()
    detail: dict[str, Any] = Field(default_factory=dict)
    actor: str = "study"  # who decided: a role of the study, or the name of a token


class Constraint(BaseModel):
    """A region that failed again and again, for a reason that lies in the configuration: a half-open interval, or a set of values.

    `low` belongs to the region and `high` does not; None is no bound. So {param: lr, low: .01} forbids .01 and all above it.
    """

    model_config = _CONFIG

    id: str
    param: str
    low: float | None = None  # forbidden from here on
    high: float | None = None  # forbidden below here
    values: tuple[Value, ...] = ()  # forbidden values of a choice
    failure_class: FailureClass
    support: int = Field(ge=1)  # failures of that class inside
    trials: int = Field(ge=1)  # experiments inside
    effect: tuple[float, float] = (0.0, 1.0)  # interval of the share inside that fails minus the share outside
    learned_at: int = Field(ge=0)  # experiments that were known then
    expires_at: int = Field(ge=0)  # experiments from which on it is probed
    state: Literal["active", "expired", "confirmed", "dropped"] = "active"

    def forbids(self, config: dict[str, Any]) -> bool:
        """Whether a configuration lies inside; never for a parameter that it does not have."""
        if self.state not in ("active", "confirmed") or self.param not in config:
            return False
        value = config[self.param]
        if self.values:
            return value in self.values
        if not isinstance(value, int | float):
            return False  # no number at all: that is for the bounds of the space to refuse
        inside_low = self.low is None or value >= self.low
        return inside_low and (self.high is None or value < self.high) and not (self.low is None and self.high is None)


class Observation(BaseModel):
    """What one experiment of a study gave: one configuration, one seed, one fidelity."""

    model_config = _CONFIG

    experiment_id: str
    study: str
    cycle: int
    proposal_id: str
    use: Use
    config: dict[str, Any]  # the params that were searched, and those of the baseline that differ from the recipe's defaults
    seed: int
    fidelity: float = 1.0  # share of the full training
    status: Literal["completed", "failed", "cancelled", "running", "queued"]
    metrics: dict[str, Any] = Field(default_factory=dict)  # of the evaluation alone, with _low and _high
    failure_class: FailureClass | None = None
    failure: str | None = None
    blamed: bool = False  # the failure says something about the configuration; one of the machine or of the data does not
    duration_s: float = 0.0  # of all attempts of its training and evaluation
    simulated: bool = False
    created_at: datetime | None = None

    def value(self, metric: str) -> float | None:
        """The measured value; None when the experiment failed or was not measured."""
        found = self.metrics.get(metric)
        return float(found) if self.status == "completed" and isinstance(found, int | float) else None
