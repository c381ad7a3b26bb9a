"""Each class of failure, provoked for real through the engine: what it is called, and what the engine does about it.

`stalled` is in test_endings.py and `preempted` in test_preemption.py. `cuda` is raised by the text that the driver
would give, because the machine that runs this may have no GPU.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from arc.app import App
from arc.core import groups
from arc.core.attempt import FailureClass
from arc.core.job import Job
from arc.jobs.failures import RULES
from tests.flows.living import completed, finished, gone, kind, living, probe, running_pid, seen, submit

WALL = groups.make("arc-can-groups-be-made", 1.0)
if WALL is not None:
    groups.remove(WALL)
LARGE = {"epochs": 100, "epoch_s": 0.05, "alloc_mb": 400}
LIMIT = {"memory_gb": 0.25, "grace_seconds": 0.5}


def tell(tmp_path: Path, story: Callable[[App], Coroutine[Any, Any, None]], **settings: Any) -> None:
    async def told() -> None:
        async with living(tmp_path, **settings) as app:
            await story(app)

    asyncio.run(told())


def classes(app: App, job: Job) -> list[str | None]:
    """The class of failure of each attempt."""
    return [attempt.failure and attempt.failure.failure_class.value for attempt in app.jobs.attempts(job.id)]


def shrinks(app: App, job: Job) -> list[int]:
    """How much smaller each attempt was told to be."""
    numbers = [attempt.number for attempt in app.jobs.attempts(job.id)]
    return [json.loads((app.layout.staging(job, number) / "attempt.json").read_text())["shrink"] for number in numbers]


def test_every_class_has_a_rule() -> None:
    assert set(RULES) == set(FailureClass)


# --- oom -------------------------------------------------------------------------------------------


def test_an_attempt_over_its_memory_limit_is_ended_and_tried_again_smaller(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        job = probe(app, LARGE, **LIMIT)
        ended = await completed(app, job)
        assert classes(app, job) == ["oom", None]
        assert ended.retry_count == 1
        assert ended.result is not None
        assert ended.result["allocated"] == 200 << 20  # half as much
        assert app.jobs.attempts(job.id)[1].recovery_source == "retry after oom"

    tell(tmp_path, story, sample_interval_s=0.2)


@pytest.mark.skipif(WALL is None, reason="this user may make no control groups with memory limits here")
def test_the_kernels_count_says_that_it_was_memory_and_no_group_is_left(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        job = probe(app, LARGE, max_retries=0, **LIMIT)
        ended = await finished(app, job)
        assert classes(app, job) == ["oom"]
        assert ended.failure is not None
        assert "control group was full" in ended.failure.message
        assert app.jobs.attempts(job.id)[0].signal == signal.SIGKILL
        made = Path((app.layout.staging(job, 1) / groups.GROUP).read_text())
        assert made.name == f"arc-{job.id}.1"
        assert not made.exists()

    tell(tmp_path, story, sample_interval_s=60.0)


@pytest.mark.skipif(WALL is None, reason="this user may make no control groups with memory limits here")
def test_a_killed_reaper_leaves_no_group_behind(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        job = probe(app, {"epochs": 10_000, "epoch_s": 0.05}, memory_gb=0.5, max_retries=0)
        await seen(app, job.id, kind("attempt.checkpoint"))
        made = Path((app.layout.staging(job, 1) / groups.GROUP).read_text())
        assert made.is_dir()
        await lose(app, job)
        await finished(app, job)
        assert not made.exists()

    tell(tmp_path, story)


def test_where_no_group_can_be_made_private_memory_is_watched(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        first = probe(app, {"epochs": 10, "epoch_s": 0.05})
        app.jobs.hold(first.id, actor="story")
        job = probe(app, LARGE | {"epochs": 10_000}, needs=[first.id], max_retries=0, **LIMIT)
        in_the_way = WALL.with_name(f"arc-{job.id}.1") if WALL is not None else None
        if in_the_way is not None:
            in_the_way.mkdir()
        app.jobs.release(first.id, actor="story")
        try:
            ended = await finished(app, job)
        finally:
            if in_the_way is not None:
                in_the_way.rmdir()
        assert classes(app, job) == ["oom"]
        assert ended.failure is not None
        assert "private memory" in ended.failure.message

    tell(tmp_path, story, sample_interval_s=0.2)


def test_an_allocation_that_is_refused_is_tried_again_smaller_each_time(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        jobs = [probe(app, {"epochs": 3, "crash_at": 2, "error": error}, max_retries=2) for error in ("MemoryError", "OutOfMemory")]
        for job in jobs:
            assert (await finished(app, job)).status == "failed"
            assert classes(app, job) == ["oom"] * 3
            assert shrinks(app, job) == [0, 1, 2]

    tell(tmp_path, story)


def test_the_kernel_would_take_the_attempt_and_never_the_control_plane(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        job = probe(app, {"epochs": 10_000, "epoch_s": 0.05})
        await seen(app, job.id, kind("attempt.checkpoint"))
        score = {pid: int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (await running_pid(app, job), os.getpid())}
        assert score[await running_pid(app, job)] >= score[os.getpid()] + 100
        app.jobs.cancel(job.id, actor="story")
        await finished(app, job)

    tell(tmp_path, story)


# --- what the recipe raises ------------------------------------------------------------------------

RAISED = [
    ({"error": "RuntimeError", "message": "CUDA error: an illegal memory access was encountered"}, "cuda", 2),
    ({"error": "RuntimeError"}, "exception", 2),
    ({"error": "PermanentError"}, "exception", 1),
    ({"error": "BadData"}, "bad_data", 1),
    ({"error": "DigestMismatch"}, "bad_data", 1),
    ({"error": "FloatingPointError"}, "nan", 1),
    ({"error": "SystemExit"}, "exit", 2),
    ({"exit_code": 7}, "exit", 2),
    ({"exit_code": 0}, "exit", 2),
]


def test_what_a_recipe_raises_decides_whether_it_is_tried_again(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        jobs = [probe(app, {"epochs": 3, "crash_at": 2} | fault, max_retries=1) for fault, _, _ in RAISED]
        jobs.append(probe(app, {"epochs": 3, "nan_at": 2}, max_retries=1))
        for job, (fault, wanted, tries) in zip(jobs, [*RAISED, ({"nan_at": 2}, "nan", 1)], strict=True):
            ended = await finished(app, job)
            assert (ended.status, classes(app, job), fault) == ("failed", [wanted] * tries, fault)
        for job in jobs:
            assert (job.id, shrinks(app, job)) == (job.id, [0] * len(classes(app, job)))

    tell(tmp_path, story)


def test_signals_are_exits_that_are_tried_again_from_the_last_checkpoint(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        jobs = [probe(app, {"epochs": 5, "signal_at": 4, "signal": number, "attempts": 1}) for number in (9, 11)]
        for job, name in zip(jobs, ("SIGKILL", "SIGSEGV"), strict=True):
            ended = await completed(app, job)
            first, second = app.jobs.attempts(job.id)
            assert first.failure is not None
            assert first.failure.failure_class is FailureClass.EXIT
            assert name in first.failure.message
            assert second.resumed_step == 3
            assert ended.result == {"resumed_from": 3, "attempt": 2, "allocated": 0}

    tell(tmp_path, story)


def test_data_that_cannot_be_read_fail_the_job_at_once(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        made = await completed(app, probe(app, {"epochs": 1}))
        job = submit(app, "data.unpack", {"name": "small"}, inputs={"archive": f"job:{made.id}/probe.json"})
        ended = await finished(app, job)
        assert (ended.status, classes(app, job)) == ("failed", ["bad_data"])

    tell(tmp_path, story)


# --- what happens to it from outside ---------------------------------------------------------------


def test_a_timeout_is_tried_again(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        job = probe(app, {"epochs": 3, "hang_at": 2, "attempts": 1}, timeout_seconds=1.5, grace_seconds=0.2)
        ended = await completed(app, job)
        assert classes(app, job) == ["timeout", None]
        assert (ended.retry_count, app.jobs.attempts(job.id)[1].resumed_step) == (1, 1)

    tell(tmp_path, story)


async def lose(app: App, job: Job) -> None:
    """Kill the reaper and the attempt, so that nobody sees how the attempt ended."""
    pid = await running_pid(app, job)
    identity = app.jobs.attempts(job.id)[-1].identity
    assert identity is not None
    assert identity.reaper_pid is not None
    os.kill(identity.reaper_pid, signal.SIGSTOP)  # or it would see the end before its own
    os.kill(pid, signal.SIGKILL)
    os.kill(identity.reaper_pid, signal.SIGKILL)


def test_an_end_that_nobody_saw_is_lost_and_tried_again(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        job = probe(app, {"epochs": 60, "epoch_s": 0.05})
        await seen(app, job.id, kind("attempt.checkpoint"))
        pid = await running_pid(app, job)
        await lose(app, job)
        ended = await completed(app, job)
        assert classes(app, job) == ["lost", None]
        first, second = app.jobs.attempts(job.id)
        assert (first.exit_code, first.signal) == (None, None)
        assert (second.recovery_source, ended.retry_count) == ("retry after lost", 1)
        assert gone(pid)

    tell(tmp_path, story)


# --- checkpoint ------------------------------------------------------------------------------------


def test_a_sound_checkpoint_that_cannot_be_loaded_is_passed_over_for_an_older_one(tmp_path: Path) -> None:
    async def story(app: App) -> None:
        job = probe(app, {"epochs": 6, "ckpt_broken_at": 3, "signal_at": 4, "attempts": 1})
        ended = await completed(app, job)
        assert classes(app, job) == ["exit", "checkpoint", None]
        assert [attempt.resumed_step for attempt in app.jobs.attempts(job.id)] == [None, 3, 2]
        assert ended.result is not None
        assert ended.result["resumed_from"] == 2

    tell(tmp_path, story)
