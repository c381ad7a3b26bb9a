"""What the control plane knows of the recipes that bring photographs in: their parameters, inputs, outputs and needs.

Imports core alone, so that a form, a route and a command can read it without numpy or torch. Recipes that make one
version of another are in `derive_spec`, those that judge or keep versions in `judge_spec` and `track_spec`.
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


class SplitParams(BaseModel):
    """How patients are split; part of every recipe that makes a version."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    split_by: Literal["draw", "keep", "site"] = Field(
        "draw",
        description="draw: by patient, stratified by class. keep: the train, val and test folders or column that came with it, test becoming "
        "the sealed split. site: the photographs of `sealed_site` are sealed, the rest is drawn.",
    )
    sealed_site: str | None = Field(None, min_length=1, max_length=200, description="The site to leave out, for split_by site.")
    near_duplicates: bool = Field(
        True, description="Where patients are not known, photographs that look like the same picture stay in one split."
    )
    train_share: float = Field(0.6, gt=0, lt=1, description="Share of patients to train on, 0 to 1.")
    val_share: float = Field(0.15, gt=0, lt=1, description="Share of patients to choose thresholds and stop by, 0 to 1.")
    sealed_share: float = Field(0.25, gt=0, lt=1, description="Share of patients that evaluation alone may read, 0 to 1.")

    @model_validator(mode="after")
    def _shares_make_a_whole(self) -> Self:
        total = self.train_share + self.val_share + self.sealed_share
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train_share, val_share and sealed_share add up to {total:g}, not to 1")
        return self

    @model_validator(mode="after")
    def _a_site_to_leave_out(self) -> Self:
        if (self.split_by == "site") != (self.sealed_site is not None):
            raise ValueError("sealed_site goes with split_by = 'site', and that with it")
        return self


class NamedParams(BaseModel):
    """The dataset that is made, in words; part of every recipe that makes a version."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field("dataset", min_length=1, max_length=128, description="Name of the dataset.")
    description: str = Field("", max_length=2000, description="What it is, kept with the version.")
    licence: str = Field("", max_length=200, description="Licence of the photographs, kept with the version.")
    source: str = Field("", max_length=2000, description="Where they come from, kept with the version.")

    @field_validator("name")
    @classmethod
    def _fit_for_a_folder(cls, value: str) -> str:
        try:
            return check_name(value, field="name")
        except InvalidSpec as error:
            raise ValueError(error.message) from None


class LayoutParams(BaseModel):
    """How a tree of files is to be understood, where it does not say so itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    layout: str | None = Field(None, min_length=1, max_length=64, description="Which layout the tree has; found out when null.")
    mapping: dict[str, str] = Field(
        {},
        max_length=100,
        description="Role -> what a table or file calls it: file, label, patient, eye, site, split, mask; label:1 -> glaucoma.",
    )


class UnpackParams(NamedParams, LayoutParams, SplitParams):
    """How an archive or a folder of photographs becomes a dataset."""

    max_side_px: int | None = Field(
        512, ge=32, le=20_000, description="Longest side after conversion, in pixels; smaller ones stay as they are, and all when null."
    )
    image_format: Literal["jpeg", "png"] = Field("jpeg", description="How converted photographs are kept: jpeg (quality 95) or png.")
    max_extracted_gb: float = Field(
        10.0, gt=0, le=10_000, description="Most bytes an archive may unpack to, in GB; the setting of this name is never exceeded."
    )
    max_files: int = Field(20_000, ge=1, le=5_000_000, description="Most members an archive or folder may have.")
    max_megapixels: float = Field(50.0, gt=0, le=1000, description="Largest photograph, in million pixels, read from its header.")
    nested_archives: int = Field(0, ge=0, le=3, description="How deep archives in the archive are unpacked; 0 only reports them.")


class RegisterParams(NamedParams, LayoutParams, SplitParams):
    """How a folder that is in a standard layout becomes a version as it is: no photograph is converted."""

    max_files: int = Field(20_000, ge=1, le=5_000_000, description="Most files the folder may have.")


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
    inputs={"archive": InputSpec("archive", help="A ZIP, TAR (gz, bz2, xz, zst), 7z or .mat file, or a folder.")},
    outputs={"dataset": "dataset"},
    needs=Needs(role="light", memory_gb=2.0, threads=2),
)

REGISTER = RecipeSpec(
    name="data.register",
    version="1",
    params=RegisterParams,
    title="Register a folder in a standard layout as it is",
    purpose="data",
    inputs={"folder": InputSpec("archive", help="A folder in a data root: class folders, or images and masks, as JPEG or PNG.")},
    outputs={"dataset": "dataset"},
    needs=Needs(role="light", memory_gb=1.0, threads=2),
)
