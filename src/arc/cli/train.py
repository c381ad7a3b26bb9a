"""`arc train`: training, with the parameters that people set most as options."""

from dataclasses import replace
from typing import Annotated, Any, Literal

import typer

from arc import catalog
from arc.cli.compose import Configuration, compose
from arc.cli.data_options import reference
from arc.cli.options import Json, Parameters, Seed, Wait, Workspace, examples, settings_of
from arc.cli.session import Link, session
from arc.cli.submit import Level, Urgency, job_request, send
from arc.cli.values import params
from arc.core.errors import InvalidSpec
from arc.core.job import JobRequest
from arc.settings import Settings

group = typer.Typer(no_args_is_help=True, help="Train a model.")


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    app.add_typer(group, name="train", rich_help_panel=panel)


@group.command(
    epilog=examples(
        "arc train classifier --dataset demo",
        "arc train classifier --dataset demo@2 --model efficientnet_b0 --epochs 20 --lr 1e-4",
        "arc train classifier --dataset demo -p loss=focal -p focal_gamma=1.5 --no-wait",
        "arc train classifier --dataset demo --seeds 5 # five trainings, and a sixth job that joins them",
        "arc train classifier +experiment=baseline lr=3e-4 # from configs/experiment/baseline.yaml of the workspace, or an experiment's id",
    )
)
def classifier(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="+experiment=NAME to begin with, and parameters: lr=3e-4.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Name of the dataset, or NAME@VERSION; the newest version by default.")] = None,
    model: Annotated[
        str | None, typer.Option(help="small_cnn fits a CPU; efficientnet_b0, _b3, _b5, resnet50 and vit_base want a GPU.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Most passes over the training split.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", min=1, help="Photographs per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    loss: Annotated[
        Literal["focal", "cross_entropy", "weighted_bce"] | None, typer.Option(help="focal weighs hard photographs more.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, max=10, help="Train so many, by seeds from --seed (or 0) on, and join them into one."),
    ] = None,
    param: Parameters = None,
    seed: Seed = None,
    priority: Urgency = "NORMAL",
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Train a classifier of fundus photographs on a dataset's training split."""
    named: dict[str, Any] = {"model": model, "epochs": epochs, "batch_size": batch_size, "lr": lr, "loss": loss}
    given = {name: value for name, value in named.items() if value is not None} | params(param or ())
    settings = settings_of(workspace)
    made = _composed("fundus.classify", overrides or [], given, settings)
    content = made.document() | ({} if seed is None else {"seed": seed})
    if dataset is not None:
        content["inputs"] = {**made.inputs, "dataset": dataset_ref(dataset)}
    with session(settings, engine=wait, make=True) as link:
        if seeds is None:
            request = job_request(**content, priority=priority)
        else:
            request = _ensemble(link, content, first=seed or 0, count=seeds, priority=priority)
        send(link, request, wait=wait, as_json=as_json)


def _ensemble(link: Link, content: dict[str, Any], *, first: int, count: int, priority: Level) -> JobRequest:
    """Submit trainings that differ by their seed alone; the request that joins their models."""
    alike = [job_request(**content | {"seed": first + number}, priority=priority) for number in range(count)]
    jobs = [link.client.jobs.submit(request) for request in alike]
    joins = catalog.spec("fundus.ensemble")
    names = [name for name, taken in joins.inputs.items() if taken.kind == "model"]
    models = {name: f"job:{job.id}/model.safetensors" for name, job in zip(names, jobs, strict=False)}
    return job_request(
        recipe=joins.name,
        inputs={"dataset": jobs[0].inputs["dataset"], **models},
        seed=first,
        dummy_mode=content.get("dummy_mode", False),
        priority=priority,
    )


def _composed(recipe: str, overrides: list[str], given: dict[str, Any], settings: Settings) -> Configuration:
    """What the overrides make of the recipe's defaults, with the options on top; InvalidSpec for a name in both."""
    if not overrides:  # nothing to compose: the control plane knows the defaults
        return Configuration(recipe=recipe, params=given)
    for text in overrides:
        name = text.partition("=")[0]
        if name in given:
            raise InvalidSpec(f"{name} is given as an option and as an override", field=name, value=text)
    made = compose(recipe, overrides, workspace=settings.workspace)
    return replace(made, params=made.params | given)


def dataset_ref(text: str) -> str:
    """The reference for a dataset's name, with or without `@VERSION`; InvalidSpec for what is none."""
    return str(reference(text))
