"""What the control plane knows of the recipes that make one version of another: preprocess and split.

Imports core alone. The sealed split goes along: it is worked on like the rest, and nobody is judged by it.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arc.core.recipe import InputSpec, Needs, RecipeSpec
from arc.data.spec import SplitParams

_ALL = InputSpec("dataset", splits=("train", "val", "sealed"), help="The version that it is made from.")


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FieldOfView(_Step):
    """Cut to the circle that the camera saw, found in each photograph."""

    step: Literal["field_of_view"] = "field_of_view"
    margin: float = Field(0.0, ge=0, le=0.2, description="Kept around the circle, as a share of its diameter.")


class CentreCrop(_Step):
    """Cut the same share off every side."""

    step: Literal["centre_crop"] = "centre_crop"
    margin: float = Field(0.1, ge=0, lt=0.5, description="Share cut off each side.")


class Clahe(_Step):
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994)."""

    step: Literal["clahe"] = "clahe"
    clip: float = Field(2.0, gt=0, le=100, description="Clip limit, in multiples of an even histogram.")
    tiles: int = Field(8, ge=1, le=64, description="Tiles on each side.")
    channel: Literal["green", "lightness", "all"] = Field("green", description="green: the channel with most vessel contrast.")


class Colour(_Step):
    """Bring the colours of every camera to one mean and spread, within the field of view."""

    step: Literal["colour"] = "colour"
    method: Literal["gray_world", "mean_std"] = Field("mean_std", description="gray_world: equal channel means.")
    mean: float = Field(110.0, gt=0, lt=255, description="Mean level after mean_std, of 255.")
    spread: float = Field(45.0, gt=0, lt=128, description="Standard deviation after mean_std.")


class Resize(_Step):
    """To a square, padded with black, never squeezed."""

    step: Literal["resize"] = "resize"
    side_px: int = Field(512, ge=32, le=4096, description="Side of the square, in pixels.")


Step = Annotated[FieldOfView | CentreCrop | Clahe | Colour | Resize, Field(discriminator="step")]
DEFAULT_STEPS: tuple[Step, ...] = (FieldOfView(), Clahe(), Resize())


class PreprocessParams(BaseModel):
    """Which steps are taken, in which order; each with its parameters is kept with the version."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str | None = Field(None, min_length=1, max_length=128, description="Name of the new dataset; that of the old one when null.")
    steps: tuple[Step, ...] = Field(
        DEFAULT_STEPS, strict=False, max_length=16, description="What is done to each photograph, in order; masks go along."
    )
    drop_ungradable: bool = Field(
        False, description="Leave out photographs whose quality score is too low; otherwise they are only flagged."
    )
    image_format: Literal["jpeg", "png"] = Field("jpeg", description="How photographs are kept: jpeg (quality 95) or png.")


class ResplitParams(SplitParams):
    """How the photographs of a version are split anew; the photographs stay the same."""

    name: str | None = Field(None, min_length=1, max_length=128, description="Name of the new dataset; that of the old one when null.")
    redraw_sealed: bool = Field(
        False,
        description="Draw the sealed split anew too. What a model has trained on may be sealed then, so it is not done unless asked for.",
    )

    @model_validator(mode="after")
    def _what_can_be_done_anew(self) -> Self:
        if self.split_by == "keep":
            raise ValueError("split_by = 'keep' would change nothing")
        if self.split_by == "site" and not self.redraw_sealed:
            raise ValueError("split_by = 'site' seals other photographs than before; say so with redraw_sealed = true")
        return self


PREPROCESS = RecipeSpec(
    name="data.preprocess",
    version="1",
    params=PreprocessParams,
    title="Preprocess the photographs and masks of a dataset into a new version",
    purpose="data",
    inputs={"dataset": _ALL},
    outputs={"dataset": "dataset"},
    needs=Needs(role="light", memory_gb=1.5, threads=2),
)

SPLIT = RecipeSpec(
    name="data.split",
    version="1",
    params=ResplitParams,
    title="Split the patients of a dataset anew",
    purpose="data",
    inputs={"dataset": _ALL},
    outputs={"dataset": "dataset"},
    needs=Needs(role="light", memory_gb=1.0, threads=2),
)
