"""What the control plane knows of the recipes of research: one runs a study, one tests the rules themselves.

Imports no torch; the run sides are in `arc.research.run`.
"""

from pydantic import BaseModel, ConfigDict, Field

from arc.core.recipe import Needs, RecipeSpec


class StudyParams(BaseModel):
    """Which study is run; what it is to do is in its own row."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    study: str = Field(min_length=1, max_length=128, description="Id of the study.")
    cycles: int | None = Field(None, ge=1, le=10_000, description="Run so many cycles and end; to the end of the study when null.")
    decide_only: bool = Field(False, description="Decide the next cycle and train nothing of it; wants cycles.")


STUDY = RecipeSpec(
    name="research.study",
    version="1",
    params=StudyParams,
    title="Run a study: propose, vote, train, learn, until its budget is used up or nothing more can be said",
    purpose="orchestrate",
    outputs={
        "study.html": "report",
        "training_history.json": "result",
        "constraints.json": "result",
        "decisions.jsonl": "result",
        "experiments.csv": "result",
        "experiments.parquet": "result",
        "optuna.db": "result",
    },
    needs=Needs(role="orchestrator", memory_gb=1.0, gpus=0, threads=1),
)


class SelfTestParams(BaseModel):
    """How long the rules are tested."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    studies: int = Field(
        200, ge=1, le=100_000, description="Simulated studies of each kind: with nothing to find, and with an effect of two sigma."
    )
    experiments: int = Field(60, ge=20, le=10_000, description="Trainings that each study may spend.")


SELFTEST = RecipeSpec(
    name="research.selftest",
    version="1",
    params=SelfTestParams,
    title="How often a study claims a winner where there is none, and finds one that is there; simulated",
    purpose="evaluate",
    outputs={"selftest.json": "result"},
    needs=Needs(role="light", memory_gb=0.7, threads=1),
)
