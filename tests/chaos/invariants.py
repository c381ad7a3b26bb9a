"""The invariants: what must hold after a run, whatever was killed. Each function says what does not, in sentences.

I1  every acknowledged id exists, each key stands for at most one job, no job is there that nobody asked for, none is lost
I2  the attempts of one job do not overlap in time, by the ledger that they write themselves and by their rows
I3  exactly one terminal event a job, its history is a path of core.states, event numbers have no gap
I4  an attempt that has ended writes nothing more
I5  the newest checkpoint of every job, and everything that was published, has the bytes that the store names
I6  no process is left, and of files nothing that the daily sweep does not take
J   every line of every journal is recorded exactly once
C   the curve of a completed job is that of its undisturbed twin
H   no attempt ended that was not ended by the agent, by a person, or by itself
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from safetensors import safe_open

from arc.artifacts import ArtifactStore
from arc.core.attempt import Attempt
from arc.core.errors import ArcError
from arc.core.job import Job
from arc.core.ports import Liveness
from arc.core.process import liveness
from arc.core.states import MOVES, TERMINAL, JobStatus
from arc.worker.durable import holds
from tests.chaos.agent import Record
from tests.chaos.evidence import Evidence, journal, ledger
from tests.chaos.feeder import Asked
from tests.chaos.workload import DRAWN, Wish

_MOVES = {(before, kind): after for (before, after), kind in MOVES.items()}
_TERMINAL_EVENTS = {event for (_, after), event in MOVES.items() if after in TERMINAL}
_TEMPORARY = re.compile(
    r"\..*\.part|\.part-.*|\.[0-9a-f]{64}\..*|\.(process|exit)\.json.*|\.journal\.reserve|\.(control\.json|arc\.db)\..*"
)
_CLOCK_S = 0.005  # rows and ledger lines are stamped by different processes


def violations(found: Evidence, asked: Asked, record: Record, calm: dict[str, str]) -> list[str]:
    """Everything that does not hold; empty after a good run."""
    found.rolled_back.update(
        job_id for job_id, acts in asked.acts.items() if "rollback" in acts and found.jobs[job_id].status == "cancelled"
    )
    checks = (
        acknowledged(found, asked), _each(found, one_at_a_time), numbered(found), _each(found, one_history), _each(found, fenced),
        _each(found, readable), tidy(found), _each(found, recorded_once), same_curves(found, asked, calm), healthy(found, asked, record),
    )  # fmt: skip
    return [*asked.complaints, *record.sights, *(said for check in checks for said in check)]


def _each(found: Evidence, check: Callable[[Evidence, Job], Iterator[str]]) -> Iterator[str]:
    for job in found.jobs.values():
        yield from check(found, job)


def acknowledged(found: Evidence, asked: Asked) -> Iterator[str]:
    """I1."""
    for key, job_id in asked.ids.items():
        if found.keys.get(f"key:{key}") != [job_id]:
            yield f"I1: {key} was acknowledged as {job_id}, the store has {found.keys.get(f'key:{key}')}"
    known = {f"key:{key}" for key in asked.wishes}
    for key, ids in found.keys.items():
        if len(ids) > 1 or not (key in known or key.startswith("key:calm-")):
            yield f"I1: the key {key} has {ids}"
        for job_id in set(ids) - set(found.jobs):
            yield f"I1: the key {key} has {job_id}, and there is no such job"
    for job in found.jobs.values():
        if not job.terminal:
            yield f"I1: {job.id} ({job.recipe}) is lost: still {job.status} at attempt {job.attempt}"


def one_at_a_time(found: Evidence, job: Job) -> Iterator[str]:
    """I2."""
    rows = found.attempts[job.id]
    if [row.number for row in rows] != list(range(1, job.attempt + 1)):
        yield f"I2: {job.id} has the attempts {[row.number for row in rows]}, its last number is {job.attempt}"
    for before, after in pairwise(rows):
        if before.ended_at is None or before.ended_at > after.started_at:
            yield f"I2: attempt {after.number} of {job.id} began at {after.started_at}, before {before.number} ended ({before.ended_at})"
    lines = ledger(found, job)
    for one, other in pairwise(lines):
        same = one.attempt == other.attempt
        if other.attempt < one.attempt or (same and (one.pid != other.pid or other.epoch != one.epoch + 1)):
            yield f"I2: the ledger of {job.id} has {one} and then {other}"
        if not same and other.epoch not in (one.epoch, one.epoch + 1):
            yield f"I2: {job.id} went from epoch {one.epoch} in attempt {one.attempt} to {other.epoch} in {other.attempt}"
    for row in rows:
        mine = [line.at for line in lines if line.attempt == row.number]
        if mine and (mine[0] < row.started_at.timestamp() - _CLOCK_S or (row.ended_at and mine[-1] > row.ended_at.timestamp() + _CLOCK_S)):
            yield f"I2: attempt {row.number} of {job.id} worked outside of its time"


def numbered(found: Evidence) -> Iterator[str]:
    """I3, of all events together."""
    numbers = [event.seq for event in found.events]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"I3: the numbers of {len(numbers)} events go from {numbers[:1]} to {numbers[-1:]} with gaps or twice"


def one_history(found: Evidence, job: Job) -> Iterator[str]:
    """I3, of one job."""
    status: JobStatus | None = None
    kinds = [event.kind for event in found.about(job.id)]
    for event in found.about(job.id):
        if event.kind == "job.submitted":
            status = JobStatus(event.detail["status"])
        elif any(kind == event.kind for kind in MOVES.values()):
            if (status, event.kind) not in _MOVES:
                yield f"I3: {job.id} was {status} when {event.kind} came (event {event.seq})"
            status = _MOVES.get((status, event.kind), status)
    ends = [kind for kind in kinds if kind in _TERMINAL_EVENTS]
    if len(ends) > 1 or (job.terminal and not ends) or status != job.status or kinds.count("job.submitted") != 1:
        yield f"I3: {job.id} is {job.status}, its events say {status}, its ends are {ends}"


def fenced(found: Evidence, job: Job) -> Iterator[str]:
    """I4."""
    current = 0
    for event in found.about(job.id):
        number = event.detail.get("attempt")
        if event.kind == "job.started":
            current = number
        elif event.kind.startswith("attempt.") and number != current:
            yield f"I4: {event.kind} of attempt {number} of {job.id} while {current} was the current one (event {event.seq})"
        elif event.kind == "job.requeued":
            current = 0
    for row in found.attempts[job.id]:
        if row.ended_at is None or row.outcome == "running":
            yield f"I4: attempt {row.number} of {job.id} has not ended"
    for made in found.artifacts[job.id]:
        if made.published and made.attempt != job.attempt:
            yield f"I4: {made.name} of {job.id} was published by attempt {made.attempt}, the last one is {job.attempt}"


def readable(found: Evidence, job: Job) -> Iterator[str]:
    """I5."""
    bytes_ = ArtifactStore(found.layout.workspace / "artifacts")
    for made in found.artifacts[job.id]:
        if made.published:
            try:
                bytes_.verify(made.digest)
            except ArcError as error:
                yield f"I5: {made.name} of {job.id}: {error.message}"
    newest = max(
        (made for made in found.artifacts[job.id] if made.kind == "checkpoint"),
        key=lambda made: (made.attempt, made.step or 0),
        default=None,
    )
    if newest is None:
        return
    path = found.layout.stored(newest.path)
    if (trouble := holds(path, newest.digest)) is not None:
        yield f"I5: the newest checkpoint of {job.id} ({job.status}): {trouble.message}"
    elif job.recipe == "probe.faults" and json.loads(path.read_text())["epoch"] != newest.step:
        yield f"I5: the checkpoint of {job.id} is not of step {newest.step}"
    elif job.recipe == "fundus.classify":
        with safe_open(path, framework="numpy") as file:
            list(file.keys())


def tidy(found: Evidence) -> Iterator[str]:
    """I6, of files."""
    left = [path for path in found.layout.workspace.rglob(".*") if _TEMPORARY.fullmatch(path.name)]
    for path in left:
        yield f"I6: a temporary file is left: {path.relative_to(found.layout.workspace)}"
    for job in found.jobs.values():
        if job.status is JobStatus.COMPLETED or job.id in found.rolled_back:
            for row in found.attempts[job.id]:
                if found.layout.staging(job, row.number).exists():
                    yield f"I6: attempt {row.number} of {job.id} ({job.status}) left its folder"


def recorded_once(found: Evidence, job: Job) -> Iterator[str]:
    """J."""
    events = [event.detail.get("attempt") for event in found.about(job.id) if event.kind == "attempt.checkpoint"]
    for row in found.attempts[job.id]:
        said = journal(found, job, row.number)
        if said is None:
            if job.id not in found.rolled_back and (row.journal_offset or row.outcome == "done"):
                yield f"J: the journal of attempt {row.number} of {job.id} is gone"
            continue
        recorded = found.points[job.id, row.number]
        if row.journal_offset != said.end:
            yield f"J: attempt {row.number} of {job.id} wrote {said.end} bytes, {row.journal_offset} are recorded"
        if recorded != said.points:
            count = {name: (len(series), len(recorded.get(name, []))) for name, series in said.points.items()}
            yield f"J: attempt {row.number} of {job.id}: points written and recorded: {count}"
        if events.count(row.number) != said.checkpoints:
            yield f"J: attempt {row.number} of {job.id}: {said.checkpoints} checkpoints written, {events.count(row.number)} recorded"


def same_curves(found: Evidence, asked: Asked, calm: dict[str, str]) -> Iterator[str]:
    """C."""
    for key, wish in asked.wishes.items():
        for job in (found.jobs[job_id] for job_id in found.keys.get(f"key:{key}", []) if job_id in found.jobs):
            if job.status is not JobStatus.COMPLETED:
                continue
            twin = found.jobs[calm[wish.twin]]
            for name, wanted in found.curves(twin.id).items():
                if found.curves(job.id).get(name) != wanted:
                    yield f"C: {name} of {job.id} after {job.attempt} attempts is not that of {twin.id} ({wish.twin})"
            strange = set(found.curves(job.id)) - set(found.curves(twin.id)) - DRAWN
            if strange or job.metrics != twin.metrics:
                yield f"C: {job.id} has {sorted(strange)} and {job.metrics}, its twin has {twin.metrics}"


def healthy(found: Evidence, asked: Asked, record: Record) -> Iterator[str]:
    """H."""
    wishes = {job_id: asked.wishes[key] for key, job_id in asked.ids.items()}
    for key, ids in found.keys.items():
        if (heard := key.removeprefix("key:")) in asked.wishes:
            wishes |= dict.fromkeys(ids, asked.wishes[heard])
    for job in found.jobs.values():
        wish, acts = wishes.get(job.id), asked.acts.get(job.id, set())
        if wish is not None and job.status != wish.fate and not (job.status is JobStatus.CANCELLED and acts & {"cancel", "rollback"}):
            yield f"H: {job.id} was to be {wish.fate} and is {job.status}: {job.failure or job.reason}"
        for row in found.attempts[job.id]:
            if row.identity is None and any(line.attempt == row.number for line in ledger(found, job)):
                yield f"H: attempt {row.number} of {job.id} worked, and no process of it is known"
            if row.outcome != "done" and not _explained(found, row, wish, acts, record):
                how = f"signal {row.signal}, code {row.exit_code}, {row.failure.message if row.failure else 'no failure'}"
                yield f"H: attempt {row.number} of {job.id} ended as {row.outcome} ({how}), and nobody had touched it"


def _explained(found: Evidence, row: Attempt, wish: Wish | None, acts: set[str], record: Record) -> bool:
    if row.identity is None or (row.job_id, row.number) in record.killed() or acts:
        return True  # it never began, or the agent, or a person
    if wish is not None and wish.fate == "failed" and row.failure is not None and row.failure.error == "RuntimeError":
        return True
    ended = row.ended_at.timestamp() if row.ended_at else 0.0
    why = next(
        (
            event.detail.get("why")
            for event in found.about(row.job_id)
            if event.detail.get("attempt") == row.number and "why" in event.detail
        ),
        "",
    )
    if why == "the control plane was stopped":
        return any(each.kind in ("stop", "asked") and each.at <= ended for each in record.injections)
    if "disk is full" in (why or "") or "No space" in (why or ""):
        return any(each.kind == "disk" and each.at <= ended for each in record.injections)
    return False


def still_alive(found: Evidence) -> Iterator[str]:
    """I6, of the processes that the rows name; those without a row are found by their mark."""
    for rows in found.attempts.values():
        for row in rows:
            if row.identity is not None and liveness(row.identity.pid, row.identity.start_time, row.identity.boot_id) is Liveness.ALIVE:
                yield f"I6: attempt {row.number} of {row.job_id} still lives as {row.identity.pid}"
