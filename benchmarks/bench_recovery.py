"""How soon a killed attempt is recorded, and how soon a killed control plane's job is followed again.

An attempt is killed with SIGKILL, and its job has failed when that is in the store. A control plane is killed with
SIGKILL too, and another one started: the job is followed again when its journal is read further than before. The
clock of processes is shared (CLOCK_MONOTONIC), so the imports of the new process are told apart.

    python benchmarks/bench_recovery.py [ATTEMPTS] [PLANES]
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from arc.app import App, build
from arc.core.attempt import Attempt
from arc.core.job import JobRequest
from arc.settings import Settings
from arc.store import attempts


def settings(folder: Path) -> Settings:
    """A workspace in which faults are allowed."""
    return Settings(workspace=folder, allow_fault_jobs=True)


def request(**faults: object) -> JobRequest:
    """A job of many short epochs, never retried."""
    return JobRequest(recipe="probe.faults", params={"faults": {"epochs": 1_000_000, **faults}}, max_retries=0)


async def living(app: App, job_id: str | None = None, *, beyond: int = 0) -> Attempt:
    """The attempt that runs, as soon as its journal is read beyond an offset."""
    while True:
        with app.store.read() as tx:
            for found in attempts.open(tx):
                if found.identity and found.journal_offset > beyond and job_id in (None, found.job_id):
                    return found
        await asyncio.sleep(0.002)


async def attempts_killed(folder: Path, rounds: int) -> list[float]:
    """Milliseconds from the kill to the failed job in the store."""
    app = build(settings(folder))
    await app.start()
    took = []
    for _ in range(rounds):
        job = app.jobs.submit(request(epoch_s=0.05), actor="bench")
        attempt = await living(app, job.id)
        assert attempt.identity is not None
        began = time.perf_counter()
        os.kill(attempt.identity.pid, signal.SIGKILL)
        assert (await app.engine.finished(job.id, 60)).status == "failed"
        took.append((time.perf_counter() - began) * 1000)
    await app.stop()
    return took


async def plane(folder: Path) -> None:
    """A control plane: takes up what it finds, or else begins a job; says when, and waits to be killed."""
    app = build(settings(folder))
    with app.store.read() as tx:
        before = attempts.open(tx)
    began = time.perf_counter()
    await app.start()
    if not before:
        app.jobs.submit(request(epoch_s=0.02), actor="bench")
    found = await living(app, beyond=before[0].journal_offset if before else 0)
    print(json.dumps({"began": began, "followed": time.perf_counter(), "attempt": found.number}), flush=True)
    await asyncio.Event().wait()


def planes_killed(folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds until the job is followed again: from the start of the process, and from the start of the app in it."""
    whole, own = [], []
    for number in range(rounds + 1):
        born = time.perf_counter()
        process = subprocess.Popen([sys.executable, __file__, "--plane", str(folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        while not line.startswith("{"):
            line = process.stdout.readline()
        said = json.loads(line)
        assert said["attempt"] == 1
        if number:
            whole.append(said["followed"] - born)
            own.append(said["followed"] - said["began"])
        process.kill()
        process.wait()
        process.stdout.close()
    return whole, own


async def end_all(folder: Path) -> None:
    """Cancel what is left."""
    app = build(settings(folder))
    await app.start()
    attempt = await living(app)
    app.jobs.cancel(attempt.job_id, rollback=True, actor="bench")
    await app.engine.finished(attempt.job_id, 60)
    await app.stop()


def main() -> None:
    """Measure both and print."""
    if sys.argv[1:2] == ["--plane"]:
        asyncio.run(plane(Path(sys.argv[2])))
        return
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    restarts = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as name:
        took = asyncio.run(attempts_killed(Path(name) / "attempts", kills))
        whole, own = planes_killed(Path(name) / "planes", restarts)
        asyncio.run(end_all(Path(name) / "planes"))
    print(f"attempt killed -> job failed in the store   median {statistics.median(took):6.1f} ms [{min(took):.1f}-{max(took):.1f}]")
    print(f"control plane started -> job followed again median {statistics.median(own):6.2f} s  [{min(own):.2f}-{max(own):.2f}]")
    print(f"    the imports of the new process included median {statistics.median(whole):6.2f} s  [{min(whole):.2f}-{max(whole):.2f}]")
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
