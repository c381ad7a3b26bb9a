"""A training process is killed in mid-run: the job retries, resumes, completes, and its curve is the uninterrupted one."""

import asyncio
import os
import signal
from pathlib import Path

from tests.flows.living import SMALL, completed, curves, dataset, kind, living, running_pid, seen, submit


def test_a_killed_training_ends_with_the_curve_of_an_uninterrupted_one(tmp_path: Path) -> None:
    asyncio.run(story(tmp_path))


async def story(workspace: Path) -> None:
    async with living(workspace) as app:
        data = await dataset(app)
        calm = await completed(app, submit(app, "fundus.classify", SMALL, inputs={"dataset": data}, seed=7))

        hit = submit(app, "fundus.classify", SMALL, inputs={"dataset": data}, seed=7)
        await seen(app, hit.id, kind("attempt.checkpoint"))
        os.kill(await running_pid(app, hit), signal.SIGKILL)
        ended = await completed(app, hit)

        attempts = app.jobs.attempts(hit.id)
        assert [attempt.outcome for attempt in attempts] == ["failed", "done"]
        assert attempts[0].signal == signal.SIGKILL
        assert attempts[1].recovery_source == "retry after exit"
        assert ended.retry_count == 1
        assert curves(app, hit) == curves(app, calm)
        assert ended.metrics == calm.metrics
