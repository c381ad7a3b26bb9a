"""`arc train segmentation`: a segmenter of optic disc and cup, beside the other trainings of `arc train`."""

from typing import Annotated, Any, Literal

import typer

from arc.cli.options import Json, Parameters, Seed, Wait, Workspace, examples, settings_of
from arc.cli.session import session
from arc.cli.submit import Urgency, job_request, send
from arc.cli.train import dataset_ref, group
from arc.cli.values import params


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to the group `arc train`, which `app` has already."""
    group.command(
        "segmentation",
        epilog=examples(
            "arc train segmentation --dataset demo",
            "arc train segmentation --dataset demo@2 --model attention_unet --input-size 256 --epochs 100",
            "arc train segmentation --dataset demo -p heads=binary -p ema_decay=0.97 --no-wait",
            "arc train segmentation --dataset demo -p loss=compound -p 'loss_weights={dice: 1, boundary: 0.5}'",
        ),
    )(segmentation)


def segmentation(
    dataset: Annotated[str, typer.Option(help="Name of a dataset with masks, or NAME@VERSION; the newest version by default.")],
    model: Annotated[
        Literal["unet", "attention_unet"] | None, typer.Option(help="unet has residual units; attention_unet gates its skips.")
    ] = None,
    input_size: Annotated[int | None, typer.Option(metavar="PX", min=32, help="Side of the squares that the network sees.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Most passes over the training split.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", min=1, help="Squares per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    loss: Annotated[
        Literal[
            "dice_ce", "bce_dice", "dice_focal", "dice", "generalized_dice", "tversky", "lovasz", "cross_entropy", "focal", "weighted_bce"
        ]
        | None,
        typer.Option(help="dice_ce by default; others, and sums of several, are parameters: see arc recipes fundus.segment."),
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="REF", help="A segmenter of the same network to begin with.")] = None,
    param: Parameters = None,
    seed: Seed = None,
    priority: Urgency = "NORMAL",
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Train a segmenter of optic disc and cup on a dataset's training split; its photographs need masks."""
    named: dict[str, Any] = {
        "model": model, "input_size": input_size, "epochs": epochs, "batch_size": batch_size, "lr": lr, "loss": loss,
    }  # fmt: skip
    request = job_request(
        recipe="fundus.segment",
        params={name: value for name, value in named.items() if value is not None} | params(param or ()),
        inputs={"dataset": dataset_ref(dataset)} | ({} if weights is None else {"weights": weights}),
        priority=priority,
        seed=seed,
    )
    with session(settings_of(workspace), engine=wait, make=True) as link:
        send(link, request, wait=wait, as_json=as_json)
