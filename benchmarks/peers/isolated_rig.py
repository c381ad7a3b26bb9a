"""Rigs of bench_isolated: `isolated_rig.py arc|rq|rq-torch WHERE`; a turn submits so many no-op jobs and waits for the last.

RQ's two workers fork a process for each job, their default; ours forks one under a reaper, with two slots, and from a
process that has torch in memory. `rq-torch` gives RQ's workers torch as well.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from rigs import serve


def arc(folder: str) -> None:
    """The whole control plane in this process: queue, engine, warm server, journal, records."""
    from arc.app import build
    from arc.core.job import JobRequest
    from arc.settings import Settings
    from arc.telemetry import logs

    logs.configure(stream=sys.stderr)
    nothing = JobRequest(recipe="probe.faults", params={"faults": {"epochs": 0}})

    async def main() -> None:
        app = build(Settings(workspace=Path(folder), allow_fault_jobs=True, task_slots=2))
        await app.start()

        async def turn(count: int) -> list[float]:
            began = time.perf_counter()
            jobs = [await asyncio.to_thread(app.jobs.submit, nothing, actor="bench") for _ in range(count)]
            for job in jobs:
                assert (await app.engine.finished(job.id, 120)).status == "completed"
            return [count / (time.perf_counter() - began)]

        await turn(3)
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(serve, lambda count: asyncio.run_coroutine_threadsafe(turn(count), loop).result())
        await app.stop()

    asyncio.run(main())


def rq(port: str, *, before: str = "") -> None:
    """Two workers, default settings; `before` is what they run before they begin."""
    import redis
    import rq as peer

    connection = redis.Redis(port=int(port))
    queue = peer.Queue(connection=connection)
    work = f"import redis, rq; rq.Worker(['default'], connection=redis.Redis(port={int(port)})).work(logging_level='ERROR')"
    command = [sys.executable, "-c", before + work]
    workers = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(2)]

    def turn(count: int) -> list[float]:
        began = time.perf_counter()
        jobs = [queue.enqueue("time.time") for _ in range(count)]
        waiting = {job.id for job in jobs}
        while waiting:
            time.sleep(0.01)
            waiting -= set(queue.finished_job_registry.get_job_ids())
        return [count / (time.perf_counter() - began)]

    turn(3)
    serve(turn)
    for worker in workers:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    if sys.argv[1] == "arc":
        arc(sys.argv[2])
    else:
        rq(sys.argv[2], before="import torch; " if sys.argv[1] == "rq-torch" else "")
