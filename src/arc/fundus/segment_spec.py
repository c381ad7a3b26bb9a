"""What the control plane knows of the training of a segmenter: its parameters, inputs, outputs and needs.

Imports core alone: no torch. The run side is `arc.fundus.segment`.
"""

from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from arc.core.recipe import InputSpec, Needs, RecipeSpec
from arc.fundus.augment_spec import MODERATE, AugmentPolicy


class SegmentParams(BaseModel):
    """How a segmenter of optic disc and cup is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)

    model: Literal["unet", "attention_unet"] = Field("unet", description="unet has residual units; attention_unet gates its skips.")
    heads: Literal["classes", "binary"] = Field(
        "classes", description="classes: background, rim and cup exclude one another. binary: one answer for the disc, one for the cup."
    )
    width: int = Field(16, ge=4, le=128, multiple_of=4, description="Channels of the first of five levels; each next has twice as many.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of features dropped in each unit, 0 to 1.")
    input_size: int = Field(128, ge=32, le=1024, multiple_of=16, description="Side of the squares that the network sees, in pixels.")
    focus: float = Field(
        2.0,
        ge=0,
        le=8,
        description="Look a second time, at a square around the disc that was found: its side in heights of the disc, from 1.2 on; 0 looks once.",
    )
    epochs: int = Field(60, ge=1, le=100_000, description="Most passes over the training split.")
    batch_size: int = Field(8, ge=1, le=4096, description="Squares per step.")
    lr: float = Field(
        3e-3,
        ge=1e-8,
        le=10,
        validation_alias=AliasChoices("lr", "learning_rate"),
        description="Peak learning rate; `learning_rate` is accepted too.",
    )
    weight_decay: float = Field(1e-4, ge=0, le=10, description="Weight decay per step, decoupled for adamw.")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = Field("adamw", description="Rule by which weights move.")
    loss: Literal["dice_ce", "dice", "cross_entropy", "tversky", "dice_focal"] = Field(
        "dice_ce", description="dice_ce is Dice and cross-entropy added; tversky weighs what is missed more than what is too much."
    )
    augmentation: AugmentPolicy = Field(MODERATE, description="What may be changed about a training picture; {} changes nothing.")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="Decay of the running mean of the weights that is judged and kept; 0 keeps none.")
    patience: int = Field(0, ge=0, le=100_000, description="Epochs without a better validation Dice before it stops; 0 never stops early.")
    warmup_share: float = Field(0.1, ge=0, le=1, description="Share of the steps in which the learning rate rises, 0 to 1.")
    clip_norm: float = Field(1.0, ge=0, le=1e6, description="Largest norm of the gradient; 0 does not clip.")

    @field_validator("focus")
    @classmethod
    def _holds_the_disc(cls, focus: float) -> float:
        if 0 < focus < 1.2:
            raise ValueError("would cut off a part of the disc: 0, or 1.2 and more")
        return focus


SEGMENT = RecipeSpec(
    name="fundus.segment",
    version="1",
    params=SegmentParams,
    title="Train a segmenter of optic disc and cup on fundus photographs",
    purpose="train",
    inputs={"dataset": InputSpec("dataset", splits=("train", "val"), help="A dataset whose masks show disc (128) and cup (255).")},
    outputs={"model.safetensors": "model", "history.json": "result", "config.json": "config"},
    needs=Needs(role="task", memory_gb=2.0, gpus=1, threads=2),
    checkpoints=True,
)
