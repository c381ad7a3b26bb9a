"""Route of training: a segmenter of optic disc and cup, by the recipe `fundus.segment`.

What is not given is left to the recipe, so that the defaults are written down in one place
(`GET /recipes/fundus.segment`). A training never makes a route wait unless it is asked to.
"""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from arc.api import work
from arc.api.options import DATASET, WorkOptions, dataset_ref, renamed
from arc.api.routing import ArcRoute, Asker, House, Key, Wait, operator
from arc.api.views import WorkDone
from arc.core.errors import CallerError
from arc.core.job import JobRequest

router = APIRouter(route_class=ArcRoute, tags=["work"])
_PARAMS = {"model_name": "model"}  # ours -> the recipe's, where they differ
_SAME = (
    "heads", "width", "dropout", "input_size", "focus", "epochs", "batch_size", "lr", "weight_decay", "optimizer", "loss", "augmentation",
    "ema_decay", "patience",
)  # fmt: skip


class TrainSegmentation(WorkOptions):
    """What to train on, and how; what is null is left to the recipe."""

    dataset: str = Field(pattern=DATASET, description="Name of a registered dataset with masks, with @VERSION or its newest.")
    model_name: str | None = Field(None, min_length=1, max_length=64, description="Architecture, as the recipe lists them.")
    heads: Literal["classes", "binary"] | None = Field(None, description="Three exclusive classes, or one answer each for disc and cup.")
    width: int | None = Field(None, ge=4, le=128, multiple_of=4, description="Channels of the first level.")
    dropout: float | None = Field(None, ge=0, lt=1, description="Share of features dropped in each unit.")
    input_size: int | None = Field(
        None, ge=32, le=1024, multiple_of=16, description="Side of the squares that the network sees, in pixels."
    )
    focus: float | None = Field(None, ge=0, le=8, description="Side of the second look in heights of the disc found; 0 looks once.")
    epochs: int | None = Field(None, ge=1, le=100_000, description="Most passes over the training split.")
    batch_size: int | None = Field(None, ge=1, le=4096, description="Squares per step.")
    lr: float | None = Field(None, ge=1e-8, le=10, description="Peak learning rate.")
    weight_decay: float | None = Field(None, ge=0, le=10, description="Weight decay per step.")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] | None = None
    loss: Literal["dice_ce", "dice", "cross_entropy", "tversky", "dice_focal"] | None = None
    augmentation: dict[str, Any] | None = Field(
        None, description="Policy: each change with its probability and strength; {} changes nothing."
    )
    ema_decay: float | None = Field(None, ge=0, lt=1, description="Decay of the running mean of the weights; 0 keeps none.")
    patience: int | None = Field(None, ge=0, le=100_000, description="Epochs without improvement before it stops; 0 never stops early.")

    def params(self) -> dict[str, Any]:
        """What was given, under the recipe's names."""
        given = {name: getattr(self, name) for name in _SAME} | {theirs: getattr(self, ours) for ours, theirs in _PARAMS.items()}
        return {name: value for name, value in given.items() if value is not None}


@router.post("/train/segmentation", **operator, response_model=WorkDone, responses=work.ANSWERS)
async def train_segmentation(
    wanted: TrainSegmentation, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = 0.0
) -> Response:
    """Train a segmenter of disc and cup; answers 202 with the job at once unless `wait` says otherwise."""
    inputs = {"dataset": dataset_ref(wanted.dataset)}
    job = JobRequest(recipe="fundus.segment", params=wanted.params(), inputs=inputs, **wanted.job_options())
    try:
        return await work.start(request, house, job, actor=asker.name, key=key, wait_s=wait or 0.0)
    except CallerError as error:
        raise renamed(error, _NAMES) from None


_NAMES = {"inputs.dataset": "dataset"} | {f"params.{name}": name for name in _SAME} | {f"params.{b}": a for a, b in _PARAMS.items()}
