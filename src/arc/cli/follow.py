"""Following jobs to their end, and what their end means for the exit status.

A job is read once, then each event of its stream says that it changed; its end is therefore never missed,
whenever it comes. Jobs that wait for each other are followed in the order in which they were submitted.
"""

from collections.abc import Sequence

import typer

from arc.cli.board import Board, board
from arc.cli.dataset_outcome import dataset_outcome, failed_validation, is_dataset_work
from arc.cli.output import complain, document, number, say
from arc.cli.session import Interrupted, Link
from arc.cli.verdict import is_verdict, verdict
from arc.client import Client
from arc.core.errors import ServiceDown
from arc.core.job import Job
from arc.core.states import JobStatus

_EXIT = {JobStatus.COMPLETED: 0, JobStatus.FAILED: 1, JobStatus.CANCELLED: 4}


def follow_all(link: Link, titled: Sequence[tuple[str, str]], *, quiet: bool = False) -> list[Job]:
    """Each (title, job id) on a live line; the jobs when all are over. Interrupted says how to go on."""
    try:
        with board(titled, quiet=quiet) as shown:
            for _, job_id in titled:
                _tell(link.client, job_id, shown)
            return [_follow(link.client, job_id, shown) for _, job_id in titled]
    except KeyboardInterrupt:
        last = titled[-1][1]
        what = "goes on" if link.own else "goes on without you; look again"
        raise Interrupted(f"{last} {what} with: arc jobs watch {last}", exit_code=130) from None


def watch_to_end(link: Link, job: Job, *, as_json: bool) -> None:
    """Follow the job and what it waits for, show its outcome, and leave with the exit status that it means."""
    chain = needs_first(link.client, job)
    last = follow_all(link, [(one.recipe, one.id) for one in chain], quiet=as_json)[-1]
    if as_json:
        document(last)
    else:
        outcome(last)
    raise typer.Exit(exit_code(last))


def needs_first(client: Client, job: Job) -> list[Job]:
    """The job after everything it waits for that is not over, oldest first."""
    found: dict[str, Job] = {}
    waiting = [job]
    while waiting:
        one = waiting.pop()
        if one.id not in found and (one.id == job.id or not one.terminal):
            found[one.id] = one
            waiting.extend(client.jobs.get(need) for need in one.needs)
    return [found[job_id] for job_id in sorted(found)]


def exit_code(job: Job) -> int:
    """0 completed, 1 failed or a dataset that does not hold, 4 cancelled; 3 for one that is not over."""
    if failed_validation(job):
        return 1
    return _EXIT.get(job.status, 3)


def outcome(job: Job) -> None:
    """How a job ended: its metrics, or why it did not complete and what to do next."""
    if is_verdict(job):
        verdict(job)
    elif is_dataset_work(job):
        dataset_outcome(job)
    elif job.status is JobStatus.COMPLETED:
        shown = "  ".join(f"{name} {number(value)}" for name, value in (job.metrics or {}).items() if isinstance(value, int | float))
        say(f"{job.id} completed" + (f"  {shown}" if shown else ""))
    elif job.status is JobStatus.CANCELLED:
        complain(f"{job.recipe} was cancelled: {job.reason or 'on request'}", f"Continue it: arc jobs resume {job.id}")
    else:
        failure = job.failure
        what = f"{failure.message} ({failure.failure_class.value})" if failure else "no reason was recorded"
        complain(f"{job.recipe} failed: {what}", f"Its log:     arc jobs logs {job.id} --stderr\nTry again:   arc jobs resume {job.id}")


def _follow(client: Client, job_id: str, shown: Board) -> Job:
    job = _tell(client, job_id, shown)
    if job.terminal:
        return job
    for update in client.jobs.watch(job_id):
        if update.progress is not None:
            shown.progress(job_id, update.progress)
            continue
        try:
            job = _tell(client, job_id, shown)
        except ServiceDown:
            continue  # the stream waits for the control plane to come back, or gives up
        if job.terminal:
            return job
    return _tell(client, job_id, shown)


def _tell(client: Client, job_id: str, shown: Board) -> Job:
    report = client.jobs.report(job_id)
    shown.job(report.job, waiting_for=report.waiting_for)
    return report.job
