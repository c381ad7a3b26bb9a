"""What the control plane knows of the recipes that keep versions with DVC: track and checkout. Imports core alone."""

from pydantic import BaseModel, ConfigDict, Field

from arc.core.recipe import InputSpec, Needs, RecipeSpec


class TrackParams(BaseModel):
    """Where a version is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    push: bool = Field(True, description="Also copy it to the remote.")


class CheckoutParams(BaseModel):
    """Nothing but the version, which is an input."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


TRACK = RecipeSpec(
    name="data.track",
    version="1",
    params=TrackParams,
    title="Keep a dataset version with DVC, and push it to the remote",
    purpose="data",
    inputs={"dataset": InputSpec("dataset", splits=("train", "val", "sealed"), tracking=True, help="The version to keep.")},
    needs=Needs(role="light", memory_gb=1.0, threads=2),
)

CHECKOUT = RecipeSpec(
    name="data.checkout",
    version="1",
    params=CheckoutParams,
    title="Bring the files of a version back from DVC",
    purpose="data",
    inputs={
        "dataset": InputSpec("dataset", splits=("train", "val", "sealed"), tracking=True, gone=True, help="The version to bring back.")
    },
    needs=Needs(role="light", memory_gb=1.0, threads=2),
)
