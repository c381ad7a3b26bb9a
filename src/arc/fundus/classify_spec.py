"""What the control plane knows of the training of a classifier: its parameters, inputs, outputs and needs.

Imports no torch. The run side is `arc.fundus.classify`. With every default a training is that of `arc demo`.
"""

from typing import Literal, Self

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from arc.core.recipe import InputSpec, Needs, RecipeSpec
from arc.fundus.augment_spec import GENTLE, AugmentPolicy
from arc.fundus.loss_spec import LossOptions
from arc.fundus.memory_spec import training_gb
from arc.fundus.search_spec import CLASSIFY_SPACE
from arc.kit.spec import PrecisionName, Track


class ClassifyParams(LossOptions):
    """How a classifier of glaucoma is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)

    model: Literal["small_cnn", "small_resnet", "efficientnet_b0", "efficientnet_b3", "efficientnet_b5", "resnet50", "vit_base"] = Field(
        "small_cnn",
        description="small_cnn fits a CPU, and so does small_resnet, which is for squares of about 64 px around the disc; "
        "the others want a GPU. vit_base is ViT-B/16.",
    )
    weights: Literal["none", "hub"] = Field(
        "none", description="hub begins with the published weights of the model, when there is a network; a file is the input weights."
    )
    freeze_epochs: int = Field(0, ge=0, le=100_000, description="First epochs in which only the head learns; wants weights to begin with.")
    backbone_lr_factor: float = Field(1.0, gt=0, le=1, description="Learning rate of all but the head, as a share of lr.")
    input_size: int = Field(128, ge=32, le=1024, description="Side of the square that the network sees, in pixels.")
    epochs: int = Field(30, ge=1, le=100_000, description="Most passes over the training split.")
    batch_size: int | None = Field(
        None, ge=1, le=4096, description="Photographs per step; 16 when null, or all that train where there are fewer."
    )
    lr: float = Field(
        3e-3,
        ge=1e-8,
        le=10,
        validation_alias=AliasChoices("lr", "learning_rate"),
        description="Peak learning rate; `learning_rate` is accepted too.",
    )
    weight_decay: float = Field(1e-2, ge=0, le=10, description="Weight decay per step, decoupled for adamw.")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "muon"] = Field(
        "adamw", description="Rule by which weights move; muon moves the two-dimensional ones, adamw the rest: it is for vit_base."
    )
    schedule: Literal["cosine", "step", "plateau", "constant"] = Field(
        "cosine", description="How the learning rate goes after the warm-up."
    )
    schedule_factor: float = Field(0.5, gt=0, lt=1, description="What step and plateau multiply the learning rate by.")
    schedule_epochs: int = Field(
        10, ge=1, le=100_000, description="Epochs between two cuts of step, or without a better AUC before plateau cuts."
    )
    ema_decay: float = Field(0.0, ge=0, lt=1, description="Decay of the running mean of the weights that is judged and kept; 0 keeps none.")
    accumulate: int = Field(1, ge=1, le=1024, description="Batches whose gradients make one step.")
    precision: PrecisionName = Field("auto", description="auto is fp32 on a CPU, bf16 or fp16 on a GPU.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of features dropped before the last layer, 0 to 1.")
    weighted_sampling: bool = Field(True, description="Draw the classes equally often.")
    balanced_sites: bool = Field(False, description="Draw the sites equally often, within each class when classes are balanced too.")
    folds: int = Field(0, ge=0, le=100, description="Cut the patients of train and val anew into so many folds; 0 keeps the split.")
    fold: int = Field(0, ge=0, le=99, description="The fold that is val, from 0 on; the others are train.")
    augment: bool = Field(True, description="Change training photographs as augmentation says; false leaves them as they are.")
    augmentation: AugmentPolicy = Field(GENTLE, description="What may be changed about a training photograph; {} changes nothing.")
    focus: float = Field(
        2.0,
        ge=1,
        le=8,
        description="Side of the square around the disc that is looked at, in heights of the disc, when a segmenter is given.",
    )
    keep: Literal["best", "last"] = Field(
        "best", description="The epoch whose weights are kept: the best on val, or the last, so that val had no say in it and can judge."
    )
    patience: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Epochs without a better validation AUC before it stops; 0 never stops early: on few patients a lucky epoch would end it.",
    )
    warmup_share: float = Field(0.1, ge=0, le=1, description="Share of the steps in which the learning rate rises, 0 to 1.")
    clip_norm: float = Field(1.0, ge=0, le=1e6, description="Largest norm of the gradient; 0 does not clip.")
    track: Track = []

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.model == "vit_base" and self.input_size % 16:
            raise ValueError(f"vit_base sees patches of 16 px: input_size {self.input_size} is no multiple of 16")
        if self.weights == "hub" and self.model in ("small_cnn", "small_resnet"):
            raise ValueError(f"weights=hub: no weights of {self.model} are published")
        if self.folds == 1 or self.fold >= max(self.folds, 1):
            raise ValueError(f"fold {self.fold} of folds {self.folds}: folds are 0 or at least 2, and fold counts from 0")
        return self


CLASSIFY = RecipeSpec(
    name="fundus.classify",
    version="2",  # photographs are changed by the policy that the segmenter has
    params=ClassifyParams,
    title="Train a classifier of glaucoma on fundus photographs",
    purpose="train",
    inputs={
        "dataset": InputSpec("dataset", splits=("train", "val"), help="A dataset with classes, such as data.unpack makes."),
        "segmenter": InputSpec(
            "model", required=False, help="model.safetensors of fundus.segment: the classifier then looks at the disc that it finds."
        ),
        "weights": InputSpec("file", required=False, help="Weights to begin with: safetensors, or torch's; of the same model."),
    },
    outputs={"model.safetensors": "model", "history.json": "result", "config.json": "config"},
    needs=Needs(role="task", memory_gb=2.0, gpus=1, threads=2),
    memory=training_gb,
    checkpoints=True,
    search=CLASSIFY_SPACE,
    judged_by="fundus.evaluate",
)
