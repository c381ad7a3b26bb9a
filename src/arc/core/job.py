"""Job: one durable request to run a recipe.

A job is a row, never a process: the process is an `Attempt`. Its params are frozen at submission,
defaults and thread count included, so that a repeat runs the same thing. Who may move it between
states is said in `arc.core.states`; the moves themselves are in `arc.jobs.lifecycle`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.attempt import Failure, FailureClass
from arc.core.recipe import Needs
from arc.core.states import TERMINAL, JobStatus
from arc.core.study import StudyLink


class Priority(StrEnum):
    """How urgent a job is; first in, first out within one priority."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    NORMAL = "NORMAL"
    LOW = "LOW"

    @property
    def rank(self) -> int:
        """0 for the most urgent."""
        return list(Priority).index(self)


class RetryPolicy(BaseModel):
    """How often and after how long a failed attempt is repeated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_retries: int = Field(3, ge=0, le=100, description="Attempts after the first; 0 means at most one run.")
    delay_s: float = Field(60.0, ge=0, le=86_400, description="Seconds before the first retry; doubles each time.")
    cap_s: float = Field(900.0, ge=0, le=86_400, description="Longest wait before a retry, in seconds.")
    jitter: float = Field(0.2, ge=0, le=0.5, description="Random share added to or taken from each wait.")
    by_class: dict[FailureClass, int] = Field(default_factory=dict, description="Retries after failures of one class, where fewer.")


class Limits(BaseModel):
    """What one attempt may use before it is ended from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: float | None = Field(None, gt=0, le=31_536_000, description="Seconds an attempt may run; none by default.")
    grace_s: float = Field(10.0, ge=0, le=600, description="Seconds between the request to stop and the kill.")
    stall_s: float | None = Field(None, gt=0, le=31_536_000, description="Seconds without progress; by its own pace when not given.")
    memory_gb: float | None = Field(None, gt=0, le=65_536, description="Private memory an attempt may use, in GB.")
    gpu_id: int | None = Field(None, ge=0, le=1023, description="The GPU to run on; the freest when not given.")


CancelRequest = Literal["keep", "rollback"]


class Progress(BaseModel):
    """How far a running attempt is, as it last said."""

    model_config = ConfigDict(frozen=True)

    done: float = 0.0  # in the unit of `of`
    of: float | None = None  # unknown when None
    unit: str = "step"
    phase: str = ""
    eta_s: float | None = None
    values: dict[str, float] = Field(default_factory=dict)


class WorkOptions(BaseModel):
    """How a job is run, whatever it does: what every way to ask for one takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    priority: Literal["CRITICAL", "HIGH", "NORMAL", "LOW"] = "NORMAL"
    seed: int | None = Field(None, ge=0, lt=2**32, description="Random seed; drawn when not given.")
    experiment_id: str | None = Field(None, min_length=1, max_length=128, description="Join this experiment instead of making one.")
    max_retries: int = Field(3, ge=0, le=100, description="Attempts after the first.")
    max_retries_by_class: dict[str, Annotated[int, Field(ge=0, le=100)]] = Field(
        default_factory=dict, max_length=len(FailureClass), description="Attempts after failures of one class, such as {oom: 1}."
    )
    retry_delay_seconds: float = Field(60.0, ge=0, le=86_400, description="Wait before the first retry; doubles each time.")
    timeout_seconds: float | None = Field(None, gt=0, le=31_536_000, description="Longest time of one attempt.")
    grace_seconds: float = Field(10.0, ge=0, le=600, description="Time to checkpoint between stop and kill.")
    stall_seconds: float | None = Field(
        None, gt=0, le=31_536_000, description="Longest time without progress; judged by the attempt's own pace when not given."
    )
    auto_resume: bool = Field(True, description="Start a retry from the last good checkpoint.")
    memory_gb: float | None = Field(None, gt=0, le=65_536, description="Memory to reserve, in GB; the recipe's own need when not given.")
    gpu_id: int | None = Field(None, ge=0, le=1023, description="Run on this GPU.")
    threads: int | None = Field(
        None, ge=1, le=1024, description="Native threads, frozen into the job; the cores divided by the slots when not given."
    )
    dummy_mode: bool = Field(False, description="Same code on a tiny model; every row is marked simulated.")
    cycle_id: int | None = Field(
        None, ge=0, lt=2**31, description="Cycle of a study that the experiment, which this job makes, belongs to."
    )
    checkpoint_dir: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="Leave copies of the model and the newest checkpoint in a folder of the job's id there.",
    )
    log_dir: str | None = Field(
        None, min_length=1, max_length=4096, description="Leave copies of the logs of every attempt in a folder of the job's id there."
    )
    output_dir: str | None = Field(
        None, min_length=1, max_length=4096, description="Leave copies of all else that the job makes in a folder of the job's id there."
    )

    def job_options(self) -> dict[str, Any]:
        """These fields alone, for a `JobRequest` that is made from a request with others."""
        return {name: getattr(self, name) for name in WorkOptions.model_fields}


class JobRequest(WorkOptions):
    """What a caller asks for; every field but `recipe` has a default."""

    recipe: str = Field(min_length=1, max_length=128, description="Name of the recipe, as `arc recipes` lists it.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters by name, checked against the recipe's schema.")
    inputs: dict[str, str] = Field(
        default_factory=dict, description="Input by name: `dataset:NAME[@VERSION]`, `artifact:DIGEST`, `job:ID/OUTPUT` or `path:FILE`."
    )
    needs: list[str] = Field(default_factory=list, max_length=1000, description="Jobs that must complete first.")
    study: StudyLink | None = Field(
        None, description="The proposal of a study that this training carries out; it is counted in its budget."
    )


COPIES: Final = ("checkpoint_dir", "log_dir", "output_dir")


class Job(BaseModel):
    """One durable request: a recipe, frozen params, inputs, and what has become of it."""

    model_config = ConfigDict(frozen=True)

    id: str
    recipe: str
    recipe_version: str
    params: dict[str, Any]  # frozen at submission, defaults filled in
    inputs: dict[str, str]  # references; resolved to paths at each start
    requires: Needs  # resources and role, frozen at submission
    threads: int  # frozen: another number changes losses in the last digits
    seed: int
    priority: Priority
    needs: tuple[str, ...]  # ids of jobs that must complete first
    status: JobStatus
    attempt: int  # number of the latest attempt, 0 before the first; the fencing token
    retry_count: int  # failed attempts so far; pre-emption and lost hosts do not count
    retry: RetryPolicy
    limits: Limits
    auto_resume: bool
    experiment_id: str | None  # None for jobs that make no experiment
    cancel_requested: CancelRequest | None
    hold: bool  # a held job is not started
    not_before: datetime | None  # back-off: not started earlier
    resumed_from: str | None  # the terminal job this one continues
    simulated: bool  # dummy mode: never comparable with a measured result
    copies: dict[str, str] | None = None  # of COPIES -> the absolute folder that gets copies when the job completes; None for none
    submitted_by: str  # actor
    failure: Failure | None  # of the last failed attempt
    reason: str | None  # why it was cancelled or requeued, for people
    progress: Progress | None
    metrics: dict[str, Any] | None  # of Done
    result: dict[str, Any] | None  # of Done
    last_checkpoint: str | None  # path below the workspace
    created_at: datetime
    started_at: datetime | None  # of the first attempt
    completed_at: datetime | None

    @property
    def terminal(self) -> bool:
        """Whether the job can never change again."""
        return self.status in TERMINAL
