"""`arc jobs`: look at jobs and ask something of them."""

from typing import Annotated

import typer

from arc.cli.follow import watch_to_end
from arc.cli.options import Json, Wait, Workspace, examples, settings_of
from arc.cli.output import age, document, facts, note, number, plural, printable, say, seconds, size, table
from arc.cli.session import session
from arc.cli.why import explained
from arc.client import JobReport
from arc.core.clock import SystemClock
from arc.core.job import Job
from arc.core.states import JobStatus

group = typer.Typer(no_args_is_help=True, help="List, watch, stop and continue jobs.")
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job, as arc jobs list shows it.")]


def register(app: typer.Typer, *, panel: str) -> None:
    """Add the group to `arc`."""
    app.add_typer(group, name="jobs", rich_help_panel=panel)


@group.command("list", epilog=examples("arc jobs list", "arc jobs list --status running", "arc jobs list --json # for programs"))
def list_(
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this state.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Only jobs of this recipe.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Only jobs of this experiment.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=200, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the next page starts, as the page before said.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with session(settings_of(workspace), engine=False) as link:
        page = link.client.jobs.page(status=status, recipe=recipe, experiment=experiment, limit=limit, cursor=cursor)
    if as_json:
        document(page)
        return
    now = SystemClock().now()
    headings = ("job", "recipe", "state", "progress", "age", "took")
    table(headings, ([job.id, job.recipe, state_of(job), _progress(job), age(job.created_at, now), _took(job)] for job in page.items))
    if not page.items:
        note("No jobs yet; arc demo makes some." if not (status or recipe or experiment) else "No such jobs.")
    if page.next_cursor:
        note(f"There are more: arc jobs list --cursor {page.next_cursor}")


@group.command(epilog=examples("arc jobs show JOB", "arc jobs show JOB --json"))
def show(job: JobId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Show one job: what it runs, where it stands, what it left."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.jobs.report(job)
    if as_json:
        document(found)
    else:
        _describe(found)


@group.command(epilog=examples("arc jobs cancel JOB", "arc jobs cancel JOB --rollback # and leave no file of it"))
def cancel(
    job: JobId,
    rollback: Annotated[bool, typer.Option("--rollback", help="Remove what its last attempt wrote, too.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """End a job; a running one writes a checkpoint first, unless it is rolled back."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.jobs.cancel(job, rollback=rollback)
    _changed(found, "is asked to end" if not found.terminal else "is cancelled", as_json=as_json)


@group.command(epilog=examples("arc jobs resume JOB", "arc jobs resume JOB --no-wait"))
def resume(
    job: JobId,
    wait: Wait = True,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Continue a failed or cancelled job from its last good checkpoint, as a new job."""
    with session(settings_of(workspace), engine=wait) as link:
        found = link.client.jobs.resume(job)
        if wait:
            watch_to_end(link, found, as_json=as_json)
    _changed(found, f"continues {job}", as_json=as_json)


@group.command(epilog=examples("arc jobs hold JOB # pause it", "arc jobs release JOB # and let it go on"))
def hold(job: JobId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Pause a job: a running one checkpoints and gives its place up."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.jobs.hold(job)
    _changed(found, "is held; let it go on with arc jobs release", as_json=as_json)


@group.command(epilog=examples("arc jobs release JOB"))
def release(job: JobId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Let a held job go on."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.jobs.release(job)
    _changed(found, "may run again", as_json=as_json)


@group.command(epilog=examples("arc jobs clean --dry-run # what would go, and why", "arc jobs clean", "arc jobs clean --json"))
def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go and what stays, and why.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Take away broken experiments, superfluous checkpoints and files of old jobs.

    Nothing that runs, waits, can go on from a checkpoint or is referred to is touched; a broken experiment leaves a tombstone.
    """
    with session(settings_of(workspace), engine=False) as link:
        done = link.client.jobs.clean(dry_run=dry_run)
    if as_json:
        document({**done.model_dump(mode="json"), "experiments_cleaned": done.experiments_cleaned, "freed_bytes": done.freed_bytes})
        return
    goes = "would go" if dry_run else "gone"
    found = [*done.removed, *(done.kept if dry_run else ())]
    table(
        ("what", "which", "", "size", "why"),
        ([one.kind, one.id, goes if one.goes else "stays", size(one.size_bytes) if one.goes else "", one.why] for one in found),
        right=(3,),
    )
    if done.removed:
        did = "would go and free" if dry_run else "gone, which freed"
        say(f"{plural(len(done.removed), 'thing')} {did} {size(done.freed_bytes)}")
    else:
        say("There is nothing to clean.")
    if done.removed and dry_run:
        note("To do it: arc jobs clean")


@group.command(epilog=examples("arc jobs why JOB"))
def why(job: JobId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Say what a job waits for or why it failed, what happens next, and what you can do."""
    with session(settings_of(workspace), engine=False) as link:
        found = link.client.jobs.why(job)
    if as_json:
        document(found)
    else:
        explained(found)


@group.command(epilog=examples("arc jobs logs JOB", "arc jobs logs JOB --stderr -n 500 # where a traceback is"))
def logs(
    job: JobId,
    stderr: Annotated[bool, typer.Option("--stderr/--stdout", help="Which of the two.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", metavar="N", min=1, max=10_000, help="How many of the last lines.")] = 100,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Print the last lines that a job's latest attempt wrote."""
    stream = "stderr" if stderr else "stdout"
    with session(settings_of(workspace), engine=False) as link:
        text = link.client.jobs.log(job, lines=lines, stream=stream)
    if as_json:
        document({"job_id": job, "stream": stream, "text": text})
    elif text:
        say(printable(text.rstrip("\n")))
    else:
        note(f"The attempt wrote nothing to {stream}; arc jobs logs {job} --{'stdout' if stderr else 'stderr'} shows the other.")


@group.command(epilog=examples("arc jobs watch JOB", "arc jobs watch JOB --json # wait, then print the job"))
def watch(job: JobId, workspace: Workspace = None, as_json: Json = False) -> None:
    """Follow a job, and what it waits for, to the end.

    Starts the engine when no control plane runs, so that an interrupted job goes on.
    """
    with session(settings_of(workspace), engine=True) as link:
        watch_to_end(link, link.client.jobs.get(job), as_json=as_json)


def state_of(job: Job) -> str:
    """The state as people see it: a held job is queued, and a running one may be about to end."""
    if job.hold and job.status in (JobStatus.QUEUED, JobStatus.PENDING):
        return "held"
    return job.status.value


def _changed(job: Job, what: str, *, as_json: bool) -> None:
    if as_json:
        document(job)
    else:
        say(f"{job.id} {what}")


def _reason(found: JobReport) -> str:
    job = found.job
    if job.failure is not None and job.status is JobStatus.FAILED:
        return f"{job.failure.message} ({job.failure.failure_class.value})"
    if job.terminal:
        return job.reason or "it did all that was asked"
    if job.status is JobStatus.RUNNING:
        return f"asked to end ({job.cancel_requested})" if job.cancel_requested else "attempt " + str(job.attempt)
    return found.waiting_for or job.reason or "the engine: start it with arc serve"


def _describe(found: JobReport) -> None:
    job = found.job
    now = SystemClock().now()
    facts(
        [
            ("job", job.id),
            ("recipe", f"{job.recipe} (version {job.recipe_version})"),
            ("state", state_of(job)),
            ("why", _reason(found) if job.status not in (JobStatus.COMPLETED, JobStatus.RUNNING) or job.cancel_requested else None),
            ("progress", _progress(job) or None),
            ("attempts", job.attempt or None),
            ("priority", job.priority.value),
            ("experiment", job.experiment_id),
            ("needs", ", ".join(job.needs) or None),
            ("inputs", _lines(job.inputs)),
            ("parameters", _lines(job.params)),
            ("seed", job.seed),
            ("limits", _limits(job)),
            ("metrics", _lines({name: number(value) for name, value in (job.metrics or {}).items()})),
            ("checkpoint", job.last_checkpoint),
            ("made", f"{age(job.created_at, now)} ago by {job.submitted_by}"),
            ("took", _took(job) or None),
        ]
    )


def _lines(pairs: dict[str, object] | dict[str, str]) -> str | None:
    return "\n".join(f"{name} = {value}" for name, value in pairs.items()) or None


def _limits(job: Job) -> str:
    timeout = seconds(job.limits.timeout_s) if job.limits.timeout_s else "no timeout"
    retries, threads = plural(job.retry.max_retries, "retry", "retries"), plural(job.threads, "thread")
    return f"{timeout}, {retries}, {job.requires.memory_gb:g} GB, {threads}"


def _progress(job: Job) -> str:
    """How far the job is; nothing for what is over and does not count epochs."""
    progress = job.progress
    if progress is None or (job.terminal and progress.unit != "epoch"):
        return ""
    return f"{progress.unit} {int(progress.done)}" + (f"/{progress.of:g}" if progress.of else "")


def _took(job: Job) -> str:
    if job.started_at is None or job.completed_at is None:
        return ""
    return seconds((job.completed_at - job.started_at).total_seconds())
