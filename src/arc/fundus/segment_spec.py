"""What the control plane knows of the training of a segmenter: its parameters, inputs, outputs and needs.

Imports core alone: no torch. The run side is `arc.fundus.segment`.
"""

from typing import Literal

from pydantic import AliasChoices, ConfigDict, Field, field_validator

from arc.core.recipe import InputSpec, Needs, RecipeSpec
from arc.fundus.augment_spec import MODERATE, AugmentPolicy
from arc.fundus.search_spec import SEGMENT_SPACE
from arc.fundus.segment_loss_spec import SegmentLossOptions
from arc.kit.spec import PrecisionName, Track


class SegmentParams(SegmentLossOptions):
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
    places: int = Field(
        3, ge=1, le=16, description="Most places that are looked at from near where the whole field does not settle where the disc is."
    )
    flips: bool = Field(
        False, description="Answer with the mean over the square and its three mirror images: four times the work, once trained."
    )
    epochs: int = Field(90, ge=1, le=100_000, description="Most passes over the training split.")
    batch_size: int | None = Field(
        None, ge=1, le=4096, description="Squares per step; 8 when null, or all that there are to train on where they are fewer."
    )
    lr: float = Field(
        3e-3,
        ge=1e-8,
        le=10,
        validation_alias=AliasChoices("lr", "learning_rate"),
        description="Peak learning rate; `learning_rate` is accepted too.",
    )
    weight_decay: float = Field(1e-4, ge=0, le=10, description="Weight decay per step, decoupled for adamw.")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "muon"] = Field(
        "adamw", description="Rule by which weights move; muon moves the kernels, adamw the rest."
    )
    schedule: Literal["cosine", "step", "plateau", "constant"] = Field(
        "cosine", description="How the learning rate goes after the warm-up."
    )
    schedule_factor: float = Field(0.5, gt=0, lt=1, description="What step and plateau multiply the learning rate by.")
    schedule_epochs: int = Field(
        10, ge=1, le=100_000, description="Epochs between two cuts of step, or without a better Dice before plateau cuts."
    )
    accumulate: int = Field(1, ge=1, le=1024, description="Batches whose gradients make one step.")
    precision: PrecisionName = Field("auto", description="auto is fp32 on a CPU, bf16 or fp16 on a GPU.")
    augmentation: AugmentPolicy = Field(MODERATE, description="What may be changed about a training picture; {} changes nothing.")
    ema_decay: float = Field(
        0.98, ge=0, lt=1, description="Decay of the running mean of the weights that is judged and kept; 0 keeps none."
    )
    patience: int = Field(0, ge=0, le=100_000, description="Epochs without a better validation Dice before it stops; 0 never stops early.")
    warmup_share: float = Field(0.1, ge=0, le=1, description="Share of the steps in which the learning rate rises, 0 to 1.")
    clip_norm: float = Field(1.0, ge=0, le=1e6, description="Largest norm of the gradient; 0 does not clip.")
    track: Track = []

    @field_validator("focus")
    @classmethod
    def _holds_the_disc(cls, focus: float) -> float:
        if 0 < focus < 1.2:
            raise ValueError("would cut off a part of the disc: 0, or 1.2 and more")
        return focus


SEGMENT = RecipeSpec(
    name="fundus.segment",
    version="2",
    params=SegmentParams,
    title="Train a segmenter of optic disc and cup on fundus photographs",
    purpose="train",
    inputs={
        "dataset": InputSpec("dataset", splits=("train", "val"), help="A dataset whose masks show disc (128) and cup (255)."),
        "weights": InputSpec("model", required=False, help="model.safetensors of fundus.segment with the same network, to begin with."),
    },
    outputs={"model.safetensors": "model", "history.json": "result", "config.json": "config"},
    needs=Needs(role="task", memory_gb=2.0, gpus=1, threads=2),
    checkpoints=True,
    search=SEGMENT_SPACE,
    judged_by="fundus.evaluate",
)
