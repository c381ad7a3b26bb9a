"""Broken experiments: which ones nobody can want back, and what is kept of one when it goes.

An experiment is broken when its training failed for good and left nothing: no checkpoint of any format, no log
beyond the header, no result, and nobody refers to it. Every doubt speaks for it. What remains is a tombstone:
the cause, and all that its attempts wrote, which is little by the rule above.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from arc.artifacts import digest_file
from arc.core.artifact import Artifact, ArtifactKind
from arc.core.attempt import Attempt
from arc.core.errors import Conflict, NotFound
from arc.core.experiment import Experiment
from arc.core.job import Job
from arc.core.journal import STDERR, STDOUT
from arc.core.states import JobStatus
from arc.jobs import contents, publish
from arc.jobs.contents import HEADER_LINES, Contents
from arc.jobs.experiments import Experiments, members
from arc.jobs.paths import Layout
from arc.store import artifacts, attempts, leftovers
from arc.store.engine import Tx


def reason_to_stay(tx: Tx, house: Experiments, experiment: Experiment) -> str | None:
    """What the rows say for the experiment; None when they say nothing. Asked again in the transaction that deletes."""
    try:
        house.check_deletable(tx, experiment)
    except Conflict as error:
        return error.message
    jobs = members(tx, experiment.id)
    return next(_of_experiment(experiment), None) or next(_of_jobs(jobs), None) or next(_of_references(tx, experiment, jobs), None)


def _of_experiment(experiment: Experiment) -> Iterator[str]:
    if experiment.archived:
        yield "it is archived, and archiving deletes nothing"
    if experiment.metrics or experiment.training_metrics:
        yield "it has results"
    if experiment.study is not None:
        yield f"study {experiment.study} counts it"


def _of_jobs(jobs: list[Job]) -> Iterator[str]:
    for job in jobs:
        if job.status is JobStatus.COMPLETED:
            yield f"job {job.id} completed"
        elif job.status is JobStatus.CANCELLED and job.attempt:
            yield f"job {job.id} was cancelled, not broken, and can be resumed"
    if not any(job.status is JobStatus.FAILED for job in jobs):
        yield "none of its jobs failed for good"


def _of_references(tx: Tx, experiment: Experiment, jobs: list[Job]) -> Iterator[str]:
    ids = [job.id for job in jobs]
    for made in artifacts.of_experiment(tx, experiment.id):
        if made.pinned:
            yield f"its checkpoint of step {made.step} is pinned"
        elif made.published:
            yield f"it left {made.name}"
    for job_id in leftovers.needing(tx, ids):
        yield f"job {job_id} needed it"
    for version in leftovers.datasets_made(tx, ids):
        yield f"dataset {version} comes from it"
    for version in leftovers.sealed_used(tx, ids):
        yield f"the ledger of the sealed split of {version} names it"
    if leftovers.reported(tx, ids):
        yield "it reported metrics"


def reason_of_files(folder: Path, staged: list[Artifact], layout: Layout) -> tuple[str | None, Contents]:
    """What the files say for the experiment, and what they are. `staged`: the checkpoints its rows know of."""
    try:
        found = contents.look(folder)
        return next(_of_files(folder, found, staged, layout), None), found
    except OSError as error:
        return f"its folder cannot be read: {error.strerror}", Contents()


def _of_files(folder: Path, found: Contents, staged: list[Artifact], layout: Layout) -> Iterator[str]:
    for name in found.logs:
        if contents.beyond_header(folder / name):
            yield f"its log {name} says more than the header"
    for name in found.strange:
        yield f"it holds {name}, which ARC did not put there"
    known = {str(layout.stored(row.path)): row for row in staged if row.kind is ArtifactKind.CHECKPOINT}
    for name in found.checkpoints:
        row = known.get(os.path.realpath(folder / name))
        if row is None or digest_file(folder / name)[0] == row.digest:
            yield f"it has a checkpoint: {name}"


def tombstone(tx: Tx, experiment: Experiment, *, layout: Layout, size_bytes: int, now: datetime, actor: str) -> dict[str, Any]:
    """What is kept of a broken experiment."""
    jobs = members(tx, experiment.id)
    blamed = next(job for job in reversed(jobs) if job.status is JobStatus.FAILED)
    failure = blamed.failure
    return {
        "experiment": experiment.model_dump(mode="json"),
        "cause": f"{failure.failure_class.value}: {failure.message}" if failure else "unknown",
        "log_tail": (failure.log_tail if failure else "") or _log(layout, blamed, blamed.attempt, STDERR),
        "removed_at": now.isoformat(),
        "removed_by": actor,
        "size_bytes": size_bytes,
        "jobs": [_of_job(job, attempts.of_job(tx, job.id), layout) for job in jobs],
    }


def _of_job(job: Job, tried: list[Attempt], layout: Layout) -> dict[str, Any]:
    kept = {"id", "recipe", "recipe_version", "params", "inputs", "seed", "threads", "status", "retry_count", "failure", "reason"}
    return {
        **job.model_dump(mode="json", include=kept | {"submitted_by", "created_at", "started_at", "completed_at"}),
        "attempts": [
            {
                **attempt.model_dump(
                    mode="json", include={"number", "outcome", "failure", "exit_code", "signal", "started_at", "ended_at"}
                ),
                "stdout": _log(layout, job, attempt.number, STDOUT),
                "stderr": _log(layout, job, attempt.number, STDERR),
            }
            for attempt in tried
        ],
    }


def _log(layout: Layout, job: Job, number: int, name: str) -> str:
    try:
        return publish.tail(publish.log_file(job, number, name, layout=layout), HEADER_LINES)
    except NotFound:
        return ""
