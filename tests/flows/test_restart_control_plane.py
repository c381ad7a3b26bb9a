"""The control plane is killed in mid-run: after its restart the attempt is adopted, not started again, and nothing is lost."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from arc.core.journal import PROCESS
from arc.core.process import identity_or_revoke
from arc.worker.probe import loss
from tests.flows.living import completed, curves, dataset, living, probe

CHILD = """
import asyncio, sys
from pathlib import Path
from tests.flows.living import *
async def main():
    async with living(Path(sys.argv[1])) as app:
        data = sys.argv[2]
        job = submit(app, "fundus.classify", SMALL | {"epochs": 12}, inputs={"dataset": data}, seed=7)
        waiting = submit(app, "fundus.classify", SMALL, inputs={"dataset": data}, seed=8, needs=[job.id])
        await seen(app, job.id, kind("attempt.checkpoint"))
        print("IDS", job.id, waiting.id, await running_pid(app, job), flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def test_a_restarted_control_plane_adopts_the_running_attempt(tmp_path: Path) -> None:
    data = asyncio.run(make_data(tmp_path))
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), data], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = next(line for line in child.stdout if line.startswith("IDS"))
        _, first, second, pid = said.split()
        child.send_signal(signal.SIGKILL)
    asyncio.run(after_restart(tmp_path, first, second, int(pid)))


async def make_data(workspace: Path) -> str:
    async with living(workspace) as app:
        return await dataset(app)


async def after_restart(workspace: Path, first: str, second: str, pid: int) -> None:
    async with living(workspace) as app:
        ended = await completed(app, app.jobs.get(first))
        attempts = app.jobs.attempts(first)
        assert len(attempts) == 1
        assert attempts[0].identity is not None
        assert attempts[0].identity.pid == pid
        assert "attempt.adopted" in [event.kind for event in app.jobs.events(subject=first)]
        assert ended.retry_count == 0
        steps, _ = curves(app, ended)["val_auc"]
        assert steps == sorted(set(steps))
        assert len(steps) == 12
        await completed(app, app.jobs.get(second))


def test_an_attempt_that_is_not_recorded_yet_is_found_by_what_it_published(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            job = probe(app, {"epochs": 20, "epoch_s": 0.02})
            staging = app.layout.staging(job, 1)
            while not (staging / PROCESS).exists():
                await asyncio.sleep(0)
            await app.engine.abandon()  # as a killed control plane would: nothing more is recorded
            assert app.jobs.attempts(job.id)[0].identity is None
            published = identity_or_revoke(staging)
            await app.engine.start()
            ended = await completed(app, job)
            assert (ended.attempt, ended.retry_count) == (1, 0)
            assert app.jobs.attempts(job.id)[0].identity == published
            assert curves(app, job) == {"loss": ([float(epoch) for epoch in range(1, 21)], [loss(epoch) for epoch in range(1, 21)])}

    asyncio.run(story())


def test_a_short_attempt_is_recorded_whole(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            await completed(app, probe(app, {"epochs": 0}))  # whoever comes first waits for imports
            job = probe(app, {"epochs": 2})
            ended = await completed(app, job)
            [attempt] = app.jobs.attempts(job.id)
            assert attempt.identity is not None
            assert attempt.outcome == "done"
            assert curves(app, job) == {"loss": ([1.0, 2.0], [loss(1), loss(2)])}
            assert ended.progress is not None
            assert ended.progress.done == 2
            home = app.layout.home(ended)
            assert (home / "config" / "config.yaml").is_file()
            assert sorted(entry.name for entry in app.jobs.artifacts(job.id) if entry.published) == [
                "ckpt-000000002.safetensors",
                "probe.json",
            ]
        assert (home / "logs" / f"{job.id}.1.journal.jsonl").is_file()  # the engine has put it there when it lets go

    asyncio.run(story())
