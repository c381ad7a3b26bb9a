"""What a request may say about the loss of a segmenter. Imports no torch; the run side is `arc.fundus.segment_losses`."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from arc.fundus.loss_spec import Weight

Part = Literal["cross_entropy", "focal", "weighted_bce", "dice", "generalized_dice", "tversky", "lovasz", "boundary"]
SegmentLoss = Literal[
    "cross_entropy", "focal", "weighted_bce", "dice", "generalized_dice", "tversky", "lovasz", "boundary",
    "dice_ce", "bce_dice", "dice_focal", "compound",
]  # fmt: skip


class SegmentLossOptions(BaseModel):
    """The loss of a segmenter and its options; an option of another loss than the one named is not looked at."""

    loss: SegmentLoss = Field(
        "dice_ce",
        description="dice_ce, bce_dice and dice_focal add Dice and another in equal parts; compound adds those of loss_weights. "
        "boundary wants an overlap loss beside it.",
    )
    loss_weights: dict[Part, Weight] = Field({}, description="Losses that compound adds, each with its weight.")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of certainty that cross-entropy takes off the classes.")
    focal_gamma: float = Field(2.0, ge=0, le=10, description="Focus of the focal loss on hard pixels; 0 is binary cross-entropy.")
    focal_alpha: float | None = Field(
        None, gt=0, lt=1, description="Weight of disc and cup in the focal loss, 1 less it that of what is beside them; null weighs none."
    )
    positive_weight: float = Field(1.0, gt=0, le=1000, description="Weight of disc and cup in weighted_bce, where the rest has 1.")
    tversky_missed: float = Field(0.7, gt=0, lt=1, description="Weight of what is missed in tversky; 1 less it that of what is too much.")

    @model_validator(mode="after")
    def _parts_belong_to_compound(self) -> Self:
        if bool(self.loss_weights) != (self.loss == "compound"):
            raise ValueError("loss=compound and loss_weights go together: give both or neither")
        return self
