"""What a request may say about the loss of a classifier. Imports no torch; the run side is `arc.fundus.losses`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

Part = Literal["cross_entropy", "focal", "weighted_bce"]
Weight = Annotated[float, Field(gt=0, le=1000)]


class LossOptions(BaseModel):
    """The loss of a classifier and its options; an option of another loss than the one named is not looked at."""

    loss: Literal["focal", "cross_entropy", "weighted_bce", "compound"] = Field(
        "cross_entropy", description="focal weighs hard photographs more; compound adds the losses of loss_weights."
    )
    loss_weights: dict[Part, Weight] = Field({}, description="Losses that compound adds, each with its weight.")
    focal_gamma: float = Field(2.0, ge=0, le=10, description="Focus of the focal loss on hard photographs; 0 is cross-entropy.")
    focal_alpha: float | None = Field(
        None, gt=0, lt=1, description="Weight of glaucoma in the focal loss, 1 less it that of normal; null weighs none."
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of certainty that cross-entropy takes off the labels.")
    positive_weight: float = Field(1.0, gt=0, le=1000, description="Weight of glaucoma in weighted_bce, where normal has 1.")

    @model_validator(mode="after")
    def _parts_belong_to_compound(self) -> Self:
        if bool(self.loss_weights) != (self.loss == "compound"):
            raise ValueError("loss=compound and loss_weights go together: give both or neither")
        return self
