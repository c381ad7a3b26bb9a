"""Route of training: a classifier of fundus photographs, by the recipe `fundus.classify`.

What is not given is left to the recipe, so that the defaults are written down in one place
(`GET /recipes/fundus.classify`). A training never makes a route wait unless it is asked to.
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
_SAME = ("epochs", "batch_size", "lr", "optimizer", "loss", "focal_gamma", "dropout", "weighted_sampling", "input_size", "patience")


class TrainClassifier(WorkOptions):
    """What to train on, and how; what is null is left to the recipe."""

    dataset: str = Field(pattern=DATASET, description="Name of a registered dataset, with @VERSION or its newest.")
    model_name: str | None = Field(None, min_length=1, max_length=64, description="Architecture, as the recipe lists them.")
    epochs: int | None = Field(None, ge=1, le=100_000, description="Most passes over the training split.")
    batch_size: int | None = Field(None, ge=1, le=4096, description="Photographs per step.")
    lr: float | None = Field(None, ge=1e-8, le=10, description="Peak learning rate.")
    optimizer: Literal["adam", "adamw", "sgd"] | None = None
    loss: Literal["focal", "cross_entropy"] | None = None
    focal_gamma: float | None = Field(None, ge=0, le=10, description="Focus of the focal loss.")
    dropout: float | None = Field(None, ge=0, lt=1, description="Share of features dropped before the last layer.")
    weighted_sampling: bool | None = Field(None, description="Draw the classes equally often.")
    input_size: int | None = Field(None, ge=32, le=1024, description="Side of the square that the network sees, in pixels.")
    patience: int | None = Field(None, ge=0, le=100_000, description="Epochs without improvement before it stops; 0 never stops early.")

    def params(self) -> dict[str, Any]:
        """What was given, under the recipe's names."""
        given = {name: getattr(self, name) for name in _SAME} | {theirs: getattr(self, ours) for ours, theirs in _PARAMS.items()}
        return {name: value for name, value in given.items() if value is not None}


@router.post("/train/classifier", **operator, response_model=WorkDone, responses=work.ANSWERS)
async def train_classifier(
    wanted: TrainClassifier, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = 0.0
) -> Response:
    """Train a classifier; answers 202 with the job at once unless `wait` says otherwise."""
    job = JobRequest(
        recipe="fundus.classify", params=wanted.params(), inputs={"dataset": dataset_ref(wanted.dataset)}, **wanted.job_options()
    )
    try:
        return await work.start(request, house, job, actor=asker.name, key=key, wait_s=wait or 0.0)
    except CallerError as error:
        raise renamed(error, _NAMES) from None


_NAMES = {"inputs.dataset": "dataset"} | {f"params.{name}": name for name in _SAME} | {f"params.{b}": a for a, b in _PARAMS.items()}
