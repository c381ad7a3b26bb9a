"""Route of training: a segmenter of optic disc and cup, by the recipe `fundus.segment`.

What is not given is left to the recipe, so that the defaults are written down in one place
(`GET /recipes/fundus.segment`). A training never makes a route wait unless it is asked to.
"""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from arc.api import trained
from arc.api.given import OfDataset, dataset_of
from arc.api.options import renamed
from arc.api.routing import ArcRoute, Asker, House, Key, Wait, operator
from arc.api.trained import TrainingDone
from arc.core.errors import CallerError
from arc.core.job import JobRequest, WorkOptions

router = APIRouter(route_class=ArcRoute, tags=["work"])
_PARAMS = {"model_name": "model"}  # ours -> the recipe's, where they differ
_SAME = (
    "heads", "width", "dropout", "input_size", "focus", "places", "flips", "epochs", "batch_size", "lr", "weight_decay", "optimizer", "schedule",
    "schedule_factor", "schedule_epochs", "accumulate", "precision", "loss", "loss_weights", "label_smoothing", "focal_gamma", "focal_alpha",
    "positive_weight", "tversky_missed", "augmentation", "ema_decay", "patience",
)  # fmt: skip


class TrainSegmentation(OfDataset, WorkOptions):
    """What to train on, which needs masks, and how; what is null is left to the recipe."""

    model_name: str | None = Field(None, min_length=1, max_length=64, description="Architecture, as the recipe lists them.")
    heads: Literal["classes", "binary"] | None = Field(None, description="Three exclusive classes, or one answer each for disc and cup.")
    width: int | None = Field(None, ge=4, le=128, multiple_of=4, description="Channels of the first level.")
    dropout: float | None = Field(None, ge=0, lt=1, description="Share of features dropped in each unit.")
    input_size: int | None = Field(
        None, ge=32, le=1024, multiple_of=16, description="Side of the squares that the network sees, in pixels."
    )
    focus: float | None = Field(None, ge=0, le=8, description="Side of the second look in heights of the disc found; 0 looks once.")
    places: int | None = Field(None, ge=1, le=16, description="Most places that are looked at from near.")
    flips: bool | None = Field(None, description="Answer with the mean over the square and its mirror images.")
    epochs: int | None = Field(None, ge=1, le=100_000, description="Most passes over the training split.")
    batch_size: int | None = Field(None, ge=1, le=4096, description="Squares per step.")
    lr: float | None = Field(None, ge=1e-8, le=10, description="Peak learning rate.")
    weight_decay: float | None = Field(None, ge=0, le=10, description="Weight decay per step.")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "muon"] | None = None
    schedule: Literal["cosine", "step", "plateau", "constant"] | None = Field(None, description="How the learning rate goes.")
    schedule_factor: float | None = Field(None, gt=0, lt=1, description="What step and plateau multiply the learning rate by.")
    schedule_epochs: int | None = Field(None, ge=1, le=100_000, description="Epochs between two cuts of step, or of patience of plateau.")
    accumulate: int | None = Field(None, ge=1, le=1024, description="Batches whose gradients make one step.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    weights: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="A segmenter of the same network to begin with: a reference (path:, artifact:, job:).",
    )
    loss: str | None = Field(None, min_length=1, max_length=64, description="Loss, as the recipe lists them.")
    loss_weights: dict[str, float] | None = Field(None, description="Losses that compound adds, each with its weight.")
    label_smoothing: float | None = Field(None, ge=0, lt=1, description="Share of certainty that cross-entropy takes off the classes.")
    focal_gamma: float | None = Field(None, ge=0, le=10, description="Focus of the focal loss.")
    focal_alpha: float | None = Field(None, gt=0, lt=1, description="Weight of disc and cup in the focal loss.")
    positive_weight: float | None = Field(None, gt=0, le=1000, description="Weight of disc and cup in weighted_bce.")
    tversky_missed: float | None = Field(None, gt=0, lt=1, description="Weight of what is missed in tversky.")
    augmentation: dict[str, Any] | None = Field(
        None, description="Policy: each change with its probability and strength; {} changes nothing."
    )
    ema_decay: float | None = Field(None, ge=0, lt=1, description="Decay of the running mean of the weights; 0 keeps none.")
    patience: int | None = Field(None, ge=0, le=100_000, description="Epochs without improvement before it stops; 0 never stops early.")
    use_wandb: bool | None = Field(None, description="Keep the run in W&B, too, offline; it neither delays nor breaks the training.")

    def params(self) -> dict[str, Any]:
        """What was given, under the recipe's names."""
        given = {name: getattr(self, name) for name in _SAME} | {theirs: getattr(self, ours) for ours, theirs in _PARAMS.items()}
        if self.use_wandb is not None:
            given["track"] = ["wandb"] if self.use_wandb else []
        return {name: value for name, value in given.items() if value is not None}

    def inputs(self, dataset: str) -> dict[str, str]:
        """The references of what is read."""
        return {"dataset": dataset} | ({} if self.weights is None else {"weights": self.weights})


@router.post("/train/segmentation", **operator, response_model=TrainingDone, responses=trained.ANSWERS)
async def train_segmentation(
    wanted: TrainSegmentation, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = 0.0
) -> Response:
    """Train a segmenter of disc and cup; answers 202 with the job at once unless `wait` says otherwise."""
    dataset = await dataset_of(wanted, house, actor=asker.name, key=key)
    job = JobRequest(recipe="fundus.segment", params=wanted.params(), inputs=wanted.inputs(dataset), **wanted.job_options())
    try:
        return await trained.start(request, house, job, actor=asker.name, key=key, wait_s=wait or 0.0)
    except CallerError as error:
        raise renamed(error, _NAMES) from None


_NAMES = (
    {"inputs.dataset": "dataset", "inputs.weights": "weights"}
    | {f"params.{name}": name for name in _SAME}
    | {f"params.{b}": a for a, b in _PARAMS.items()}
)
