"""A training with everything on that could make a resume inexact is cancelled, timed out and killed: its model is that of a calm one."""

import asyncio
import os
import signal
from pathlib import Path

from arc.app import App
from arc.core.attempt import FailureClass
from arc.core.job import Job
from tests.flows.living import completed, curves, dataset, finished, kind, living, running_pid, seen, submit

HARD = {
    "epochs": 30, "input_size": 32, "batch_size": 8, "accumulate": 2, "precision": "bf16", "ema_decay": 0.9, "dropout": 0.3,
    "schedule": "plateau", "schedule_epochs": 2, "optimizer": "muon", "loss": "compound", "loss_weights": {"focal": 1.0, "cross_entropy": 0.5},
    "balanced_sites": True, "patience": 0,
}  # fmt: skip


def model(app: App, job: Job) -> str:
    """The digest of the model that a job left."""
    return next(made.digest for made in app.jobs.artifacts(job.id) if made.kind == "model")


def test_a_training_that_is_cancelled_timed_out_or_killed_ends_as_a_calm_one(tmp_path: Path) -> None:
    asyncio.run(story(tmp_path))


async def story(workspace: Path) -> None:
    async with living(workspace) as app:
        data = await dataset(app)

        def begin(**fields: object) -> Job:
            return submit(app, "fundus.classify", HARD, inputs={"dataset": data}, seed=7, max_retries=20, **fields)

        calm = await completed(app, begin())
        assert calm.started_at is not None
        assert calm.completed_at is not None
        took_s = (calm.completed_at - calm.started_at).total_seconds()

        cancelled = begin()
        await seen(app, cancelled.id, kind("attempt.checkpoint"))
        app.jobs.cancel(cancelled.id, actor="story")
        assert (await finished(app, cancelled)).status == "cancelled"
        resumed = await completed(app, app.jobs.resume(cancelled.id, actor="story"))
        before, after = curves(app, cancelled)["loss"], curves(app, resumed)["loss"]
        assert (before[0] + after[0], before[1] + after[1]) == curves(app, calm)["loss"]
        assert model(app, resumed) == model(app, calm)

        killed = begin()
        await seen(app, killed.id, kind("attempt.checkpoint"))
        os.kill(await running_pid(app, killed), signal.SIGKILL)
        await completed(app, killed)
        assert app.jobs.attempts(killed.id)[0].signal == signal.SIGKILL
        assert curves(app, killed) == curves(app, calm)
        assert model(app, killed) == model(app, calm)

        late = begin(timeout_seconds=max(took_s, 2.0), grace_seconds=0.2)
        await seen(app, late.id, kind("attempt.checkpoint"))
        os.kill(await running_pid(app, late), signal.SIGSTOP)  # or it might be done in time
        await completed(app, late)
        first = app.jobs.attempts(late.id)[0].failure
        assert first is not None
        assert first.failure_class is FailureClass.TIMEOUT
        assert curves(app, late) == curves(app, calm)
        assert model(app, late) == model(app, calm)
