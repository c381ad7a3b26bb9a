"""Options: what every route that starts work takes beside its own fields.

They are `WorkOptions`: of a `JobRequest` all but what the route itself decides (recipe, params, inputs, needs). A route with names
of its own (train a classifier, evaluate) makes a `JobRequest` from them; when the house refuses a parameter, the error must name
the field as this route calls it.
"""

from pydantic import Field

from arc.core.errors import CallerError, InvalidSpec
from arc.core.job import WorkOptions

DATASET = (
    r"^(dataset:)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}(@[1-9][0-9]{0,8})?"
    r"(\?accept=[A-Za-z0-9][A-Za-z0-9._-]{0,127}(,[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,31})?$"
)

_MODEL = "model.safetensors"


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
