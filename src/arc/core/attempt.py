"""Attempt: one process running a job.

The attempt's number is the fencing token: what an older attempt writes is refused by the store. Its
identity is pid + start time + boot id, so that a reused pid is never taken for it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict


class FailureClass(StrEnum):
    """Why an attempt failed; decides whether and how it is repeated."""

    OOM = "oom"
    CUDA = "cuda"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    LOST = "lost"
    NAN = "nan"
    BAD_DATA = "bad_data"
    CHECKPOINT = "checkpoint"
    PREEMPTED = "preempted"
    EXCEPTION = "exception"
    EXIT = "exit"


class Failure(BaseModel):
    """What went wrong, for the retry, the study and the reader."""

    model_config = ConfigDict(frozen=True)

    failure_class: FailureClass
    message: str
    error: str | None = None  # class name of the error, when there was one
    field: str | None = None  # the field of the request it names
    status: int | None = None  # the HTTP status a waiting route answers with
    log_tail: str = ""


class ProcessIdentity(BaseModel):
    """Which process, beyond doubt."""

    model_config = ConfigDict(frozen=True)

    pid: int
    start_time: int  # field 22 of /proc/PID/stat, clock ticks after boot
    boot_id: str  # /proc/sys/kernel/random/boot_id
    reaper_pid: int | None = None
    reaper_start_time: int | None = None
    began: int | None = None  # ticks after boot when it was told to begin: a process forked ahead had waited for that since start_time


AttemptOutcome = Literal["running", "done", "failed", "cancelled", "requeued"]


class Attempt(BaseModel):
    """One process that runs, or ran, a job."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    number: int  # 1, 2, …; the fencing token
    backend: str
    staging: str  # folder below the workspace
    identity: ProcessIdentity | None  # None until the process exists
    lease_expires_at: datetime
    journal_offset: int  # bytes of the journal that are recorded
    outcome: AttemptOutcome
    failure: Failure | None
    exit_code: int | None
    signal: int | None
    resumed_step: int | None  # step of the checkpoint it started from
    recovery_source: str | None  # why this attempt exists, when it is not the first
    gpu_ids: tuple[int, ...]
    started_at: datetime
    ended_at: datetime | None
