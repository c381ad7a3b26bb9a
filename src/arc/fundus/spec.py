"""What the control plane knows of the fundus recipes: their parameters, inputs, outputs and needs.

Imports core alone: no torch. The run sides are `arc.fundus.classify`, `evaluate` and `report`. Only
`fundus.evaluate` asks for the sealed split; the report shows what the evaluation left for it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.recipe import InputSpec, Needs, RecipeSpec
from arc.fundus.classify_spec import CLASSIFY, ClassifyParams
from arc.kit.spec import Track

__all__ = ["CLASSIFY", "EVALUATE", "REPORT", "ClassifyParams", "EvaluateParams", "ReportParams"]


class EvaluateParams(BaseModel):
    """What is measured, and on which split."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    split: Literal["sealed", "val"] = Field("sealed", description="sealed is the answer; val is for a look before it.")
    task: Literal["classification", "segmentation"] | None = Field(
        None, description="What the model must be for; a model for the other is refused. Its file says when not given."
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="Probability from which on it is glaucoma; the model's own when not given."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals, 0.5 to 1.")
    batch_size: int = Field(32, ge=1, le=4096, description="Photographs per forward pass.")
    samples: int = Field(4, ge=0, le=50, description="Photographs kept for the report of each kind: right, wrong, uncertain.")
    track: Track = []


class ReportParams(BaseModel):
    """What stands in the report beside what was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    title: str = Field("Glaucoma classifier", min_length=1, max_length=200, description="Heading of the report.")
    command: str = Field("", max_length=4000, description="The command that repeats the run.")


EVALUATE = RecipeSpec(
    name="fundus.evaluate",
    version="1",
    params=EvaluateParams,
    title="Judge a classifier or a segmenter on patients it has never seen",
    purpose="evaluate",
    inputs={
        "model": InputSpec("model", help="model.safetensors of fundus.classify or fundus.segment."),
        "dataset": InputSpec("dataset", splits=("val", "sealed"), help="The dataset whose sealed patients judge it."),
    },
    outputs={"evaluation.json": "result", "predictions.csv": "predictions", "samples.json": "figure", "masks.zip": "predictions"},
    needs=Needs(role="light", memory_gb=1.5, threads=1),
)

REPORT = RecipeSpec(
    name="fundus.report",
    version="1",
    params=ReportParams,
    title="Write what was trained and measured as one HTML file",
    purpose="figure",
    inputs={
        "history": InputSpec("file", help="history.json of fundus.classify."),
        "config": InputSpec("file", help="config.json of fundus.classify."),
        "evaluation": InputSpec("file", help="evaluation.json of fundus.evaluate."),
        "predictions": InputSpec("predictions", help="predictions.csv of fundus.evaluate."),
        "samples": InputSpec("file", required=False, help="samples.json of fundus.evaluate."),
        "explanation": InputSpec("file", required=False, help="explanation.json of fundus.dri, fundus.gradcam or fundus.gradcam_pp."),
        "dataset": InputSpec("dataset", help="The dataset, for its summary; no photograph of it is read."),
    },
    outputs={"report.html": "report"},
    needs=Needs(role="light", memory_gb=0.5, threads=1),
)
