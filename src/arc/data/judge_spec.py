"""What the control plane knows of the recipes that judge datasets: validate and drift. Imports core alone."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.recipe import InputSpec, Needs, RecipeSpec


class ValidateParams(BaseModel):
    """What is expected of a dataset, and how strictly."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    task_type: Literal["classification", "segmentation"] | None = Field(None, description="What it is for; what it says itself when null.")
    check_splits: bool = Field(True, description="Look for patients, bytes and pictures that are in two splits.")
    expected_width: int | None = Field(None, ge=1, le=100_000, description="Width of every photograph, in pixels; not checked when null.")
    expected_height: int | None = Field(None, ge=1, le=100_000, description="Height of every photograph, in pixels; not checked when null.")
    min_per_class: int = Field(2, ge=0, le=1_000_000, description="Fewest photographs of a class in each split.")
    max_imbalance: float = Field(20.0, ge=1, le=1e6, description="Most photographs of one class for each of another.")
    shortcut_auc: float = Field(0.75, gt=0.5, le=1, description="From which AUC on size, bytes or 16 x 16 pixels alone are a warning.")
    dataset_name: str | None = Field(None, min_length=1, max_length=128, description="What the report calls a folder.")
    max_files: int = Field(20_000, ge=1, le=5_000_000, description="Most files a folder may have.")
    max_megapixels: float = Field(50.0, gt=0, le=1000, description="Largest photograph, in million pixels, read from its header.")


class DriftParams(BaseModel):
    """When two sets of photographs count as different."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    psi_limit: float = Field(0.2, gt=0, le=10, description="Population stability index from which on a feature has drifted.")
    ks_confidence: float = Field(
        0.99, gt=0.5, lt=1, description="Confidence of the Kolmogorov-Smirnov interval that must exclude no drift."
    )
    resamples: int = Field(500, ge=100, le=20_000, description="Bootstrap resamples of patients for the intervals.")
    permutations: int = Field(200, ge=50, le=20_000, description="Permutations for the embedding distance, when a model is given.")


VALIDATE = RecipeSpec(
    name="data.validate",
    version="1",
    params=ValidateParams,
    title="Validate a dataset: structure, pictures, masks, splits, leakage, shortcuts",
    purpose="data",
    inputs={
        "dataset": InputSpec("dataset", splits=("train", "val", "sealed"), required=False, help="A registered version."),
        "folder": InputSpec("archive", required=False, help="Or a folder in a data root that is not registered yet."),
    },
    outputs={"validation.json": "result", "validation.html": "report"},
    needs=Needs(role="light", memory_gb=1.5, threads=2),
)

DRIFT = RecipeSpec(
    name="data.drift",
    version="1",
    params=DriftParams,
    title="Compare the photographs of two datasets, or of a dataset and recent inputs",
    purpose="data",
    inputs={
        "reference": InputSpec("dataset", splits=("train",), help="What a model was trained on."),
        "current": InputSpec("dataset", splits=("train", "val"), required=False, help="Another version."),
        "recent": InputSpec("archive", required=False, help="Or a folder of photographs that came in lately."),
        "model": InputSpec("model", required=False, help="A classifier whose embedding is compared too."),
    },
    outputs={"drift.json": "result", "drift.html": "report"},
    needs=Needs(role="light", memory_gb=2.0, threads=2),
)
