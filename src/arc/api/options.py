"""Options: what every route that starts work takes beside its own fields.

The fields are those of `JobRequest` beside what the route itself decides (recipe, params, inputs, needs); a
test compares the two. A route with names of its own (train a classifier, evaluate) makes a `JobRequest` from them; when the house
refuses a parameter, the error must name the field as this route calls it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.attempt import FailureClass
from arc.core.errors import CallerError, InvalidSpec

DATASET = (
    r"^(dataset:)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}(@[1-9][0-9]{0,8})?"
    r"(\?accept=[A-Za-z0-9][A-Za-z0-9._-]{0,127}(,[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,31})?$"
)

_MODEL = "model.safetensors"


class WorkOptions(BaseModel):
    """How a job is run, whatever it does."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    experiment_id: str | None = Field(None, min_length=1, max_length=128, description="Join this experiment instead of making one.")
    priority: Literal["CRITICAL", "HIGH", "NORMAL", "LOW"] = "NORMAL"
    seed: int | None = Field(None, ge=0, lt=2**32, description="Random seed; drawn when not given.")
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
        """The fields that a `JobRequest` has too."""
        return {name: getattr(self, name) for name in WorkOptions.model_fields}


class ModelOptions(WorkOptions):
    """Which trained model; exactly one of `job_id`, `model_digest` and `checkpoint_path` names it."""

    job_id: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="The training job that made the model.")
    model_digest: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of a published model.")
    checkpoint_path: str | None = Field(None, min_length=1, max_length=4096, description="A model file in the workspace or a data root.")

    def model_ref(self) -> str:
        """The reference of the model; InvalidSpec unless exactly one was given."""
        refs = [
            *([f"job:{self.job_id}/{_MODEL}"] if self.job_id else []),
            *([f"artifact:{self.model_digest}"] if self.model_digest else []),
            *([f"path:{self.checkpoint_path}"] if self.checkpoint_path else []),
        ]
        if len(refs) != 1:
            raise InvalidSpec("give exactly one of job_id, model_digest and checkpoint_path", field="job_id")
        return refs[0]

    def model_field(self) -> str:
        """The field that names the model."""
        return next(name for name in ("job_id", "model_digest", "checkpoint_path") if getattr(self, name))


def dataset_ref(name: str) -> str:
    """The reference of a dataset that was named with or without its scheme."""
    return f"dataset:{name.removeprefix('dataset:')}"


def renamed(error: CallerError, names: dict[str, str]) -> CallerError:
    """The same error with its field, and the beginning of its message, in the words of the route."""
    own = names.get(error.field or "")
    if own is None:
        return error
    return type(error)(error.message.replace(str(error.field), own, 1), field=own, value=error.value)
