"""`arc run`: an experiment from its configuration file, once or as a sweep.

The file is what every experiment leaves in `config/config.yaml`: recipe, parameters, inputs, seed and threads, so
that the same file gives the same curve. Overrides change it, and a sweep makes a job of each combination.
The jobs of a sweep have nothing in common but their name: `NAME-1`, `NAME-2` …, by which `arc experiments list
--search NAME` finds them. A repeated call with the name returns the jobs that are there already.
"""

import secrets
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from arc.cli import plain_yaml
from arc.cli.compose import Configuration, compose, sweep
from arc.cli.follow import exit_code, follow_all, outcome
from arc.cli.options import Json, Wait, Workspace, examples, settings_of
from arc.cli.output import document, note, say
from arc.cli.session import Link, session
from arc.cli.submit import Urgency, job_request, send
from arc.core.errors import InvalidSpec
from arc.core.ids import check_name
from arc.core.job import Job, JobRequest

_CONFIG = "arc-workspace/experiments/EXPERIMENT/config/config.yaml"


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the command to `arc`."""
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            f"arc run --config {_CONFIG}",
            f"arc run --config {_CONFIG} lr=3e-4 epochs=20 --dry-run # show what would run",
            f"arc run --config {_CONFIG} lr=1e-3,3e-4 seed=1,2 --sweep --name rates # four jobs",
        ),
    )(run)


def run(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Changes to the file; with --sweep a value may be a list: lr=1e-3,3e-4."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="config.yaml of an experiment; needed.")] = None,
    sweeping: Annotated[bool, typer.Option("--sweep", help="Make a job of each combination of the values given.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the composed configurations and submit nothing.")] = False,
    name: Annotated[str | None, typer.Option(help="Id of the experiment; of a sweep, the beginning of its ids.")] = None,
    most: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Most jobs of a sweep.")] = 50,
    priority: Urgency = "NORMAL",
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Run an experiment from its configuration file, with changes or as a sweep."""
    if config is None:
        raise InvalidSpec("arc run needs --config FILE", field="config")
    settings = settings_of(workspace)
    file = plain_yaml.read(config)
    recipe = file.get("recipe")
    if not isinstance(recipe, str):
        raise InvalidSpec(f"{config} does not say which recipe it is of", field="recipe", value=str(recipe)[:80])
    if sweeping:
        made = sweep(recipe, overrides or (), workspace=settings.workspace, file=file, most=most)
    else:
        made = [compose(recipe, overrides or (), workspace=settings.workspace, file=file)]
    if dry_run:
        _show(made, as_json=as_json)
        return
    with session(settings, engine=wait, make=True) as link:
        if not sweeping:
            send(link, request(made[0], name, priority), wait=wait, as_json=as_json)
            return
        jobs = _submit(link, made, name or f"sweep-{secrets.token_hex(3)}", priority)
        _follow(link, jobs, made, wait=wait, as_json=as_json)


def request(made: Configuration, name: str | None, priority: str) -> JobRequest:
    """The request that a configuration is; `name` becomes the experiment's id where the recipe makes one."""
    return job_request(**made.document(), priority=priority, experiment_id=name)


def _submit(link: Link, made: list[Configuration], name: str, priority: str) -> list[Job]:
    check_name(name, field="name")
    width = len(str(len(made)))
    jobs = []
    for number, one in enumerate(made, start=1):
        own = f"{name}-{number:0{width}}"
        jobs.append(link.client.jobs.submit(request(one, own, priority), key=f"sweep:{own}"))
    return jobs


def _follow(link: Link, jobs: list[Job], made: list[Configuration], *, wait: bool, as_json: bool) -> None:
    """Say which jobs the sweep made, or follow them all and leave with the worst of their statuses."""
    if wait:
        jobs = follow_all(link, [(one.label, job.id) for one, job in zip(made, jobs, strict=True)], quiet=as_json)
    if as_json:
        document(jobs)
    for one, job in zip(made, jobs, strict=True) if not as_json else ():
        say(f"{job.experiment_id}  {one.label}")
        if wait:
            outcome(job)
        else:
            say(f"  {job.id} {job.status.value}")
    if not wait and not link.engine:
        note("Nothing runs jobs in this workspace now: arc serve does")
    if wait:
        raise typer.Exit(max(exit_code(job) for job in jobs))


def _show(made: list[Configuration], *, as_json: bool) -> None:
    documents: list[dict[str, Any]] = [one.document() for one in made]
    if as_json:
        document(documents)
    else:
        say(yaml.safe_dump_all(documents, sort_keys=True, allow_unicode=True).rstrip())
