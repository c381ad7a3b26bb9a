"""Routes of explanation: where a classifier looks, and whether that is the optic disc.

By the recipes `fundus.gradcam`, `fundus.gradcam_pp` and `fundus.dri`. The model is named as for an evaluation, and the sealed split
may be looked at as there: its ledger says so. The pictures are artifacts of the job and lie in `visualizations/` of the experiment. Answers within
ten minutes with the result.
"""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from arc.api import work
from arc.api.evaluate import WAIT_S
from arc.api.given import OfDataset, dataset_of
from arc.api.options import ModelOptions, renamed
from arc.api.routing import ArcRoute, Asker, House, Key, Wait, operator
from arc.api.views import WorkDone
from arc.core.errors import CallerError
from arc.core.job import JobRequest

router = APIRouter(route_class=ArcRoute, tags=["work"])


class Explain(OfDataset, ModelOptions):
    """Which classifier to explain, on what; what is null is left to the recipe."""

    segmentation: str | None = Field(
        None, min_length=1, max_length=4096, description="A segmenter that draws the discs in place of the masks (path:, artifact:, job:)."
    )
    split: Literal["val", "sealed"] | None = None
    num_samples: int | None = Field(None, ge=1, le=1000, description="Photographs that are explained.")
    target_layer: str | None = Field(None, max_length=200, description="Layer that is looked at; the last that has a map when null.")
    explained: Literal["predicted", "glaucoma"] | None = Field(None, description="The class whose score is explained.")
    threshold: float | None = Field(None, gt=0, lt=1, description="Height of the map from which on it counts as looked at.")

    def params(self) -> dict[str, Any]:
        """What was given of the recipe's parameters, under the same names."""
        own = set(type(self).model_fields) - set(ModelOptions.model_fields) - set(OfDataset.model_fields) - {"segmentation"}
        return {name: value for name in sorted(own) if (value := getattr(self, name)) is not None}


class MeasureDri(Explain):
    """Which classifier to measure against the optic disc; what is null is left to the recipe."""

    method: Literal["gradcam", "gradcam_pp"] | None = Field(None, description="Whose maps are compared with the disc.")
    valid_from: float | None = Field(None, ge=0, le=1, description="Mean DRI from which on the classifier counts as looking at the disc.")
    randomisations: int | None = Field(None, ge=1, le=50, description="Networks with random weights that the maps are compared with.")
    positions: int | None = Field(None, ge=1, le=50, description="Places elsewhere that the disc is moved to.")
    confidence: float | None = Field(None, gt=0.5, lt=1, description="Confidence of the intervals.")


@router.post("/visualizations/gradcam", **operator, response_model=WorkDone, responses=work.ANSWERS)
async def gradcam(wanted: Explain, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S) -> Response:
    """Show by Grad-CAM where a classifier looks; waits for the result, by default up to 600 seconds."""
    return await _start("fundus.gradcam", wanted, request, house, actor=asker.name, key=key, wait=wait)


@router.post("/visualizations/gradcam_pp", **operator, response_model=WorkDone, responses=work.ANSWERS)
async def gradcam_pp(wanted: Explain, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S) -> Response:
    """Show by Grad-CAM++ where a classifier looks; waits for the result, by default up to 600 seconds."""
    return await _start("fundus.gradcam_pp", wanted, request, house, actor=asker.name, key=key, wait=wait)


@router.post("/visualizations/dri", **operator, response_model=WorkDone, responses=work.ANSWERS)
async def dri(wanted: MeasureDri, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S) -> Response:
    """Measure whether a classifier looks at the optic disc; waits for the result, by default up to 600 seconds."""
    return await _start("fundus.dri", wanted, request, house, actor=asker.name, key=key, wait=wait)


async def _start(
    recipe: str, wanted: Explain, request: Request, house: House, *, actor: str, key: str | None, wait: float | None
) -> Response:  # fmt: skip
    inputs = {"model": wanted.model_ref(), "dataset": await dataset_of(wanted, house, actor=actor, key=key)}
    inputs |= {"segmentation": wanted.segmentation} if wanted.segmentation else {}
    params = wanted.params()
    job = JobRequest(recipe=recipe, params=params, inputs=inputs, **wanted.job_options())
    names = {"inputs.dataset": "dataset", "inputs.model": wanted.model_field(), "inputs.segmentation": "segmentation"}
    try:
        return await work.start(request, house, job, actor=actor, key=key, wait_s=WAIT_S if wait is None else wait)
    except CallerError as error:
        raise renamed(error, names | {f"params.{name}": name for name in params}) from None
