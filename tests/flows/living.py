"""A living house for a story: an app with its engine, and the few verbs that stories repeat."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from arc.app import App, build
from arc.core.event import Event
from arc.core.job import Job, JobRequest
from arc.settings import Settings

PATIENCE_S = 120


@asynccontextmanager
async def living(workspace: Path, **settings: Any) -> AsyncIterator[App]:
    """The app over `workspace`, its engine running; stopped gracefully at the end."""
    given = {"allow_fault_jobs": True, "memory_reserve_gb": 0.0, "sample_interval_s": 0.5} | settings
    app = build(Settings(workspace=workspace, **given))
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


def submit(app: App, recipe: str, params: dict[str, Any] | None = None, **fields: Any) -> Job:
    """Submit with retries that do not wait."""
    request = JobRequest(**({"recipe": recipe, "params": params or {}, "retry_delay_seconds": 0.0} | fields))
    return app.jobs.submit(request, actor="story")


def probe(app: App, faults: dict[str, Any], **fields: Any) -> Job:
    """Submit the recipe that breaks on purpose."""
    return submit(app, "probe.faults", {"faults": faults}, **fields)


async def finished(app: App, job: Job) -> Job:
    """The job when it is over."""
    ended = await app.engine.finished(job.id, PATIENCE_S)
    assert ended.terminal, f"{job.recipe} is still {ended.status}: {app.jobs.waiting_for(ended)}"
    return ended


async def completed(app: App, job: Job) -> Job:
    """The job, which must complete."""
    ended = await finished(app, job)
    assert ended.status == "completed", ended.failure
    return ended


async def seen(app: App, subject: str, wanted: Callable[[Event], bool]) -> Event:
    """The first event about `subject` that is wanted; waits for it."""
    async with asyncio.timeout(PATIENCE_S):
        async for message in app.hub.stream(subject):
            if message.event is not None and wanted(message.event):
                return message.event
    raise AssertionError(f"the stream of {subject} ended before the event came")


def kind(name: str, **detail: Any) -> Callable[[Event], bool]:
    """Matches events of a kind with these details."""
    return lambda event: event.kind == name and all(event.detail.get(key) == value for key, value in detail.items())


async def running_pid(app: App, job: Job) -> int:
    """The process of the job's current attempt, as soon as there is one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            attempts = app.jobs.attempts(job.id)
            if attempts and (identity := attempts[-1].identity) is not None:
                return identity.pid
            with app.hub.listening(job.id) as changed:
                if not app.jobs.attempts(job.id) or app.jobs.attempts(job.id)[-1].identity is None:
                    await changed.wait()


def gone(pid: int) -> bool:
    """Whether the process is no more (or a zombie nobody has reaped yet)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def dataset(app: App, *, patients: int = 24, size_px: int = 64) -> str:
    """A small synthetic dataset; its reference."""
    drawn = submit(app, "data.synthetic_fundus", {"patients": patients, "size_px": size_px}, seed=1)
    unpacked = submit(app, "data.unpack", {"name": "small"}, inputs={"archive": f"job:{drawn.id}/synthetic-fundus.zip"}, seed=1)
    made = await completed(app, unpacked)
    assert made.result is not None
    return f"dataset:small@{made.result['version']}"


SMALL = {"epochs": 6, "input_size": 32, "patience": 0, "batch_size": 8}


def curves(app: App, job: Job) -> dict[str, tuple[list[float], list[float]]]:
    """Every metric of the job, point by point."""
    found = {}
    for name in app.jobs.metric_names(job.id):
        curve = app.jobs.curve(job.id, name, max_points=100_000)
        assert not curve.downsampled
        found[name] = (list(curve.steps), list(curve.values))
    return found
