"""Sweep: what a crash left behind and nothing will ever use, once it has lain for a day.

temporary files      of writers that were killed; a whole file has another name
folders set aside    to be deleted: what was deleted goes, what was not (its row is there) comes back to its place
staging folders      of jobs that completed: all they made was published before their rows said so
dataset folders      put in place by a job that did not complete, so that no row names them
uploads              a week old, that no job waits for

A thing goes only when this store shows where it came from. A store that is newer than the workspace, or that was
brought back from a backup, knows too little of the files, and its ignorance deletes nothing.
"""

import itertools
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from arc import catalog
from arc.core.cleaning import Finding
from arc.core.clock import from_unix
from arc.core.errors import NotFound, RecipeBroken
from arc.core.inputs import parse_input
from arc.core.job import Job
from arc.core.states import JobStatus
from arc.jobs import publish
from arc.jobs.contents import is_temporary, remove_tree, size_of
from arc.jobs.paths import ASIDE, Layout
from arc.jobs.retention import known
from arc.store import datasets, experiments
from arc.store import jobs as rows
from arc.store.engine import Tx

AGE = timedelta(days=1)
_UPLOAD_AGE = timedelta(days=7)  # a failed job may be resumed, and reads it again
_ATTEMPT = re.compile(r"(?P<job>.+)\.(?P<number>\d+)")
_PART_OF_BYTES = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{8}")
_HOMES = ("experiments", "jobs")

Act = Literal["unlink", "remove", "retire", "restore"]


@dataclass(frozen=True)
class Leftover:
    """One thing to be swept, and how."""

    path: Path
    act: Act
    why: str

    def finding(self, layout: Layout) -> Finding:
        """As a clean-up says it."""
        path, goes = layout.relative(self.path), self.act != "restore"
        return Finding(kind="leftover", id=path, path=path, goes=goes, why=self.why, size_bytes=size_of(self.path) if goes else 0)


def carry_out(leftover: Leftover) -> None:
    """Sweep one thing; nothing happens when it is gone already. OSError when it cannot be."""
    path = leftover.path
    if leftover.act == "unlink":
        path.unlink(missing_ok=True)
    elif leftover.act == "restore":
        found = ASIDE.fullmatch(path.name)
        assert found is not None
        path.rename(path.with_name(found["name"]))
    else:
        if leftover.act == "retire":
            publish.file_logs(path, path.parent.parent / "logs")
        remove_tree(path)


def find(tx: Tx, *, layout: Layout, now: datetime, attended: Callable[[], Collection[str]]) -> Iterator[Leftover]:
    """Everything that may be swept now."""
    open_ = {f"{job.id}.{job.attempt}" for job in rows.running(tx)}
    for room in _HOMES:
        yield from _aside(tx, layout.workspace / room, now)
        yield from _staged(tx, layout.workspace / room, now, attended)
        yield from _temporary(layout.workspace / room, now, skip=open_)
    for path in (layout.workspace / "artifacts").glob("??/.*"):
        if _PART_OF_BYTES.fullmatch(path.name) and _is_old(path, now):
            yield Leftover(path, "unlink", "a file that was being put away when its process ended")
    for room in ("datasets", "sealed"):
        yield from _unnamed_datasets(tx, layout.workspace / room, now)
    yield from _uploads(tx, layout.workspace / "imports", now)


def _is_old(path: Path, now: datetime, *, age: timedelta = AGE) -> bool:
    """Whether nobody has written, moved or linked it for a day, or for `age`."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return False
    return from_unix(max(state.st_mtime, state.st_ctime)) < now - age


def _aside(tx: Tx, room: Path, now: datetime) -> Iterator[Leftover]:
    for path in sorted(room.glob(".*")):
        found = ASIDE.fullmatch(path.name)
        if found is None or path.is_symlink() or not _is_old(path, now):
            continue
        if not _has_row(tx, room.name, found["name"]):
            yield Leftover(path, "remove", f"{found['name']} was deleted, and its files were not to the end")
        elif not (room / found["name"]).exists():
            yield Leftover(path, "restore", f"{found['name']} was not deleted after all: its folder goes back")


def _has_row(tx: Tx, room: str, name: str) -> bool:
    try:
        experiments.get(tx, name) if room == "experiments" else rows.get(tx, name)
    except NotFound:
        return False
    return True


def _staged(tx: Tx, room: Path, now: datetime, attended: Callable[[], Collection[str]]) -> Iterator[Leftover]:
    for path in sorted(room.glob("[!.]*/attempts/[!.]*")):
        found = _ATTEMPT.fullmatch(path.name)
        job = known(tx, found["job"]) if found else None
        if job is not None and job.status is JobStatus.COMPLETED and _is_old(path, now) and job.id not in attended():
            yield Leftover(path, "retire", f"job {job.id} completed, and what it made is published")


def _temporary(room: Path, now: datetime, *, skip: Collection[str]) -> Iterator[Leftover]:
    """Only where ARC itself writes; what people keep in a home has names of its own."""
    staged = (path for path in room.glob("[!.]*/attempts/[!.]*") if path.name not in skip)
    written = (Path(parent, name) for folder in staged for parent, _, names in os.walk(folder) for name in sorted(names))
    for path in itertools.chain(room.glob("[!.]*/.*"), room.glob("[!.]*/config/.*"), written):
        if is_temporary(path.name) and _is_old(path, now):
            yield Leftover(path, "unlink", "a file that was being written when its process ended")


def _unnamed_datasets(tx: Tx, room: Path, now: datetime) -> Iterator[Leftover]:
    for path in sorted(room.glob("[!.]*/[1-9]*")):
        name, version = path.parent.name, path.name
        if not version.isdecimal() or not path.is_dir() or path.is_symlink() or not _is_old(path, now):
            continue
        if not _has_version(tx, name, int(version)) and (job := _maker(tx, name, path)) is not None:
            yield Leftover(path, "remove", f"job {job.id} put it here and did not complete: no dataset version names it")


def _has_version(tx: Tx, name: str, version: int) -> bool:
    return any(found.version == version for found in datasets.versions(tx, name))


def _maker(tx: Tx, name: str, path: Path) -> Job | None:
    """The job of this store that was just ending when the folder came here, and did not complete; None when there is none."""
    came = from_unix(path.lstat().st_ctime)
    ended = _jobs(tx, JobStatus.FAILED, JobStatus.CANCELLED)
    return next((job for job in ended if _ended_around(job, came) and _makes(job, name)), None)


def _ended_around(job: Job, moment: datetime) -> bool:
    return bool(job.started_at and job.completed_at and job.started_at <= moment <= job.completed_at)


def _makes(job: Job, name: str) -> bool:
    """Whether the job was to make a version of the dataset: one it names, or else that of its input."""
    try:
        if "dataset" not in catalog.spec(job.recipe).outputs.values():
            return False
    except (NotFound, RecipeBroken):  # of a package that is not installed any more
        return False
    given = job.params.get("name")
    return given == name if given else any(parse_input(ref, field="inputs").target == name for ref in job.inputs.values())


def _uploads(tx: Tx, room: Path, now: datetime) -> Iterator[Leftover]:
    """What was sent a week ago, unless a job that is not over still names it."""
    found = sorted(room.glob("*upload_*"))
    old = [path for path in found if path.is_file() and not path.is_symlink() and _is_old(path, now, age=_UPLOAD_AGE)]
    if not old:
        return
    open_ = _jobs(tx, JobStatus.PENDING, JobStatus.QUEUED, JobStatus.RUNNING)
    waiting = {ref.removeprefix("path:") for job in open_ for ref in job.inputs.values()}
    for path in old:
        if str(path.resolve()) not in waiting:
            yield Leftover(path, "unlink", "an upload that no job waits for any more")


def _jobs(tx: Tx, *statuses: JobStatus) -> Iterator[Job]:
    cursor = None
    while True:
        page = rows.page(tx, statuses=statuses, limit=200, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
