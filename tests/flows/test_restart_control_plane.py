"""The control plane is killed in mid-run: after its restart the attempt is adopted, not started again, and nothing is lost."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from tests.flows.living import completed, curves, dataset, living

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
