"""Rigs of bench_enqueue: `enqueue_rig.py KIND WHERE`, each with one durable enqueue per job and no worker up."""

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rigs import serve


def arc(folder: str) -> Callable[[int], object]:
    """ARC's verb: validated, frozen, written with its event."""
    from arc.app import build
    from arc.core.job import JobRequest
    from arc.settings import Settings

    app = build(Settings(workspace=Path(folder), allow_fault_jobs=True))
    return lambda i: app.jobs.submit(JobRequest(recipe="probe.faults", params={"faults": {"epochs": 0}}), actor="bench")


def bare(folder: str) -> Callable[[int], object]:
    """One INSERT and its commit, as durable."""
    connection = sqlite3.connect(f"{folder}/bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, content TEXT)")
    content = json.dumps({"recipe": "probe.faults", "params": {"faults": {"epochs": 0}}, "more": "x" * 800})
    return lambda i: connection.execute("INSERT INTO jobs VALUES (?, ?)", (f"job_{i:08}", content))


def rq(port: str) -> Callable[[int], object]:
    """RQ's enqueue."""
    import redis
    import rq as peer

    queue = peer.Queue(connection=redis.Redis(port=int(port)))
    return lambda i: queue.enqueue("time.time")


def procrastinate(url: str) -> Callable[[int], object]:
    """Procrastinate's defer."""
    import procrastinate as peer

    app = peer.App(connector=peer.SyncPsycopgConnector(conninfo=url))
    app.open()
    app.schema_manager.apply_schema()

    @app.task(name="nothing")
    def nothing() -> None:
        pass

    return lambda i: nothing.defer()


def main() -> None:
    """Work in turns."""
    act = {"arc": arc, "bare": bare, "rq": rq, "procrastinate": procrastinate}[sys.argv[1]](sys.argv[2])
    done = 0

    def work(count: int) -> list[float]:
        nonlocal done
        took = []
        for _ in range(count):
            began = time.perf_counter()
            act(done)
            took.append((time.perf_counter() - began) * 1000)
            done += 1
        return took

    serve(work)


if __name__ == "__main__":
    main()
