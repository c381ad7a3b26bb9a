"""Explanation: why a job is where it is, what happens to it next, and what one can do."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.attempt import FailureClass
from arc.core.states import JobStatus

WaitingKind = Literal["slot", "memory", "threads", "gpu", "jobs", "backoff", "hold", "engine"]


class Evidence(BaseModel):
    """Why the last attempt failed, and what that is known from."""

    model_config = ConfigDict(frozen=True)

    failure_class: FailureClass
    message: str
    error: str | None = Field(description="Class name of the error, when there was one.")
    known_from: str = Field(description="What makes it a failure of this class.")
    rule: str = Field(description="What is done after a failure of this class.")
    attempt: int | None = Field(description="Which attempt it was; null when the job failed before its first.")
    exit_code: int | None
    signal: int | None
    log_tail: str = Field(description="The last lines that the attempt wrote.")


class Explanation(BaseModel):
    """The answer to: why?"""

    model_config = ConfigDict(frozen=True)

    job_id: str
    status: JobStatus
    why: str = Field(description="One sentence: what it waits for, what it does, or how it ended.")
    waiting: WaitingKind | None = Field(description="The kind of thing it waits for; null when it runs or is over.")
    failure: Evidence | None
    next: str = Field(description="What happens to it now, without anybody doing anything.")
    advice: list[str] = Field(description="What one can do; commands where there are any.")
