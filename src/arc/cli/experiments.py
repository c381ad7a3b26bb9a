"""`arc experiments`: configurations that were carried out, and what was measured."""

from typing import Annotated

import typer

from arc.cli.options import Json, Workspace, examples, settings_of
from arc.cli.output import age, document, facts, note, number, say, seconds, table
from arc.cli.session import session
from arc.core.artifact import Artifact
from arc.core.clock import SystemClock
from arc.core.experiment import Experiment

group = typer.Typer(no_args_is_help=True, help="Look at experiments and tidy them up.")
Step = Annotated[int | None, typer.Option(metavar="N", min=0, help="Only the checkpoint of this step.")]
ExperimentId = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id of the experiment, as arc experiments list shows it.")]


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    app.add_typer(group, name="experiments", rich_help_panel=panel)


@group.command("list", epilog=examples("arc experiments list", "arc experiments list --search demo --json"))
def list_(
    recipe: Annotated[str | None, typer.Option(help="Only of this recipe.")] = None,
    study: Annotated[str | None, typer.Option(help="Only of this study.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with a training in this state.")] = None,
    search: Annotated[str | None, typer.Option(help="Only those whose id, recipe or dataset holds this text.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones instead.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=200, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the next page starts.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List experiments, newest first."""
    with session(settings_of(workspace), engine=False) as link:
        filters = {"recipe": recipe, "study": study, "status": status, "search": search}
        page = link.client.experiments.page(**filters, archived=archived, limit=limit, cursor=cursor)
    if as_json:
        document(page)
        return
    now = SystemClock().now()
    rows = ([one.id, one.recipe, one.dataset or "", one.status, headline(one), age(one.created_at, now)] for one in page.items)
    table(("experiment", "recipe", "dataset", "state", "measured", "age"), rows)
    if not page.items:
        note("No experiments; each training makes one.")
    if page.next_cursor:
        note(f"There are more: arc experiments list --cursor {page.next_cursor}")


@group.command(epilog=examples("arc experiments show EXPERIMENT"))
def show(experiment: ExperimentId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Show one experiment: its configuration, its jobs and what was measured."""
    settings = settings_of(workspace)
    with session(settings, engine=False) as link:
        found = link.client.experiments.get(experiment)
        jobs = link.client.jobs.page(experiment=experiment, limit=100).items
    if as_json:
        document({**found.model_dump(mode="json"), "jobs": [job.id for job in jobs]})
        return
    facts(
        [
            ("experiment", found.id),
            ("recipe", found.recipe),
            ("dataset", found.dataset),
            ("study", found.study and f"{found.study}, cycle {found.cycle}, {found.use} of {found.proposal}"),
            ("state", found.status),
            (
                "measured",
                "\n".join(f"{name} {number(value)}" for name, value in found.metrics.items() if not isinstance(value, dict | list))
                or "not yet",
            ),
            ("training said", "\n".join(f"{name} {number(value)}" for name, value in found.training_metrics.items()) or None),
            ("configuration", "\n".join(f"{name} = {value}" for name, value in found.config.items())),
            ("seed", found.seed),
            ("simulated", "yes: not a result" if found.simulated else None),
            ("took", seconds((found.completed_at - found.created_at).total_seconds()) if found.completed_at else None),
            ("folder", settings.workspace / "experiments" / found.id),
            ("jobs", "\n".join(f"{job.id}  {job.recipe}  {job.status.value}" for job in reversed(jobs))),
        ]
    )


@group.command(epilog=examples("arc experiments archive EXPERIMENT"))
def archive(experiment: ExperimentId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Take an experiment out of the lists; nothing is deleted."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.experiments.archive(experiment)
    if as_json:
        document(found)
    else:
        say(f"{found.id} is archived")


@group.command(epilog=examples("arc experiments pin EXPERIMENT", "arc experiments pin EXPERIMENT --step 500 # that checkpoint alone"))
def pin(experiment: ExperimentId, step: Step = None, workspace: Workspace = None, as_json: Json = False) -> None:
    """Keep the checkpoints of an experiment, whatever a clean-up would say."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.experiments.pin(experiment, step=step)
    _pinned(found, "pinned", as_json=as_json)


@group.command(epilog=examples("arc experiments unpin EXPERIMENT"))
def unpin(experiment: ExperimentId, step: Step = None, workspace: Workspace = None, as_json: Json = False) -> None:
    """Leave the checkpoints of an experiment to the rules of retention again."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.experiments.unpin(experiment, step=step)
    _pinned(found, "no longer pinned", as_json=as_json)


@group.command(epilog=examples("arc experiments delete EXPERIMENT", "arc experiments delete EXPERIMENT --yes # without asking"))
def delete(
    experiment: ExperimentId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Delete an experiment with its folder and its bytes; refused while something refers to it."""
    if not yes and not as_json:
        typer.confirm(f"Delete {experiment} with all its files?", abort=True)
    with session(settings_of(workspace), engine=False) as link:
        link.client.experiments.delete(experiment)
    if as_json:
        document({"experiment_id": experiment, "deleted": True})
    else:
        say(f"{experiment} is deleted")


def _pinned(found: list[Artifact], what: str, *, as_json: bool) -> None:
    if as_json:
        document(found)
        return
    for one in found:
        say(f"{one.name} of {one.job_id} is {what}")
    if not found:
        note("No checkpoint of it was pinned.")


def headline(experiment: Experiment) -> str:
    """The one number that stands for an experiment, with its interval when it has one."""
    value = experiment.metrics.get("auc")
    return f"AUC {number(value)}" if value is not None else ""
