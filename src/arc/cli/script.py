"""`arc script`: a training script of your own as a job."""

from pathlib import Path
from typing import Annotated, Any

import typer

from arc.cli.data_options import there, with_data_root
from arc.cli.options import Json, Parameters, Seed, Wait, Workspace, examples, settings_of
from arc.cli.session import session
from arc.cli.submit import Urgency, job_request, send
from arc.cli.train import dataset_ref
from arc.cli.values import pairs, params


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to `arc`."""
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "arc script train.py trainer.epochs=5 model.lr=1e-3",
            "arc script train.py --arg=--epochs --arg=5 # a script with options of its own",
            "arc script train.py data.root={dataset} --dataset eyes --resume trainer.resume_from={checkpoint}",
        ),
    )(script)


def script(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The script, a .py file.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides in the manner of Hydra.")] = None,
    arg: Annotated[list[str] | None, typer.Option(help="A word that stands before the overrides; may be given often.")] = None,
    env: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable for the script; no secrets.")] = None,
    dataset: Annotated[str | None, typer.Option(help="What {dataset}, {train_csv} and {val_csv} stand for: NAME or NAME@VERSION.")] = None,
    venv: Annotated[Path | None, typer.Option(help="The virtual environment whose Python runs it; ARC's own by default.")] = None,
    metrics: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Files (.csv, .jsonl) with its metrics.")] = None,
    checkpoint: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Files that are its checkpoints.")] = None,
    result: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Files to keep as artifacts at the end.")] = None,
    resume: Annotated[list[str] | None, typer.Option(metavar="KEY={checkpoint}", help="Overrides added when it goes on.")] = None,
    param: Parameters = None,
    seed: Seed = None,
    priority: Urgency = "NORMAL",
    max_retries: Annotated[int, typer.Option(metavar="N", min=0, help="Attempts after the first.")] = 3,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", min=0, help="Longest time of one attempt, in seconds.")] = None,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Run a training script of your own, with retry, resume, timeout and its curves."""
    found, home = there(path, "path"), None if venv is None else there(venv, "venv")
    words: dict[str, Any] = {
        "overrides": overrides, "argv": arg, "metrics": metrics, "checkpoints": checkpoint, "results": result, "resume": resume,
        "environment": pairs(env or (), option="--env"),
    }  # fmt: skip
    inputs = {"script": f"path:{found}"} | ({} if home is None else {"venv": f"path:{home}"})
    inputs |= {} if dataset is None else {"dataset": dataset_ref(dataset)}
    request = job_request(
        recipe="external.script",
        params={name: value for name, value in words.items() if value} | params(param or ()),
        inputs=inputs,
        priority=priority,
        seed=seed,
        max_retries=max_retries,
        timeout_seconds=timeout,
    )
    with session(with_data_root(with_data_root(settings_of(workspace), found.parent), home), engine=wait, make=True) as link:
        send(link, request, wait=wait, as_json=as_json)
