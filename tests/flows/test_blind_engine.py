"""The engine itself was stopped, as a suspended laptop or a SIGSTOP does it: the time it missed is no stall of its attempts."""

import asyncio
import os
import signal
from pathlib import Path

from arc.app import build
from arc.core.clock import SystemClock
from arc.settings import Settings
from tests.flows.living import completed, kind, probe, running_pid, seen


class JumpingClock(SystemClock):
    """As if nothing had run here for some seconds."""

    missed_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.missed_s


def test_hours_in_which_nothing_ran_end_no_attempt(tmp_path: Path) -> None:
    async def story() -> None:
        clock = JumpingClock()
        settings = Settings(workspace=tmp_path, allow_fault_jobs=True, memory_reserve_gb=0.0, sample_interval_s=0.1)
        app = build(settings, clock=clock)
        await app.start()
        try:
            job = probe(app, {"epochs": 40, "epoch_s": 0.05})
            await seen(app, job.id, kind("attempt.checkpoint", step=5))
            pid = await running_pid(app, job)
            os.kill(pid, signal.SIGSTOP)
            clock.missed_s = 10_000.0
            for _ in range(3):  # looks at the attempt; each prolongs its lease
                before = app.jobs.attempts(job.id)[0].lease_expires_at
                while app.jobs.attempts(job.id)[0].lease_expires_at == before:
                    await asyncio.sleep(0.02)
            os.kill(pid, signal.SIGCONT)
            ended = await completed(app, job)
            assert (ended.attempt, ended.retry_count) == (1, 0)
        finally:
            await app.stop()

    asyncio.run(story())
