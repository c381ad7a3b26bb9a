"""Retention: what is kept of jobs that are over, and for how long.

Of the checkpoints of a job the best, the newest ones and the pinned stay, and any that another job reads. A
checkpoint counts as one of the newest only when its bytes are there and are the recorded ones, so that damage
never costs the last good one. Of a job without an experiment the whole folder goes after some days; its row and
what it published stay. What a job that is not over may still read is never touched: it may resume from it.

Not covered: a wall clock that is set ahead by more than the retention makes old what is not.
"""

import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from arc.artifacts import digest_file
from arc.core.artifact import Artifact
from arc.core.cleaning import Finding
from arc.core.errors import NotFound
from arc.core.job import Job
from arc.jobs.contents import size_of
from arc.jobs.paths import Layout
from arc.store import artifacts, events, leftovers
from arc.store import jobs as rows
from arc.store.engine import Store, Tx


def reader_of(tx: Tx, targets: Sequence[str]) -> str | None:
    """A job that is not over and may read one of the targets (digests and job ids), through jobs that it resumes too."""
    seen: set[str] = set()
    while targets:
        seen.update(targets)
        found = rows.referring(tx, list(targets))
        for job in found:
            if not job.terminal:
                return job.id
        targets = [job.id for job in found if job.resumed_from in seen and job.id not in seen]
    return None


def best_of(tx: Tx, job_id: str) -> tuple[int, int] | None:
    """Attempt and step of the checkpoint that was last said to be the best; None when none was."""
    said = [event.detail for event in events.of_kind(tx, job_id, "attempt.checkpoint") if event.detail.get("best")]
    return (said[-1]["attempt"], said[-1]["step"]) if said else None


def superfluous(found: Sequence[Artifact], *, keep: int, best: tuple[int, int] | None, whole: Callable[[Artifact], bool]) -> list[Artifact]:
    """The checkpoints, given newest first, that retention lets go: those older than the newest `keep` whole ones,
    neither best nor pinned."""
    counted = 0
    going = []
    for row in found:
        if counted < keep:
            counted += whole(row)
        elif not row.pinned and (row.attempt, row.step) != best:
            going.append(row)
    return going


def checkpoints(store: Store, job_id: str, *, keep: int, layout: Layout) -> list[tuple[Artifact, Finding]]:
    """What goes of the checkpoints of a job that is over, and what stays although it is not among the newest.

    Reads all bytes of the newest ones, outside any transaction.
    """
    with store.read() as tx:
        found, best = artifacts.checkpoints(tx, job_id), best_of(tx, job_id)
    going = superfluous(found, keep=keep, best=best, whole=lambda row: is_whole(row, layout))
    with store.read() as tx:
        reasons = [reason_to_keep(tx, row, layout) for row in going]
    return [
        (
            row,
            Finding(
                kind="checkpoint",
                id=job_id,
                path=row.path,
                goes=why is None,
                why=why or f"step {row.step} of attempt {row.attempt}: older than the newest {keep}, not the best, not pinned",
                size_bytes=row.size_bytes,
            ),
        )
        for row, why in zip(going, reasons, strict=True)
    ]


def reason_to_keep(tx: Tx, row: Artifact, layout: Layout) -> str | None:
    """Who may read a checkpoint; None when nobody does. Asked again in the transaction that takes it."""
    if (reader := reader_of(tx, [row.job_id])) is not None:
        return f"job {reader} may read it"
    readers = [job.id for job in rows.referring(tx, [row.digest])] or leftovers.reading_below(tx, str(layout.stored(row.path)))
    return f"job {readers[0]} reads it" if readers else None


def is_whole(row: Artifact, layout: Layout) -> bool:
    """Whether the bytes of an artifact are there and are the recorded ones."""
    try:
        return digest_file(layout.stored(row.path))[0] == row.digest
    except OSError:
        return False


def old_jobs(tx: Tx, *, layout: Layout, before: datetime, attended: Callable[[], Collection[str]]) -> list[Finding]:
    """The folders of jobs without an experiment that were over before a moment."""
    findings = []
    for folder in sorted((layout.workspace / "jobs").glob("[!.]*")):
        job = known(tx, folder.name)
        if job is None or not _is_old(job, before):
            continue
        why = _reason_to_stay(tx, job, layout, attended)
        said = why or f"it is {job.status.value} since {job.completed_at:%Y-%m-%d}; its row and what it published stay"
        size = size_of(folder) if why is None else 0
        findings.append(Finding(kind="job", id=job.id, path=layout.relative(folder), goes=why is None, why=said, size_bytes=size))
    return findings


def may_go(tx: Tx, job_id: str, *, layout: Layout, before: datetime, attended: Callable[[], Collection[str]]) -> bool:
    """Whether the folder of the job may go now; asked again in the transaction that takes it."""
    job = known(tx, job_id)
    return job is not None and _is_old(job, before) and _reason_to_stay(tx, job, layout, attended) is None


def known(tx: Tx, job_id: str) -> Job | None:
    """The job of a folder; None when the store has none of this name, and then the folder is nobody's to delete."""
    try:
        return rows.get(tx, job_id)
    except NotFound:
        return None


def _is_old(job: Job, before: datetime) -> bool:
    return job.experiment_id is None and job.terminal and job.completed_at is not None and job.completed_at < before


def _reason_to_stay(tx: Tx, job: Job, layout: Layout, attended: Callable[[], Collection[str]]) -> str | None:
    if job.id in attended():
        return "the engine is just tidying up after it"
    if any(row.pinned for row in artifacts.of_job(tx, job.id)):
        return "a checkpoint of it is pinned"
    reader = reader_of(tx, [job.id]) or next(iter(leftovers.reading_below(tx, os.path.realpath(layout.home(job)))), None)
    return f"job {reader} may read it" if reader else None


def staged_below(tx: Tx, job_id: str, folder: Path, *, layout: Layout) -> list[str]:
    """Ids of the artifacts of a job that lie in a folder and nowhere else."""
    inside = f"{layout.relative(folder)}/"
    return [row.id for row in artifacts.of_job(tx, job_id) if not row.published and row.path.startswith(inside)]
