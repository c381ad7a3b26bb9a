"""Cleaning in a loop while jobs run, wait for a retry, retry and resume: what lives is not touched, what is broken goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from arc.app import App
from arc.core.cleaning import Finding
from arc.core.states import JobStatus
from tests.flows.living import completed, finished, kind, living, probe, seen

BROKEN = {"epochs": 3, "crash_at": 1}


@asynccontextmanager
async def cleaning(app: App) -> AsyncIterator[list[Finding]]:
    """Clean again and again; everything that went."""
    removed: list[Finding] = []
    over = asyncio.Event()

    async def loop() -> None:
        while not over.is_set():
            removed.extend((await asyncio.to_thread(app.cleaning.clean, actor="story")).removed)
            await asyncio.sleep(0)

    task = asyncio.create_task(loop())
    try:
        yield removed
    finally:
        over.set()
        await task


def test_nothing_that_lives_is_touched_and_what_is_broken_goes(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, task_slots=3) as app:
            found = app.layout.experiment("imported") / "checkpoints" / "model.safetensors"
            found.parent.mkdir(parents=True)
            found.write_bytes(b"weights")
            async with cleaning(app) as removed:
                waiting = probe(app, BROKEN, experiment_id="waiting", retry_delay_seconds=3600.0)
                kept = probe(app, BROKEN, experiment_id="imported", max_retries=0)
                running = probe(app, {"epochs": 40, "epoch_s": 0.05}, experiment_id="running")
                retried = probe(app, BROKEN | {"attempts": 3}, experiment_id="retried")
                stopped = probe(app, {"epochs": 30, "epoch_s": 0.05}, experiment_id="resumed")
                await seen(app, stopped.id, kind("attempt.checkpoint"))
                app.jobs.cancel(stopped.id, actor="story")
                await finished(app, stopped)
                broken = [probe(app, BROKEN, experiment_id=f"broken_{number}", max_retries=0) for number in range(6)]
                for job in broken:
                    await seen(app, str(job.experiment_id), kind("experiment.cleaned"))
                resumed = app.jobs.resume(stopped.id, actor="story")
                await completed(app, resumed)
                assert app.jobs.curve(resumed.id, "loss").steps[0] > 1  # it went on, it did not begin again
                assert (await completed(app, retried)).attempt == 4
                assert (await completed(app, running)).attempt == 1
                assert (await finished(app, kept)).status is JobStatus.FAILED
            assert app.jobs.get(waiting.id).status is JobStatus.QUEUED
            gone = {one.id for one in removed if one.kind == "experiment"}
            assert gone == {job.experiment_id for job in broken}
            assert found.read_bytes() == b"weights"
            folders = {path.name for path in (tmp_path / "experiments").iterdir()}
            assert folders == {"waiting", "imported", "running", "retried", "resumed"}
            assert {path.stem for path in (tmp_path / "tombstones").iterdir()} == gone

    asyncio.run(story())


def test_a_training_that_failed_with_a_checkpoint_stays_and_can_go_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app, cleaning(app) as removed:
            job = probe(app, {"epochs": 8, "crash_at": 6, "attempts": 1}, experiment_id="failed", max_retries=0)
            assert (await finished(app, job)).status is JobStatus.FAILED
            resumed = app.jobs.resume(job.id, actor="story")
            ended = await finished(app, resumed)
            assert ended.status is JobStatus.FAILED  # its first attempt breaks as well
            assert list(app.jobs.curve(resumed.id, "loss").steps) == []
            assert [one.kind for one in removed if one.kind != "checkpoint"] == []
            assert len(app.jobs.artifacts(job.id)) == 2

    asyncio.run(story())


def test_upkeep_cleans_on_its_schedule(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, upkeep_interval_s=0.2, retention_days=1e-6) as app:
            job = probe(app, BROKEN, experiment_id="broken", max_retries=0)
            await seen(app, "store", kind("store.cleaned"))
            await finished(app, job)
        async with living(tmp_path, upkeep_interval_s=0.2, retention_days=1e-6, clean_interval_s=0.1) as app:
            event = await seen(app, "broken", kind("experiment.cleaned"))
            assert event.actor == "engine"

    asyncio.run(story())
