"""Cancel, rollback, hold, timeout, shutdown: each ends as it says, and leaves what it says."""

import asyncio
from pathlib import Path

import pytest

from arc.core.attempt import FailureClass
from arc.core.errors import Conflict
from tests.flows.living import completed, finished, gone, kind, living, probe, running_pid, seen

LONG = {"epochs": 10_000, "epoch_s": 0.05}


def test_cancel_with_rollback_leaves_no_file_of_the_attempt(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            job = probe(app, LONG)
            await seen(app, job.id, kind("attempt.checkpoint"))
            pid = await running_pid(app, job)
            asked = app.jobs.cancel(job.id, rollback=True, actor="story")
            assert (asked.status, asked.cancel_requested) == ("running", "rollback")
            ended = await finished(app, job)
            assert ended.status == "cancelled"
            assert gone(pid)
            with pytest.raises(Conflict, match="rolled back"):
                app.jobs.resume(job.id, actor="story")
            with pytest.raises(Conflict, match="final"):
                app.jobs.cancel(job.id, actor="story")
        assert not [path for path in tmp_path.rglob("*") if job.id in str(path)]

    asyncio.run(story())


def test_a_cancelled_job_can_be_resumed_from_its_checkpoint(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            job = probe(app, {"epochs": 30, "epoch_s": 0.05})
            await seen(app, job.id, kind("attempt.checkpoint"))
            app.jobs.cancel(job.id, actor="story")
            assert (await finished(app, job)).status == "cancelled"
            again = app.jobs.resume(job.id, actor="story")
            assert again.resumed_from == job.id
            with pytest.raises(Conflict, match="resumed already"):
                app.jobs.resume(job.id, actor="story")
            await completed(app, again)
            steps = app.jobs.curve(again.id, "loss").steps
            assert steps[0] > 0  # it went on, it did not begin again

    asyncio.run(story())


def test_a_timeout_kills_a_process_that_ignores_sigterm_and_its_daemonised_grandchild(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            params = LONG | {"ignore_sigterm": True, "grandchild_setsid": True}
            job = probe(app, params, timeout_seconds=1.5, grace_seconds=0.3, max_retries=0)
            pid = await running_pid(app, job)
            ended = await finished(app, job)
            assert ended.status == "failed"
            assert ended.failure is not None
            assert ended.failure.failure_class is FailureClass.TIMEOUT
            assert gone(pid)
            assert not [path for path in Path("/proc").glob("[0-9]*") if mentions(path, job.id)]

    asyncio.run(story())


def mentions(process: Path, job_id: str) -> bool:
    """Whether the working folder of a process is the staging of the job."""
    try:
        return job_id in str((process / "cwd").readlink())
    except OSError:
        return False


def test_a_held_job_gives_its_place_up_and_goes_on_when_released(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            job = probe(app, {"epochs": 40, "epoch_s": 0.05})
            await seen(app, job.id, kind("attempt.checkpoint"))
            app.jobs.hold(job.id, actor="story")
            await seen(app, job.id, kind("job.requeued"))
            waiting = app.jobs.get(job.id)
            assert (waiting.status, waiting.hold) == ("queued", True)
            assert app.jobs.waiting_for(waiting) == "a person: it is held"
            app.jobs.release(job.id, actor="story")
            ended = await completed(app, job)
            assert (ended.attempt, ended.retry_count) == (2, 0)
            assert ended.last_checkpoint is not None
            assert app.layout.stored(ended.last_checkpoint).is_file()
            steps = list(app.jobs.curve(job.id, "loss").steps)
            assert steps == sorted(set(steps))

    asyncio.run(story())


def test_stopping_the_control_plane_puts_the_running_job_back_and_a_new_one_ends_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            job = probe(app, {"epochs": 40, "epoch_s": 0.05})
            await seen(app, job.id, kind("attempt.checkpoint"))
            pid = await running_pid(app, job)
        assert gone(pid)
        async with living(tmp_path) as app:
            ended = await completed(app, job)
            assert (ended.attempt, ended.retry_count) == (2, 0)

    asyncio.run(story())


def test_a_second_engine_on_the_workspace_is_refused_by_the_pid_of_the_first(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path):
            with pytest.raises(Conflict, match="pid"):
                async with living(tmp_path):
                    pass

    asyncio.run(story())


def test_when_a_needed_job_fails_what_waited_for_it_is_cancelled_with_the_reason(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            broken = probe(app, {"epochs": 3, "crash_at": 1}, max_retries=1)
            waiting = probe(app, {"epochs": 1}, needs=[broken.id])
            assert app.jobs.waiting_for(waiting) == f"jobs: {broken.id} ({app.jobs.get(broken.id).status.value})"
            failed = await finished(app, broken)
            assert (failed.status, failed.attempt) == ("failed", 2)
            ended = await finished(app, waiting)
            assert ended.status == "cancelled"
            assert ended.reason == f"the needed job {broken.id} is failed"

    asyncio.run(story())


def test_a_wedged_loop_is_ended_although_its_heart_beats_and_a_healthy_one_is_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, sample_interval_s=0.2, stall_floor_s=1.0) as app:
            wedged = probe(app, {"epochs": 10, "epoch_s": 0.02, "hang_at": 5, "attempts": 1}, grace_seconds=0.2)
            healthy = probe(app, {"epochs": 60, "epoch_s": 0.05})
            ended = await completed(app, wedged)
            assert [attempt.outcome for attempt in app.jobs.attempts(wedged.id)] == ["failed", "done"]
            assert ended.retry_count == 1
            first = app.jobs.attempts(wedged.id)[0].failure
            assert first is not None
            assert first.failure_class is FailureClass.STALLED
            assert (await completed(app, healthy)).attempt == 1

    asyncio.run(story())
