"""The probes, the torch-free side: a training that learns nothing and breaks on purpose, and a job that runs such trainings.

They are part of the product so that everyone can test what ARC promises; a control plane takes them only with
ARC_ALLOW_FAULT_JOBS=1.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.recipe import Needs, RecipeSpec


class Faults(BaseModel):
    """What happens, and at which epoch (counted from 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(3, ge=0, le=1_000_000, description="Epochs to run.")
    epoch_s: float = Field(0.0, ge=0, le=86_400, description="Seconds an epoch takes.")
    attempts: int | None = Field(None, ge=0, description="The faults happen in the first so many attempts only; in all when null.")
    crash_at: int | None = Field(None, ge=1, description="Fail at this epoch: with `exit_code`, else by raising `error`.")
    exit_code: int | None = Field(None, ge=0, le=255, description="Leave the process with this code and no outcome.")
    error: str = Field("RuntimeError", description="Class to raise: one of ARC's errors or a built-in one.")
    message: str = Field("told to fail", max_length=200, description="What `error` says.")
    signal_at: int | None = Field(None, ge=1, description="Send `signal` to the own process at this epoch.")
    signal: int = Field(9, ge=1, le=64, description="The signal of `signal_at`.")
    ignore_sigterm: bool = Field(False, description="Go on when asked to stop.")
    hang_at: int | None = Field(None, ge=1, description="Make no progress from this epoch on, while the heartbeat goes on.")
    grandchild_setsid: bool = Field(False, description="Leave a daemon behind: forked twice, in a session of its own.")
    alloc_mb: int = Field(
        0, ge=0, le=1_048_576, description="Memory to take and touch, in MB; half as much after each failure for want of it."
    )
    ckpt_mb: float = Field(0.0, ge=0, le=65_536, description="Size of each checkpoint, in MB.")
    ckpt_broken_at: int | None = Field(
        None, ge=1, description="Write a checkpoint at this epoch that holds its digest and cannot be loaded."
    )
    nan_at: int | None = Field(None, ge=1, description="Report a loss that is not a number at this epoch, and fail.")
    write_after_lease: int = Field(0, ge=0, le=1000, description="Write so many more epochs after being asked to stop.")
    answer: Literal["done", "retry", "cancel"] = Field("done", description="What to return at the end.")


class FaultParams(BaseModel):
    """Parameters of probe.faults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    faults: Faults = Field(Faults(), description="What happens, and at which epoch.")
    ledger: bool = Field(False, description="Append `time job attempt token epoch pid` for each epoch to ledger.txt in the job's home.")


FAULTS = RecipeSpec(
    name="probe.faults",
    version="1",
    params=FaultParams,
    title="A training that breaks on purpose",
    purpose="probe",
    outputs={"probe.json": "result"},
    needs=Needs(role="task", memory_gb=0.1, gpus=0, threads=1),
    checkpoints=True,
    slim=True,
)


class OrchestrateParams(BaseModel):
    """Parameters of probe.orchestrate."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    children: int = Field(2, ge=0, le=100, description="How many jobs of probe.faults to submit and wait for, all at once.")
    faults: Faults = Field(Faults(), description="What happens in each of them.")


ORCHESTRATE = RecipeSpec(
    name="probe.orchestrate",
    version="1",
    params=OrchestrateParams,
    title="A job that submits jobs and waits for them",
    purpose="probe",
    needs=Needs(role="orchestrator", memory_gb=0.1, gpus=0, threads=1),
    slim=True,
)
