"""Routes of experiments: list, show, archive, pin, delete."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from arc.api.routing import ArcRoute, Asker, Cursor, ExperimentId, House, Limit, admin, operator, viewer
from arc.core.artifact import Artifact
from arc.core.experiment import Experiment
from arc.core.journal import finite

router = APIRouter(route_class=ArcRoute, tags=["experiments"])
Step = Annotated[int | None, Query(ge=0, lt=2**63, description="Only the checkpoint of this step; all of them when not given.")]


class ExperimentList(BaseModel):
    """A page of experiments, newest first."""

    items: list[Experiment]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class JobInExperiment(BaseModel):
    """One job of an experiment, in a line."""

    job_id: str
    recipe: str
    status: str


class ExperimentView(Experiment):
    """An experiment with its jobs and what they left."""

    jobs: list[JobInExperiment]
    artifacts: list[Artifact]


class Deleted(BaseModel):
    """What is gone."""

    experiment_id: str
    deleted: bool


@router.get("/experiments", **viewer)
def list_experiments(
    house: House,
    recipe: Annotated[str | None, Query(min_length=1, max_length=128, description="Only of this recipe.")] = None,
    study: Annotated[str | None, Query(min_length=1, max_length=128, description="Only of this study.")] = None,
    status: Annotated[str | None, Query(min_length=1, max_length=32, description="Only with a training job in this status.")] = None,
    archived: Annotated[bool, Query(description="The archived ones instead.")] = False,
    search: Annotated[str | None, Query(min_length=1, max_length=128, description="Only with this text in the id.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ExperimentList:
    """A page of experiments, newest first."""
    page = house.experiments.page(recipe=recipe, study=study, status=status, archived=archived, search=search, limit=limit, cursor=cursor)
    return ExperimentList(items=[_clean(item) for item in page.items], next_cursor=page.next_cursor)


@router.get("/experiments/{experiment_id}", **viewer)
def show_experiment(experiment_id: ExperimentId, house: House) -> ExperimentView:
    """One experiment: its configuration, its measured results, its jobs and what they left."""
    experiment = _clean(house.experiments.get(experiment_id))
    jobs = [JobInExperiment(job_id=job.id, recipe=job.recipe, status=job.status.value) for job in house.experiments.jobs(experiment_id)]
    return ExperimentView(**experiment.model_dump(), jobs=jobs, artifacts=house.experiments.artifacts_of(experiment_id))


@router.post("/experiments/{experiment_id}/archive", **operator)
def archive_experiment(experiment_id: ExperimentId, house: House, asker: Asker) -> Experiment:
    """Take an experiment out of the lists; nothing is deleted."""
    return _clean(house.experiments.archive(experiment_id, actor=asker.name))


@router.post("/experiments/{experiment_id}/pin", **operator)
def pin_experiment(experiment_id: ExperimentId, house: House, asker: Asker, step: Step = None) -> list[Artifact]:
    """Keep the checkpoints of an experiment, whatever a clean-up would say; 409 when it has none."""
    return house.experiments.pin(experiment_id, step=step, actor=asker.name)


@router.post("/experiments/{experiment_id}/unpin", **operator)
def unpin_experiment(experiment_id: ExperimentId, house: House, asker: Asker, step: Step = None) -> list[Artifact]:
    """Leave the checkpoints of an experiment to the rules of retention again; answers with those that were pinned."""
    return house.experiments.unpin(experiment_id, step=step, actor=asker.name)


@router.delete("/experiments/{experiment_id}", **admin)
def delete_experiment(experiment_id: ExperimentId, house: House, asker: Asker) -> Deleted:
    """Delete an experiment with its folder and its bytes; 409 while something refers to it."""
    house.experiments.delete(experiment_id, actor=asker.name)
    return Deleted(experiment_id=experiment_id, deleted=True)


def _clean(experiment: Experiment) -> Experiment:
    return experiment.model_copy(
        update={
            "metrics": finite(experiment.metrics),
            "training_metrics": finite(experiment.training_metrics),
            "config": finite(experiment.config),
        }
    )
