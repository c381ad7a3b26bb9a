"""The store against the least it could cost: durable submits, claims, pages and long curves, on SQLite.

A submit (job row, needs, event, one durable commit) goes in turns with a bare `sqlite3` INSERT of the same bytes, both in
WAL mode with synchronous=FULL on the same disk. Claims and pages with 100, 100,000 and 1,000,000 jobs queued go in turns
too. A curve of 1,000,000 points is read as 1,000, against only reading its bytes.

    python benchmarks/bench_store.py [FOLDER]
"""

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from sqlalchemy import text

from arc.core.clock import SystemClock
from arc.store import events, jobs, metrics, tables
from arc.store.engine import Store
from arc.store.nouns import encode_cursor
from arc.testing.store_values import MOMENT, job

SUBMITS = 1000
CLAIMS = 40
QUEUED = (100, 100_000, 1_000_000)
POINTS = 1_000_000


def timed(count: int, act: Callable[[int], object]) -> list[float]:
    """Milliseconds of each of `act(0) … act(count - 1)`."""
    took = []
    for i in range(count):
        began = time.perf_counter()
        act(i)
        took.append((time.perf_counter() - began) * 1000)
    return took


def spread(took: list[float]) -> str:
    """p50 and p95 of milliseconds, and how many a second one caller gets."""
    p95 = statistics.quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    return f"p50 {statistics.median(took):7.3f} ms   p95 {p95:7.3f} ms   {1000 / statistics.mean(took):8.0f}/s"


def submits(store: Store, folder: Path) -> None:
    """Submits and bare commits, in turns."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as bare:
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=FULL")
        bare.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, content TEXT)")
        content = job().model_dump_json()

        def plain(i: int) -> None:
            bare.execute("INSERT INTO jobs VALUES (?, ?)", (f"job_{i:06}", content))

        def submit(i: int) -> None:
            with store.write() as tx:
                jobs.insert(tx, job(f"job_{i:06}"), key=f"k{i}", request_digest="d")
                events.append(tx, subject=f"job_{i:06}", kind="job.submitted", actor="bench", detail={"recipe": "probe.faults"})

        ours: list[float] = []
        theirs: list[float] = []
        for i in range(0, SUBMITS, 50):
            ours += timed(50, lambda j, i=i: submit(i + j))
            theirs += timed(50, lambda j, i=i: plain(i + j))
    print(f"submit, durable          {spread(ours)}")
    print(f"bare INSERT, durable     {spread(theirs)}")
    print(f"    ratio of the medians {statistics.median(ours) / statistics.median(theirs):.2f}")


def filled(path: Path, queued: int) -> Store:
    """A store with so many queued jobs, all copies of one."""
    store = Store.open(f"sqlite:///{path}", clock=SystemClock())
    names = ", ".join(column.name for column in tables.jobs.columns if column.name != "id")
    with store.write() as tx:
        jobs.insert(tx, job(f"job_{0:06}"))
        tx.conn.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :queued - 1) "
                f"INSERT INTO jobs (id, {names}) SELECT printf('job_%06d', i), {names} FROM n, jobs WHERE jobs.id = 'job_000000'"
            ),
            {"queued": queued},
        )
    store.upkeep()
    return store


def claim(store: Store) -> None:
    """Look at the queue as the engine does, and take the first job."""
    with store.read() as tx:
        (first,) = jobs.claimable(tx, now=MOMENT, limit=1)
        jobs.next_due(tx, now=MOMENT)
    with store.write() as tx:
        assert jobs.claim(tx, first.id, now=MOMENT) is not None


def page(store: Store, cursor: str | None = None) -> str | None:
    """A page of queued jobs; where the next one starts."""
    with store.read() as tx:
        return jobs.page(tx, limit=50, cursor=cursor, statuses=["queued"]).next_cursor


def queues(folder: Path) -> None:
    """Claims and pages with a short and a long queue, in turns, so that both meet the same machine."""
    stores = {queued: filled(folder / f"{queued}.db", queued) for queued in QUEUED}
    deep = {queued: encode_cursor(f"job_{queued // 2 + 25:06}") for queued in stores}
    acts: dict[str, Callable[[Store, int], object]] = {
        "claim": lambda store, _: claim(store),
        "first page": lambda store, _: page(store),
        "middle page": lambda store, queued: page(store, deep[queued]),
    }
    for name, act in acts.items():
        took: dict[int, list[float]] = {queued: [] for queued in stores}
        for _ in range(CLAIMS):
            for queued, store in stores.items():
                took[queued] += timed(1, lambda _, act=act, store=store, queued=queued: act(store, queued))
        for queued, times in took.items():
            print(f"{name:11} of {queued:9,} {spread(times)}")
        few, *many = (statistics.median(took[queued]) for queued in QUEUED)
        print("    ratios of the medians to the first: " + ", ".join(f"{one / few:.2f}" for one in many))
    for store in stores.values():
        store.close()


def curves(store: Store) -> None:
    """Write and read a long curve."""
    with store.write() as tx:
        jobs.insert(tx, job())
    values = np.random.default_rng(0).standard_normal(POINTS).cumsum().tolist()

    def write(i: int) -> None:
        points = [(float(step), values[step], 0.0) for step in range(i * 1000, (i + 1) * 1000)]
        with store.write() as tx:
            metrics.append(tx, job_id="job_1", attempt=1, points={"loss": points})

    took = timed(POINTS // 1000, write)
    print(f"1,000 points, durable    {spread(took)}   {POINTS / sum(took) * 1000:,.0f} points/s")

    def read(_: int) -> None:
        with store.read() as tx:
            curve = metrics.curve(tx, "job_1", "loss", max_points=1000)
        assert len(curve.steps) == 1000
        json.dumps(curve.model_dump(mode="json"))

    def raw(_: int) -> None:
        with store.read() as tx:
            chunks = tx.conn.execute(
                text("SELECT data FROM metric_chunks WHERE job_id = 'job_1' AND name = 'loss' ORDER BY attempt, chunk")
            )
            assert sum(len(row[0]) for row in chunks) == POINTS * 24

    print(f"curve of {POINTS:,} as 1,000 {spread(timed(15, read))}")
    print(f"    only reading its bytes   {spread(timed(15, raw))}")


def main() -> None:
    """Run all of it in a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        folder = Path(name)
        store = Store.open(f"sqlite:///{folder / 'arc.db'}", clock=SystemClock())
        print(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}, {folder}")
        submits(store, folder)
        queues(folder)
        curves(store)
        store.close()


if __name__ == "__main__":
    main()
