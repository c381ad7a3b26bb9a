"""What the control plane knows of the fundus recipes: their parameters, inputs, outputs and needs.

Imports core alone: no torch. The run sides are `arc.fundus.classify`, `evaluate` and `report`. Only
`fundus.evaluate` asks for the sealed split; the report shows what the evaluation left for it.
"""

from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from arc.core.recipe import InputSpec, Needs, RecipeSpec


class ClassifyParams(BaseModel):
    """How a classifier of glaucoma is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)

    model: Literal["small_cnn", "efficientnet_b0"] = Field("small_cnn", description="small_cnn fits a CPU; efficientnet_b0 wants a GPU.")
    input_size: int = Field(128, ge=32, le=1024, description="Side of the square that the network sees, in pixels.")
    epochs: int = Field(30, ge=1, le=100_000, description="Most passes over the training split.")
    batch_size: int = Field(16, ge=1, le=4096, description="Photographs per step.")
    lr: float = Field(
        3e-3,
        ge=1e-8,
        le=10,
        validation_alias=AliasChoices("lr", "learning_rate"),
        description="Peak learning rate; `learning_rate` is accepted too.",
    )
    weight_decay: float = Field(1e-2, ge=0, le=10, description="Weight decay per step, decoupled for adamw.")
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adamw", description="Rule by which weights move.")
    loss: Literal["focal", "cross_entropy"] = Field("cross_entropy", description="focal weighs hard photographs more.")
    focal_gamma: float = Field(2.0, ge=0, le=10, description="Focus of the focal loss on hard photographs; 0 is cross-entropy.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of features dropped before the last layer, 0 to 1.")
    weighted_sampling: bool = Field(True, description="Draw the classes equally often.")
    augment: bool = Field(True, description="Flip, rotate and change the brightness of training photographs.")
    patience: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Epochs without a better validation AUC before it stops; 0 never stops early: on few patients a lucky epoch would end it.",
    )
    warmup_share: float = Field(0.1, ge=0, le=1, description="Share of the steps in which the learning rate rises, 0 to 1.")
    clip_norm: float = Field(1.0, ge=0, le=1e6, description="Largest norm of the gradient; 0 does not clip.")


class EvaluateParams(BaseModel):
    """What is measured, and on which split."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    split: Literal["sealed", "val"] = Field("sealed", description="sealed is the answer; val is for a look before it.")
    threshold: float | None = Field(
        None, ge=0, le=1, description="Probability from which on it is glaucoma; the model's own when not given."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals, 0.5 to 1.")
    batch_size: int = Field(32, ge=1, le=4096, description="Photographs per forward pass.")
    samples: int = Field(4, ge=0, le=50, description="Photographs kept for the report of each kind: right, wrong, uncertain.")


class ReportParams(BaseModel):
    """What stands in the report beside what was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    title: str = Field("Glaucoma classifier", min_length=1, max_length=200, description="Heading of the report.")
    command: str = Field("", max_length=4000, description="The command that repeats the run.")


CLASSIFY = RecipeSpec(
    name="fundus.classify",
    version="1",
    params=ClassifyParams,
    title="Train a classifier of glaucoma on fundus photographs",
    purpose="train",
    inputs={"dataset": InputSpec("dataset", splits=("train", "val"), help="A dataset with classes, such as data.unpack makes.")},
    outputs={"model.safetensors": "model", "history.json": "result", "config.json": "config"},
    needs=Needs(role="task", memory_gb=2.0, gpus=1, threads=2),
    checkpoints=True,
)

EVALUATE = RecipeSpec(
    name="fundus.evaluate",
    version="1",
    params=EvaluateParams,
    title="Judge a classifier on patients it has never seen",
    purpose="evaluate",
    inputs={
        "model": InputSpec("model", help="model.safetensors of fundus.classify."),
        "dataset": InputSpec("dataset", splits=("val", "sealed"), help="The dataset whose sealed patients judge it."),
    },
    outputs={"evaluation.json": "result", "predictions.csv": "predictions", "samples.json": "figure"},
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
        "dataset": InputSpec("dataset", help="The dataset, for its summary; no photograph of it is read."),
    },
    outputs={"report.html": "report"},
    needs=Needs(role="light", memory_gb=0.5, threads=1),
)
