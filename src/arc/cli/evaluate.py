"""`arc eval`: judge a trained model on patients it has never seen."""

from typing import Annotated, Any, Literal

import typer

from arc.cli.options import Json, Wait, Workspace, examples, settings_of
from arc.cli.session import session
from arc.cli.submit import job_request, send
from arc.cli.train import dataset_ref
from arc.client import Client
from arc.core.errors import Conflict
from arc.core.job import Job
from arc.core.states import JobStatus


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to `arc`."""
    app.command(
        "eval",
        rich_help_panel=panel,
        epilog=examples(
            "arc eval EXPERIMENT # on the sealed patients of its dataset",
            "arc eval JOB --split val",
            "arc eval EXPERIMENT --dataset other --threshold 0.4",
        ),
    )(evaluate)


def evaluate(
    trained: Annotated[str, typer.Argument(metavar="EXPERIMENT|JOB", help="The experiment, or its training job.")],
    dataset: Annotated[str | None, typer.Option(help="NAME or NAME@VERSION; the one it was trained on by default.")] = None,
    split: Annotated[
        Literal["sealed", "val"], typer.Option(help="sealed is the answer, and each use is counted; val is for a look before it.")
    ] = "sealed",
    threshold: Annotated[
        float | None, typer.Option(metavar="N", min=0, max=1, help="Probability from which on it is glaucoma; the model's own by default.")
    ] = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Evaluate a trained classifier or segmenter; every use of the sealed split is entered in its ledger."""
    with session(settings_of(workspace), engine=wait, make=True) as link:
        training = training_of(link.client, trained)
        params: dict[str, Any] = {"split": split} | ({} if threshold is None else {"threshold": threshold})
        request = job_request(
            recipe="fundus.evaluate",
            params=params,
            inputs={
                "model": f"job:{training.id}/model.safetensors",
                "dataset": dataset_ref(dataset) if dataset else training.inputs["dataset"],
            },
        )
        send(link, request, wait=wait, as_json=as_json)


def training_of(client: Client, trained: str) -> Job:
    """The completed training job that an experiment's or a job's id names; Conflict when there is none."""
    if not trained.startswith("exp_"):
        return client.jobs.get(trained)
    recipe = client.experiments.get(trained).recipe
    page = client.jobs.page(status=JobStatus.COMPLETED, recipe=recipe, experiment=trained, limit=1)
    if page.items:
        return page.items[0]
    raise Conflict(f"experiment {trained} has no completed training", field="experiment_id", value=trained)
