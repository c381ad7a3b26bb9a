"""The evidence: everything that the store, the journals and the ledgers say once nothing runs any more.

The store is read row by row, and the journals with a parser of our own, so that a mistake in the code that is judged
cannot hide itself.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from arc.core.artifact import Artifact
from arc.core.attempt import Attempt
from arc.core.clock import SystemClock
from arc.core.event import Event
from arc.core.job import Job
from arc.core.journal import JOURNAL
from arc.jobs import sweep
from arc.jobs.paths import Layout
from arc.store import artifacts, attempts, events, tables
from arc.store import jobs as rows
from arc.store.engine import Store, Tx

Points = dict[str, list[tuple[float, float | None]]]


@dataclass
class Evidence:
    """The state of a workspace after a run."""

    layout: Layout
    jobs: dict[str, Job] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # ids by idempotency key
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    artifacts: dict[str, list[Artifact]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    swept: int = 0  # files and folders of killed writers that the sweep took
    rolled_back: set[str] = field(default_factory=set)  # jobs whose files a person wanted deleted
    points: dict[tuple[str, int], Points] = field(default_factory=lambda: defaultdict(dict))  # recorded, by attempt and metric

    def about(self, job_id: str) -> list[Event]:
        """The events of one job."""
        return [event for event in self.events if event.subject == job_id]

    def curves(self, job_id: str) -> Points:
        """The curves of a job: what a later attempt says of a step counts, and what an earlier one said of it does not."""
        merged: Points = {}
        for attempt in self.attempts[job_id]:
            for name, series in self.points[job_id, attempt.number].items():
                merged[name] = [point for point in merged.get(name, []) if point[0] < series[0][0]] + series
        return merged


def gather(workspace: Path, database_url: str = "") -> Evidence:
    """Read everything, and have ARC sweep the workspace as it would two days later; nothing may run meanwhile."""
    store = Store.open(database_url or f"sqlite:///{workspace / 'arc.db'}", clock=SystemClock())
    found = Evidence(Layout(workspace))
    try:
        with store.read() as tx:
            _read(tx, found)
            later = SystemClock().now() + timedelta(days=2)
            left = list(sweep.find(tx, layout=found.layout, now=later, attended=list))
        for leftover in left:
            sweep.carry_out(leftover)
        found.swept = len(left)
    finally:
        store.close()
    return found


def _read(tx: Tx, found: Evidence) -> None:
    for job_id, key in tx.conn.execute(select(tables.jobs.c.id, tables.jobs.c.idempotency_key).order_by(tables.jobs.c.id)):
        found.jobs[job_id] = rows.get(tx, job_id)
        found.keys[key or ""].append(job_id)
        found.attempts[job_id] = attempts.of_job(tx, job_id)
        found.artifacts[job_id] = artifacts.of_job(tx, job_id)
    found.events = events.after(tx, 0, limit=10_000_000)
    chunks = tables.metric_chunks.c
    query = select(chunks.job_id, chunks.attempt, chunks.name, chunks.data).order_by(
        chunks.job_id, chunks.attempt, chunks.name, chunks.chunk
    )
    for job_id, number, name, data in tx.conn.execute(query):
        found.points[job_id, number].setdefault(name, []).extend(_points(data))


def _points(data: bytes) -> list[tuple[float, float | None]]:
    numbers = memoryview(data).cast("d").tolist()
    return [(step, None if value != value else value) for step, value in zip(numbers[::3], numbers[1::3], strict=True)]


@dataclass
class JournalSays:
    """What the whole lines of one journal say."""

    points: Points = field(default_factory=dict)
    checkpoints: int = 0
    end: int = 0  # bytes up to the outcome, or to the end of the last whole line
    outcome: str | None = None


def journal(found: Evidence, job: Job, number: int) -> JournalSays | None:
    """The journal of an attempt, from its staging folder or from the kept logs; None when neither has it."""
    places = (found.layout.staging(job, number) / JOURNAL, found.layout.home(job) / "logs" / f"{job.id}.{number}.{JOURNAL}")
    there = [path.read_bytes() for path in places if path.is_file()]
    return parse(max(there, key=len)) if there else None


def parse(data: bytes) -> JournalSays:
    """Read a journal as its format says."""
    said = JournalSays()
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        entry: dict[str, Any] = json.loads(line)
        if entry["k"] == "outcome":
            said.outcome = entry["status"]
            break
        said.end += len(line)
        said.checkpoints += entry["k"] == "checkpoint"
        if entry["k"] == "metrics":
            for name, value in entry["v"].items():
                said.points.setdefault(name, []).append((float(entry["s"]), None if value is None else float(value)))
    return said


@dataclass(frozen=True)
class Line:
    """One line of a ledger: an attempt said that it works on an epoch."""

    at: float
    attempt: int
    epoch: int
    pid: int


def ledger(found: Evidence, job: Job) -> list[Line]:
    """The ledger of a job, in the order in which it was written."""
    path = found.layout.home(job) / "ledger.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    said = [line.split() for line in lines]
    return [Line(float(at), int(number), int(epoch), int(pid)) for at, _, number, _, epoch, pid in said]
