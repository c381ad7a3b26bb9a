"""An attempt was asked to stop, and the control plane that asked was killed over it: the next one knows why, and acts by it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from arc.app import App
from arc.core.attempt import FailureClass
from arc.core.job import Job
from arc.jobs.conclude import note_asked
from tests.flows.living import completed, finished, gone, kind, living, probe, running_pid, seen

LONG = {"epochs": 60, "epoch_s": 0.05}


async def killed_over_it(workspace: Path, *, asked: str | None, hold: bool = False) -> Job:
    """A control plane starts a job, asks its attempt to stop (or somebody else does), and is gone before it has."""
    async with living(workspace) as app:
        job = probe(app, LONG)
        await seen(app, job.id, kind("attempt.checkpoint"))
        pid = await running_pid(app, job)
        await app.engine.abandon()
        if hold:
            app.jobs.hold(job.id, actor="story")
        if asked is not None:
            note_asked(app.layout.staging(job, 1), asked)
        os.kill(pid, signal.SIGTERM)
        while not gone(pid):
            await asyncio.sleep(0.02)
    return job


@pytest.mark.parametrize("asked", ["shutdown", "preempted"])
def test_what_gave_its_place_up_goes_on_and_is_not_blamed(tmp_path: Path, asked: str) -> None:
    async def story() -> None:
        job = await killed_over_it(tmp_path, asked=asked)
        async with living(tmp_path) as app:
            ended = await completed(app, job)
            assert (ended.attempt, ended.retry_count) == (2, 0)
            assert app.jobs.attempts(job.id)[0].outcome == "requeued"

    asyncio.run(story())


def test_a_held_job_is_held_and_not_cancelled(tmp_path: Path) -> None:
    async def story() -> None:
        job = await killed_over_it(tmp_path, asked=None, hold=True)
        async with living(tmp_path) as app:
            await seen(app, job.id, kind("job.requeued"))
            assert (app.jobs.get(job.id).status, app.jobs.get(job.id).hold) == ("queued", True)
            app.jobs.release(job.id, actor="story")
            assert (await completed(app, job)).retry_count == 0

    asyncio.run(story())


def test_a_timeout_is_still_a_timeout(tmp_path: Path) -> None:
    async def story() -> None:
        job = await killed_over_it(tmp_path, asked="timeout")
        async with living(tmp_path) as app:
            await completed(app, job)
            assert _first_class(app, job) is FailureClass.TIMEOUT

    asyncio.run(story())


def test_a_sigterm_of_somebody_else_does_not_cancel_the_job(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            job = probe(app, LONG)
            await seen(app, job.id, kind("attempt.checkpoint"))
            os.kill(await running_pid(app, job), signal.SIGTERM)
            ended = await finished(app, job)
            assert (ended.status, ended.retry_count) == ("completed", 1)
            assert _first_class(app, job) is FailureClass.EXIT

    asyncio.run(story())


def test_one_that_did_not_give_way_and_failed_later_has_failed(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            job = probe(app, {"epochs": 30, "epoch_s": 0.05, "crash_at": 20, "attempts": 1})
            await seen(app, job.id, kind("attempt.checkpoint"))
            await app.engine.abandon()
            note_asked(app.layout.staging(job, 1), "shutdown")
        async with living(tmp_path) as app:
            assert (await completed(app, job)).retry_count == 1
            assert _first_class(app, job) is FailureClass.EXCEPTION

    asyncio.run(story())


def _first_class(app: App, job: Job) -> FailureClass:
    failure = app.jobs.attempts(job.id)[0].failure
    assert failure is not None
    return failure.failure_class
