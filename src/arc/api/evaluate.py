"""Route of evaluation: judge a model on patients it has never seen, by the recipe `fundus.evaluate`.

The model is the output of a training job, an artifact by its digest, or a file in a data root. Reading the
sealed split is written into its ledger when the attempt starts. Answers within ten minutes with the result.
"""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from arc.api import work
from arc.api.given import OfDataset, dataset_of
from arc.api.options import ModelOptions, renamed
from arc.api.routing import ArcRoute, Asker, House, Key, Wait, operator
from arc.api.views import WorkDone
from arc.core.errors import CallerError
from arc.core.job import JobRequest

router = APIRouter(route_class=ArcRoute, tags=["work"])
WAIT_S = 600.0
_PARAMS = {"split": "split", "task_type": "task", "threshold": "threshold", "confidence": "confidence"}  # ours -> the recipe's


class RunEvaluation(OfDataset, ModelOptions):
    """Which model to judge, on what; exactly one of `job_id`, `model_digest` and `checkpoint_path` names the model."""

    task_type: Literal["classification", "segmentation"] | None = Field(
        None, description="What the model must be for; a model for the other is refused. Its file says when null."
    )
    split: Literal["sealed", "val"] | None = None
    threshold: float | None = Field(
        None, ge=0, le=1, description="Probability from which on it is glaucoma; the model's own when null; a segmenter has none."
    )
    confidence: float | None = Field(None, gt=0.5, lt=1, description="Confidence of the intervals.")
    use_wandb: bool | None = Field(None, description="Keep results and predictions in W&B, too, offline, beside the run of the training.")


@router.post("/eval/run", **operator, response_model=WorkDone, responses=work.ANSWERS)
async def run_evaluation(
    wanted: RunEvaluation, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S
) -> Response:
    """Evaluate a model; waits for the result, by default up to 600 seconds."""
    params: dict[str, Any] = {theirs: value for ours, theirs in _PARAMS.items() if (value := getattr(wanted, ours)) is not None}
    if wanted.use_wandb:
        params["track"] = ["wandb"]
    inputs = {"model": wanted.model_ref(), "dataset": await dataset_of(wanted, house, actor=asker.name, key=key)}
    job = JobRequest(recipe="fundus.evaluate", params=params, inputs=inputs, **wanted.job_options())
    names = {"inputs.dataset": "dataset", "inputs.model": wanted.model_field()} | {f"params.{b}": a for a, b in _PARAMS.items()}
    try:
        return await work.start(request, house, job, actor=asker.name, key=key, wait_s=WAIT_S if wait is None else wait)
    except CallerError as error:
        raise renamed(error, names) from None
