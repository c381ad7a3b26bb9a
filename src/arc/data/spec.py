"""What the control plane knows of the data recipes: their parameters, inputs, outputs and needs.

Imports core alone, so that a form, a route and a command can read it without numpy or torch. The run
sides are `arc.data.synthetic` and `arc.data.unpack`.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from arc.core.errors import InvalidSpec
from arc.core.ids import check_name
from arc.core.recipe import InputSpec, Needs, RecipeSpec


class SyntheticFundusParams(BaseModel):
    """How many photographs to draw and how hard their labels are to tell."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    patients: int = Field(320, ge=4, le=50_000, description="Patients; each has two eyes and so two photographs.")
    size_px: int = Field(256, ge=64, le=1024, description="Longer side of a photograph, in pixels.")
    sites: int = Field(3, ge=1, le=16, description="Clinics, each with its own camera style.")
    glaucoma_share: float = Field(0.4, ge=0.05, le=0.95, description="Share of patients with glaucoma, 0 to 1.")
    label_noise: float = Field(0.04, ge=0, le=0.5, description="Share of labels turned over, so that no model can be perfect, 0 to 0.5.")
    masks: bool = Field(True, description="Also write disc and cup masks (0 background, 128 disc, 255 cup).")


class UnpackParams(BaseModel):
    """How an archive or a folder of photographs becomes a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field("dataset", min_length=1, max_length=128, description="Name of the dataset.")
    train_share: float = Field(0.6, gt=0, lt=1, description="Share of patients to train on, 0 to 1.")
    val_share: float = Field(0.15, gt=0, lt=1, description="Share of patients to choose thresholds and stop by, 0 to 1.")
    sealed_share: float = Field(0.25, gt=0, lt=1, description="Share of patients that evaluation alone may read, 0 to 1.")
    max_side_px: int = Field(
        512, ge=32, le=4096, description="Longest side after conversion, in pixels; smaller photographs stay as they are."
    )
    image_format: Literal["jpeg", "png"] = Field("jpeg", description="How converted photographs are kept: jpeg (quality 95) or png.")
    max_extracted_gb: float = Field(10.0, gt=0, le=10_000, description="Most bytes an archive may unpack to, in GB.")
    max_files: int = Field(20_000, ge=1, le=5_000_000, description="Most members an archive or folder may have.")
    max_megapixels: float = Field(50.0, gt=0, le=1000, description="Largest photograph, in million pixels, read from its header.")
    licence: str = Field("", max_length=200, description="Licence of the photographs, kept with the dataset.")
    source: str = Field("", max_length=2000, description="Where they come from, kept with the dataset.")

    @field_validator("name")
    @classmethod
    def _fit_for_a_folder(cls, value: str) -> str:
        try:
            return check_name(value, field="name")
        except InvalidSpec as error:
            raise ValueError(error.message) from None

    @model_validator(mode="after")
    def _shares_make_a_whole(self) -> Self:
        total = self.train_share + self.val_share + self.sealed_share
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train_share, val_share and sealed_share add up to {total:g}, not to 1")
        return self


SYNTHETIC_FUNDUS = RecipeSpec(
    name="data.synthetic_fundus",
    version="1",
    params=SyntheticFundusParams,
    title="Draw synthetic fundus photographs into an archive",
    purpose="data",
    outputs={"synthetic-fundus.zip": "archive"},
    needs=Needs(role="light", memory_gb=0.5, threads=1),
)

UNPACK = RecipeSpec(
    name="data.unpack",
    version="1",
    params=UnpackParams,
    title="Unpack an archive or folder of photographs safely and split it by patient",
    purpose="data",
    inputs={"archive": InputSpec("archive", help="A ZIP or TAR (gz, bz2, xz), or a folder, with one folder per class.")},
    outputs={"dataset": "dataset"},
    needs=Needs(role="light", memory_gb=1.0, threads=1),
)
