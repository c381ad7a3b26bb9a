"""A critical job takes the place of a training, which goes on later with an unchanged curve."""

import asyncio
from pathlib import Path

from arc.core.attempt import FailureClass
from tests.flows.living import SMALL, completed, curves, dataset, kind, living, probe, seen, submit


def test_a_preempted_training_goes_on_with_the_curve_of_an_undisturbed_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, task_slots=1) as app:
            data = await dataset(app)
            calm = await completed(app, submit(app, "fundus.classify", SMALL, inputs={"dataset": data}, seed=7))
            training = submit(app, "fundus.classify", SMALL, inputs={"dataset": data}, seed=7)
            await seen(app, training.id, kind("attempt.checkpoint"))
            urgent = probe(app, {"epochs": 2}, priority="CRITICAL")
            await seen(app, training.id, kind("job.preempted", **{"for": urgent.id}))
            assert (await completed(app, urgent)).attempt == 1
            ended = await completed(app, training)
            assert ended.retry_count == 0
            first, second = app.jobs.attempts(training.id)
            assert first.failure is not None
            assert (first.outcome, first.failure.failure_class) == ("requeued", FailureClass.PREEMPTED)
            assert second.recovery_source == "pre-empted by a more urgent job"
            assert curves(app, training) == curves(app, calm)

    asyncio.run(story())


def test_an_equally_urgent_job_waits(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, task_slots=1) as app:
            first = probe(app, {"epochs": 20, "epoch_s": 0.05}, priority="CRITICAL")
            await seen(app, first.id, kind("attempt.checkpoint"))
            second = probe(app, {"epochs": 1}, priority="CRITICAL")
            assert first.id in str(app.jobs.waiting_for(second))
            await completed(app, second)
            assert (await completed(app, first)).attempt == 1

    asyncio.run(story())
