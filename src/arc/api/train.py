"""Route of training: a classifier of fundus photographs, by the recipe `fundus.classify`.

What is not given is left to the recipe, so that the defaults are written down in one place
(`GET /recipes/fundus.classify`). A training never makes a route wait unless it is asked to.
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
    "epochs", "batch_size", "lr", "optimizer", "loss", "loss_weights", "focal_gamma", "focal_alpha", "label_smoothing", "positive_weight",
    "dropout", "weighted_sampling", "balanced_sites", "input_size", "patience", "freeze_epochs", "backbone_lr_factor", "schedule",
    "schedule_factor", "schedule_epochs", "ema_decay", "accumulate", "precision", "folds", "fold",
)  # fmt: skip
_PLAIN_WEIGHTS = ("none", "hub")  # what is no reference to a file


class TrainClassifier(OfDataset, WorkOptions):
    """What to train on, and how; what is null is left to the recipe."""

    model_name: str | None = Field(None, min_length=1, max_length=64, description="Architecture, as the recipe lists them.")
    epochs: int | None = Field(None, ge=1, le=100_000, description="Most passes over the training split.")
    batch_size: int | None = Field(None, ge=1, le=4096, description="Photographs per step.")
    lr: float | None = Field(None, ge=1e-8, le=10, description="Peak learning rate.")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "muon"] | None = None
    schedule: Literal["cosine", "step", "plateau", "constant"] | None = Field(None, description="How the learning rate goes.")
    schedule_factor: float | None = Field(None, gt=0, lt=1, description="What step and plateau multiply the learning rate by.")
    schedule_epochs: int | None = Field(None, ge=1, le=100_000, description="Epochs between two cuts of step, or of patience of plateau.")
    weights: str | None = Field(
        None, min_length=1, max_length=4096, description="What to begin with: none, hub, or a reference to a file (path:, artifact:, job:)."
    )
    freeze_epochs: int | None = Field(None, ge=0, le=100_000, description="First epochs in which only the head learns.")
    backbone_lr_factor: float | None = Field(None, gt=0, le=1, description="Learning rate of all but the head, as a share of lr.")
    ema_decay: float | None = Field(None, ge=0, lt=1, description="Decay of the running mean of the weights; 0 keeps none.")
    accumulate: int | None = Field(None, ge=1, le=1024, description="Batches whose gradients make one step.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    loss: Literal["focal", "cross_entropy", "weighted_bce", "compound"] | None = None
    loss_weights: dict[str, float] | None = Field(None, description="Losses that compound adds, each with its weight.")
    focal_alpha: float | None = Field(None, gt=0, lt=1, description="Weight of glaucoma in the focal loss.")
    label_smoothing: float | None = Field(None, ge=0, lt=1, description="Share of certainty that cross-entropy takes off the labels.")
    positive_weight: float | None = Field(None, gt=0, le=1000, description="Weight of glaucoma in weighted_bce.")
    focal_gamma: float | None = Field(None, ge=0, le=10, description="Focus of the focal loss.")
    dropout: float | None = Field(None, ge=0, lt=1, description="Share of features dropped before the last layer.")
    weighted_sampling: bool | None = Field(None, description="Draw the classes equally often.")
    balanced_sites: bool | None = Field(None, description="Draw the sites equally often.")
    folds: int | None = Field(None, ge=0, le=100, description="Folds that the patients of train and val are cut into; 0 keeps the split.")
    fold: int | None = Field(None, ge=0, le=99, description="The fold that is val, from 0 on.")
    input_size: int | None = Field(None, ge=32, le=1024, description="Side of the square that the network sees, in pixels.")
    patience: int | None = Field(None, ge=0, le=100_000, description="Epochs without improvement before it stops; 0 never stops early.")
    use_wandb: bool | None = Field(None, description="Keep the run in W&B, too, offline; it neither delays nor breaks the training.")

    def params(self) -> dict[str, Any]:
        """What was given, under the recipe's names."""
        given = {name: getattr(self, name) for name in _SAME} | {theirs: getattr(self, ours) for ours, theirs in _PARAMS.items()}
        if self.use_wandb is not None:
            given["track"] = ["wandb"] if self.use_wandb else []
        if self.weights in _PLAIN_WEIGHTS:
            given["weights"] = self.weights
        return {name: value for name, value in given.items() if value is not None}

    def inputs(self, dataset: str) -> dict[str, str]:
        """The references of what is read."""
        found = {"dataset": dataset}
        return found if self.weights in (None, *_PLAIN_WEIGHTS) else found | {"weights": str(self.weights)}


@router.post("/train/classifier", **operator, response_model=TrainingDone, responses=trained.ANSWERS)
async def train_classifier(
    wanted: TrainClassifier, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = 0.0
) -> Response:
    """Train a classifier; answers 202 with the job at once unless `wait` says otherwise."""
    dataset = await dataset_of(wanted, house, actor=asker.name, key=key)
    job = JobRequest(recipe="fundus.classify", params=wanted.params(), inputs=wanted.inputs(dataset), **wanted.job_options())
    try:
        return await trained.start(request, house, job, actor=asker.name, key=key, wait_s=wait or 0.0)
    except CallerError as error:
        raise renamed(error, _NAMES) from None


_NAMES = (
    {"inputs.dataset": "dataset", "inputs.weights": "weights", "params.weights": "weights"}
    | {f"params.{name}": name for name in _SAME}
    | {f"params.{theirs}": ours for ours, theirs in _PARAMS.items()}
)
