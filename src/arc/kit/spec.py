"""Settings of the training loop, free of torch, so that a recipe's spec may embed or mirror them.

Zero means "not used" for the optional parts (clipping, patience, timed checkpoints), as in the forms that
people fill in. Read by `arc.kit.loop`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["min", "max"]
PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]
Track = Annotated[
    list[Literal["wandb", "tensorboard"]],
    Field(max_length=2, description="Where curves are kept besides: W&B, offline, and event files of TensorBoard."),
]


class LoopSettings(BaseModel):
    """How `arc.kit.loop.fit` goes about it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(10, ge=1, le=1_000_000, description="Passes over the batches.")
    monitor: str = Field("train_loss", min_length=1, description="Metric that decides the best epoch and early stopping.")
    direction: Direction = Field("min", description="Which way the monitored metric is better.")
    patience: int = Field(0, ge=0, description="Epochs without a better metric before it stops; 0 never stops early.")
    min_delta: float = Field(0.0, ge=0, description="A change up to this size is no improvement.")
    clip_norm: float = Field(0.0, ge=0, description="Largest norm of the gradient over all parameters; 0 does not clip.")
    accumulate: int = Field(1, ge=1, description="Batches whose gradients make one step.")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="Decay of the running mean of the weights that is judged and kept; 0 keeps none.")
    precision: PrecisionName = Field("auto", description="auto is fp32 on a CPU, bf16 or fp16 on a GPU.")
    checkpoint_every_epochs: int = Field(1, ge=0, description="Epochs between checkpoints; 0 leaves it to the clock and the end.")
    checkpoint_every_s: float = Field(300.0, ge=0, description="Seconds between checkpoints inside an epoch; 0 never.")
    report_every_steps: int = Field(1, ge=1, description="Steps between two points of the loss curve.")
    watch_every_steps: int = Field(
        0, ge=0, description="Steps between two looks at the loss; 0 is every step on a CPU and every 20 on a GPU, where a look waits."
    )
    restore_best: bool = Field(True, description="End with the weights of the best epoch instead of the last.")
