"""Rigs of bench_enqueue: `enqueue_rig.py KIND WHERE THREADS`, each with one durable enqueue per job and no worker up."""

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    """One INSERT and its commit, as durable; several threads take turns."""
    connection = sqlite3.connect(f"{folder}/bare.db", isolation_level=None, check_same_thread=False)
    turn = threading.Lock()
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, content TEXT)")
    content = json.dumps({"recipe": "probe.faults", "params": {"faults": {"epochs": 0}}, "more": "x" * 800})

    def insert(i: int) -> None:
        with turn:
            connection.execute("INSERT INTO jobs VALUES (?, ?)", (f"job_{i:08}", content))

    return insert


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
    threads = int(sys.argv[3])
    pool = ThreadPoolExecutor(threads)
    done = 0

    def one(number: int) -> float:
        began = time.perf_counter()
        act(number)
        return (time.perf_counter() - began) * 1000

    def work(count: int) -> list[float]:
        nonlocal done
        numbers = range(done, done + count)
        done += count
        if threads == 1:
            return [one(number) for number in numbers]
        return list(pool.map(one, numbers))

    serve(work)


if __name__ == "__main__":
    main()
