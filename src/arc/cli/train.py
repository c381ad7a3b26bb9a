"""`arc train`: training, with the parameters that people set most as options."""

from typing import Annotated, Any, Literal

import typer

from arc.cli.options import Json, Parameters, Seed, Wait, Workspace, examples, settings_of
from arc.cli.session import session
from arc.cli.submit import Urgency, job_request, send
from arc.cli.values import params
from arc.core.inputs import parse_input

group = typer.Typer(no_args_is_help=True, help="Train a model.")


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    app.add_typer(group, name="train", rich_help_panel=panel)


@group.command(
    epilog=examples(
        "arc train classifier --dataset demo",
        "arc train classifier --dataset demo@2 --model efficientnet_b0 --epochs 20 --lr 1e-4",
        "arc train classifier --dataset demo -p loss=focal -p focal_gamma=1.5 --no-wait",
    )
)
def classifier(
    dataset: Annotated[str, typer.Option(help="Name of the dataset, or NAME@VERSION; the newest version by default.")],
    model: Annotated[str | None, typer.Option(help="small_cnn fits a CPU; efficientnet_b0 wants a GPU.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Most passes over the training split.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", min=1, help="Photographs per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    loss: Annotated[Literal["focal", "cross_entropy"] | None, typer.Option(help="focal weighs hard photographs more.")] = None,
    param: Parameters = None,
    seed: Seed = None,
    priority: Urgency = "NORMAL",
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Train a classifier of fundus photographs on a dataset's training split."""
    named: dict[str, Any] = {"model": model, "epochs": epochs, "batch_size": batch_size, "lr": lr, "loss": loss}
    request = job_request(
        recipe="fundus.classify",
        params={name: value for name, value in named.items() if value is not None} | params(param or ()),
        inputs={"dataset": dataset_ref(dataset)},
        priority=priority,
        seed=seed,
    )
    with session(settings_of(workspace), engine=wait, make=True) as link:
        send(link, request, wait=wait, as_json=as_json)


def dataset_ref(text: str) -> str:
    """The reference for a dataset's name, with or without `@VERSION`; InvalidSpec for what is none."""
    return str(parse_input(f"dataset:{text.removeprefix('dataset:')}", field="dataset"))
