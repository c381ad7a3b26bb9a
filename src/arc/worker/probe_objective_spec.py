"""The probes of a study, the torch-free side: a training whose result is a formula, and its judge.

With them everyone can see what a study does in seconds, the failures included; a control plane takes them only with
ARC_ALLOW_FAULT_JOBS=1.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.recipe import InputSpec, Needs, RecipeSpec
from arc.core.space import Choice, Real, Space


class ObjectiveParams(BaseModel):
    """Parameters of probe.objective."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    x: float = Field(0.8, ge=0, le=1, description="Best at 0.3.")
    y: float = Field(0.2, ge=0, le=1, description="Best at 0.7.")
    kind: Literal["plain", "good", "bad"] = Field("plain", description="good adds a little to the score, bad takes some away.")
    noise: float = Field(0.02, ge=0, le=10, description="Standard deviation of what the seed does to the score.")
    fail_above: float | None = Field(None, description="The loss is not a number when x is larger than this; never when null.")
    epochs: int = Field(4, ge=1, le=100_000, description="Epochs; the fewer, the lower the score.")
    sleep_s: float = Field(0.0, ge=0, le=3600, description="Seconds that an epoch takes.")


class JudgeParams(BaseModel):
    """Parameters of probe.judge."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the interval, 0.5 to 1.")


OBJECTIVE = RecipeSpec(
    name="probe.objective",
    version="1",
    params=ObjectiveParams,
    title="A training whose result is a formula",
    purpose="train",
    outputs={"model.json": "model"},
    needs=Needs(role="task", memory_gb=0.1, gpus=0, threads=1),
    search=Space(
        parameters={
            "x": Real(low=0.0, high=1.0),
            "y": Real(low=0.0, high=1.0),
            "kind": Choice(values=("plain", "good", "bad")),
        }
    ),
    judged_by="probe.judge",
    slim=True,
)

JUDGE = RecipeSpec(
    name="probe.judge",
    version="1",
    params=JudgeParams,
    title="The judge of that training",
    purpose="evaluate",
    inputs={"model": InputSpec("model", help="model.json of probe.objective.")},
    needs=Needs(role="light", memory_gb=0.1, threads=1),
    slim=True,
)
