"""What the control plane knows of the recipes that explain a classifier: parameters, inputs, outputs and needs.

Imports core alone: no torch. There is one run side (`arc.fundus.explain`), three names: the maps of Grad-CAM, those of Grad-CAM++,
and the Disc Relevance Index with its controls, which is a measurement. All three count as evaluations, so that the sealed split may
be looked at, and the ledger says so.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.recipe import InputSpec, Needs, RecipeSpec


class ExplainParams(BaseModel):
    """Which photographs are explained, and at which layer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    split: Literal["val", "sealed"] = Field("val", description="Each use of the sealed split is entered in its ledger.")
    num_samples: int = Field(
        16, ge=1, le=1000, description="Photographs, drawn by the seed: the classes by turns, no patient twice while there are others."
    )
    target_layer: str = Field("", max_length=200, description="Layer that is looked at; the last that has a map when empty.")
    explained: Literal["predicted", "glaucoma"] = Field("predicted", description="The class whose score is explained.")
    threshold: float = Field(0.5, gt=0, lt=1, description="Height of the map from which on it counts as looked at.")
    batch_size: int = Field(16, ge=1, le=4096, description="Photographs per pass.")


class DriParams(ExplainParams):
    """How the Disc Relevance Index is measured."""

    method: Literal["gradcam", "gradcam_pp"] = Field("gradcam", description="Whose maps are compared with the disc.")
    valid_from: float = Field(0.6, ge=0, le=1, description="Mean DRI from which on the classifier counts as looking at the disc.")
    randomisations: int = Field(3, ge=1, le=50, description="Networks with random weights that the maps are compared with.")
    positions: int = Field(4, ge=1, le=50, description="Places elsewhere in the field that the disc is moved to.")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals, 0.5 to 1.")


def _spec(name: str, title: str, params: type[ExplainParams]) -> RecipeSpec:
    return RecipeSpec(
        name=name,
        version="1",
        params=params,
        title=title,
        purpose="evaluate",
        inputs={
            "model": InputSpec("model", help="model.safetensors of fundus.classify."),
            "dataset": InputSpec("dataset", splits=("val", "sealed"), help="The dataset whose photographs are explained."),
            "segmentation": InputSpec(
                "model", required=False, help="model.safetensors of fundus.segment, which draws the discs in place of the masks."
            ),
        },
        outputs={"explanation.json": "result", "explanation.html": "report"},  # and a PNG for each photograph, of kind figure
        needs=Needs(role="light", memory_gb=2.0, threads=1),
    )


GRADCAM = _spec("fundus.gradcam", "Show by Grad-CAM where a classifier looks", ExplainParams)
GRADCAM_PP = _spec("fundus.gradcam_pp", "Show by Grad-CAM++ where a classifier looks", ExplainParams)
DRI = _spec("fundus.dri", "Measure whether a classifier looks at the optic disc", DriParams)
