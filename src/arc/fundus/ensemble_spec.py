"""What the control plane knows of joining classifiers: parameters, inputs, outputs and needs.

Imports core alone: no torch. The run side is `arc.fundus.ensemble`. A recipe has inputs by name, so the members have names, too: two
are needed, and up to ten taken.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from arc.core.recipe import InputSpec, Needs, RecipeSpec

LEAST: Final = 2
MOST: Final = 10
MEMBERS: Final = tuple(f"model_{number}" for number in range(1, MOST + 1))  # names of inputs


class EnsembleParams(BaseModel):
    """How classifiers are joined."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    batch_size: int = Field(32, ge=1, le=4096, description="Photographs per forward pass.")


ENSEMBLE = RecipeSpec(
    name="fundus.ensemble",
    version="1",
    params=EnsembleParams,
    title="Join classifiers into one that answers with the mean of their probabilities",
    purpose="train",
    inputs={
        "dataset": InputSpec(
            "dataset", splits=("train", "val"), help="The dataset on whose split val temperature and threshold are chosen."
        ),
        **{
            name: InputSpec("model", required=number <= LEAST, help="model.safetensors of fundus.classify.")
            for number, name in enumerate(MEMBERS, 1)
        },
    },
    outputs={"model.safetensors": "model", "history.json": "result", "config.json": "config"},
    needs=Needs(role="light", memory_gb=2.0, threads=1),
)
