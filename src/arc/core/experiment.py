"""Experiment: one configuration carried out, with its jobs, artifacts, measured results and folder."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from arc.core.proposal import Use


class Experiment(BaseModel):
    """One configuration carried out."""

    model_config = ConfigDict(frozen=True)

    id: str
    recipe: str
    study: str | None
    cycle: int | None
    proposal: str | None = None  # of the study, that it carries out
    use: Use | None = None  # what the study wants to know from it
    fidelity: float = 1.0  # share of the full training
    config: dict[str, Any]  # the params of its training job
    dataset: str | None  # name@version
    seed: int
    status: str  # of its training job
    metrics: dict[str, Any]  # recomputed by the evaluation; empty until then
    training_metrics: dict[str, Any]  # as printed by the training; not a result
    simulated: bool
    archived: bool
    created_at: datetime
    completed_at: datetime | None
