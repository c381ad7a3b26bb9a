"""`arc explain`: where a trained classifier looks, and whether that is the optic disc."""

from typing import Annotated, Any, Literal

import typer

from arc.cli.evaluate import training_of
from arc.cli.options import Json, Seed, Wait, Workspace, examples, settings_of
from arc.cli.session import session
from arc.cli.submit import job_request, send
from arc.cli.train import dataset_ref

_RECIPES = {"dri": "fundus.dri", "gradcam": "fundus.gradcam", "gradcam-pp": "fundus.gradcam_pp"}


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to `arc`."""
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "arc explain EXPERIMENT # the Disc Relevance Index, on validation patients",
            "arc explain JOB --method gradcam-pp --samples 8",
            "arc explain EXPERIMENT --segmenter EXPERIMENT # where the dataset has no masks",
        ),
    )(explain)


def explain(
    trained: Annotated[str, typer.Argument(metavar="EXPERIMENT|JOB", help="The experiment, or its training job.")],
    method: Annotated[
        Literal["dri", "gradcam", "gradcam-pp"], typer.Option(help="dri measures against the optic disc; the others only show.")
    ] = "dri",
    dataset: Annotated[str | None, typer.Option(help="NAME or NAME@VERSION; the one it was trained on by default.")] = None,
    segmenter: Annotated[
        str | None, typer.Option(metavar="EXPERIMENT|JOB", help="A training of a segmenter, which draws the discs in place of the masks.")
    ] = None,
    split: Annotated[Literal["val", "sealed"], typer.Option(help="Each use of the sealed split is counted.")] = "val",
    samples: Annotated[int | None, typer.Option(metavar="N", min=1, help="Photographs that are explained; 16 by default.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer that is looked at; the last that has a map by default.")] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="N", help="Height of the map from which on it counts as looked at; 0.5 by default.")
    ] = None,
    seed: Seed = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Explain a trained classifier: pictures with its maps, and how much of them is the optic disc."""
    given: dict[str, Any] = {"split": split, "num_samples": samples, "target_layer": layer, "threshold": threshold}
    with session(settings_of(workspace), engine=wait, make=True) as link:
        training = training_of(link.client, trained)
        inputs = {
            "model": f"job:{training.id}/model.safetensors",
            "dataset": dataset_ref(dataset) if dataset else training.inputs["dataset"],
        }
        if segmenter:
            inputs["segmentation"] = f"job:{training_of(link.client, segmenter).id}/model.safetensors"
        params = {name: value for name, value in given.items() if value is not None}
        send(link, job_request(recipe=_RECIPES[method], params=params, inputs=inputs, seed=seed), wait=wait, as_json=as_json)
