"""Study: which configuration of a recipe is best on an objective, within a budget. What is asked for, and what became of it.

A study runs as a job of the role orchestrator; its memory is rows. Budgets are hard counters that the control plane
keeps: nothing that an agent says can move them. A share of the experiments is a reserve that only confirmations may use.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from arc.core.proposal import Ballot, Constraint, Decision, Proposal, Use
from arc.core.space import Space, normalised

_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Mode = Literal["supervised", "autonomous", "offline"]
Strategy = Literal["conservative", "weighted_majority", "supervisor_override", "director_override", "highest_confidence", "progressive"]
WEIGHTS = {
    "director": 2.0, "architect": 1.5, "explorer": 1.2, "parameter_scientist": 1.5, "critic": 2.0, "second_critic": 1.8,
    "historian": 1.0, "executor": 1.0, "supervisor": 3.0,
}  # fmt: skip


class Objective(BaseModel):
    """What is to become better, and by how much for it to matter."""

    model_config = _CONFIG

    metric: str = Field("auc", min_length=1, max_length=80, description="A metric of the evaluation.")
    direction: Literal["max", "min"] = Field("max", description="Whether more is better.")
    minimum_effect: float = Field(0.0, ge=0, description="Smallest gain that counts, in the unit of the metric.")
    target: float | None = Field(None, description="The study ends when the bound of the incumbent's interval is past this.")

    @property
    def sign(self) -> float:
        """+1 when more is better, −1 when less is."""
        return 1.0 if self.direction == "max" else -1.0


class StudyBudget(BaseModel):
    """What a study may use up. None is no limit."""

    model_config = _CONFIG

    experiments: int = Field(30, ge=2, le=100_000, description="Trainings, those of the baseline and the confirmations included.")
    reserve_share: float = Field(0.5, ge=0, le=0.8, description="Share of experiments and computing that is kept for confirmations.")
    compute_seconds: float | None = Field(None, gt=0, description="Seconds of attempts, each counted once a GPU (once on a CPU).")
    wall_seconds: float | None = Field(None, gt=0, description="Seconds from the start of the study.")
    tokens: int | None = Field(None, ge=0, description="Tokens of language models.")
    calls: int | None = Field(None, ge=0, description="Calls of language models.")
    disk_gb: float | None = Field(None, gt=0, description="Artifacts of its experiments, in GB.")

    @property
    def reserve(self) -> int:
        """Experiments kept for confirmations."""
        return int(self.experiments * self.reserve_share)


class Evidence(BaseModel):
    """What it takes to be called better."""

    model_config = _CONFIG

    alpha: float = Field(0.05, gt=0, lt=0.5, description="Error of the whole study: the chance of calling better what is not.")
    baseline_seeds: int = Field(5, ge=2, le=100, description="Trainings of the baseline before any search; their spread is the noise.")
    rungs: tuple[int, ...] = Field((1, 3, 6, 10), description="Seeds a challenger has at each step of a race.")
    confirm_seeds: int = Field(
        6, ge=3, le=100, description="Fresh seeds, of challenger and incumbent alike, that the last test uses alone."
    )


class LanguageModel(BaseModel):
    """An OpenAI-compatible endpoint that may back proposing and reviewing roles; its key is read from a file, and never kept here."""

    model_config = _CONFIG

    base_url: str = Field(min_length=1, max_length=500)
    model: str = Field(min_length=1, max_length=200)
    roles: tuple[str, ...] = Field(("explorer",), max_length=10)
    share: float = Field(0.3, ge=0, le=0.3, description="Largest share of the slots of a cycle.")
    timeout_s: float = Field(30.0, gt=0, le=600)
    key_file: str | None = Field(None, max_length=4096, description="File on the machine that runs the study, whose content is the key.")


class StudySpec(BaseModel):
    """A study as it is asked for; every field but `recipe` has a default."""

    model_config = _CONFIG

    name: str = Field("study", min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    recipe: str = Field(min_length=1, max_length=128, description="The recipe whose configuration is searched; it must train.")
    inputs: dict[str, str] = Field(default_factory=dict, description="Inputs of the training by name, such as dataset: dataset:NAME@1.")
    objective: Objective = Objective()
    space: Space | None = Field(None, description="What may be changed; the recipe's own space when not given.")
    baseline: dict[str, Any] = Field(default_factory=dict, description="Params of the baseline; the recipe's defaults otherwise.")
    budget: StudyBudget = StudyBudget()
    evidence: Evidence = Evidence()
    mode: Mode = "autonomous"
    max_concurrent: int = Field(3, ge=1, le=64, description="Experiments that run or wait to run at once.")
    per_cycle: int = Field(3, ge=1, le=32, description="Proposals that are carried out in a cycle, at most.")
    strategy: Strategy = "conservative"
    weights: dict[str, float] = Field(default_factory=lambda: dict(WEIGHTS), max_length=20)
    window: int = Field(5, ge=2, le=100, description="Results the director looks back on.")
    plain_thresholds: tuple[float, float] | None = Field(
        None, description="Stagnation and change as plain differences, such as .01 and .05, in place of the measured noise."
    )
    seed: int = Field(0, ge=0, lt=2**32)
    evaluate: dict[str, Any] = Field(default_factory=dict, description="Params of the evaluation, such as split.")
    language_model: LanguageModel | None = None
    simulated: bool = Field(False, description="A rehearsal: only simulated results count, and nothing it says is a result.")

    @field_validator("baseline")
    @classmethod
    def _one_name(cls, given: dict[str, Any]) -> dict[str, Any]:
        return normalised(given)

    @model_validator(mode="after")
    def _affordable(self) -> Self:
        free = self.budget.experiments - self.budget.reserve
        if self.evidence.baseline_seeds >= free:
            raise ValueError(
                f"budget.experiments {self.budget.experiments} leaves nothing to search with: {free} without the reserve, {self.evidence.baseline_seeds} of them for the baseline"
            )
        if list(self.evidence.rungs) != sorted(set(self.evidence.rungs)) or not self.evidence.rungs or self.evidence.rungs[0] < 1:
            raise ValueError("evidence.rungs must rise from at least 1")
        return self


class StudyState(StrEnum):
    """Where a study is; a finished or stopped one is over."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


class Spent(BaseModel):
    """What a study has used up, as the control plane counts."""

    model_config = _CONFIG

    experiments: int = 0
    confirmations: int = 0  # of the experiments, those for a confirmation
    compute_seconds: float = 0.0
    wall_seconds: float = 0.0
    tokens: int = 0
    calls: int = 0
    disk_gb: float = 0.0


class Study(BaseModel):
    """One study: what was asked for, and where it is."""

    model_config = _CONFIG

    id: str
    spec: StudySpec
    state: StudyState
    job_id: str | None  # of the orchestrating job that runs it, or ran it last
    cycle: int  # the newest that was begun
    spent: Spent
    summary: dict[str, Any]  # as the study's job last said: mode, incumbent, noise floor, calibration, trend, patterns, frontier, verdict
    created_by: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def over(self) -> bool:
        """Whether it can never go on."""
        return self.state in (StudyState.STOPPED, StudyState.FINISHED)


class StudyLink(BaseModel):
    """Which proposal of which study a training carries out; the budget is counted by it."""

    model_config = _CONFIG

    study: str = Field(min_length=1, max_length=128)
    cycle: int = Field(ge=0)
    proposal_id: str = Field(min_length=1, max_length=128)
    use: Use = "search"
    fidelity: float = Field(1.0, gt=0, le=1)


class Record(BaseModel):
    """All that one step of a cycle decided, written in one transaction. A step that was recorded is read back, never decided again."""

    model_config = _CONFIG

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,199}$")  # such as c0003.vote; unique within the study
    cycle: int = Field(ge=0)
    proposals: tuple[Proposal, ...] = Field((), max_length=500)  # new ones, or known ones with another status
    ballots: tuple[Ballot, ...] = Field((), max_length=5000)
    decisions: tuple[Decision, ...] = Field((), max_length=1000)
    constraints: tuple[Constraint, ...] = Field((), max_length=500)  # new ones, or known ones with another state
    summary: dict[str, Any] | None = None  # takes the place of the study's
    memo: dict[str, Any] = Field(default_factory=dict)  # what the step must read back to go on as it would have
    state: Literal["finished", "failed"] | None = None
    tokens: int = Field(0, ge=0)  # used in this step
    calls: int = Field(0, ge=0)
