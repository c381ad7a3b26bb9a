"""Work on datasets is a job like any other: it says how far it is, stops when asked and leaves nothing, and begins again when resumed.

What comes out after a resume is what would have come out anyway. These jobs keep no checkpoint: half of a version is no
version, and a photograph that was done twice costs less than knowing which half to believe.
"""

import asyncio
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest

from arc.app import App
from arc.core.errors import Conflict
from arc.core.job import Job
from arc.data import synthetic
from arc.data.spec import SyntheticFundusParams
from tests.flows.living import completed, finished, living, running_pid, submit
from tests.unit.data.context import FolderContext

PATIENTS = 400  # fewer, and the quicker work is over before anyone can say stop
TRIES = 10  # a job may end before it is stopped
STEPS = {"steps": [{"step": "field_of_view"}, {"step": "resize", "side_px": 64}]}
SOURCE = {"dataset": "dataset:eyes@1"}
WORK: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "data.unpack": ({"name": "more"}, {"archive": "path:ZIP"}),
    "data.register": ({"name": "more"}, {"folder": "path:FOLDER"}),
    "data.preprocess": ({"name": "more"} | STEPS, SOURCE),
    "data.split": ({"name": "more"}, SOURCE),
    "data.validate": ({}, SOURCE),
    "data.drift": ({}, {"reference": "dataset:eyes@1", "current": "dataset:eyes@1"}),
}


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an archive of drawn eyes, and the same unpacked."""
    root = tmp_path_factory.mktemp("handed-over")
    ctx = FolderContext(root / "draw", seed=3)
    synthetic.run(ctx, SyntheticFundusParams(patients=PATIENTS, size_px=96, label_noise=0.0))
    archive = ctx.saved["synthetic-fundus.zip"][1].rename(root / "eyes.zip")
    with zipfile.ZipFile(archive) as members:
        members.extractall(root / "eyes")
    return root


@pytest.mark.slow
def test_work_on_datasets_stops_leaves_nothing_and_ends_alike_when_resumed(tmp_path: Path, handed_over: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, data_roots=[handed_over]) as app:
            await completed(app, submit(app, "data.unpack", {"name": "eyes"}, inputs={"archive": f"path:{handed_over / 'eyes.zip'}"}))
            for recipe in WORK:
                await _stopped_and_resumed(app, tmp_path, handed_over, recipe)

    asyncio.run(story())


async def _stopped_and_resumed(app: App, workspace: Path, handed_over: Path, recipe: str) -> None:
    params, inputs = WORK[recipe]
    inputs = {name: ref.replace("ZIP", f"{handed_over}/eyes.zip").replace("FOLDER", f"{handed_over}/eyes") for name, ref in inputs.items()}
    for _ in range(TRIES):
        before = _versions(workspace)
        job = submit(app, recipe, params, inputs=inputs, seed=7)
        if await _cancelled_at_work(app, job):
            break
    else:
        raise AssertionError(f"{recipe} always ended before it was stopped")
    assert _versions(workspace) == before, recipe
    again = await completed(app, app.jobs.resume(job.id, actor="story"))
    whole = await completed(app, submit(app, recipe, params, inputs=inputs, seed=7))
    assert _said(again) == _said(whole), recipe
    assert whole.progress is not None, recipe


async def _cancelled_at_work(app: App, job: Job) -> bool:
    """Ask the job to stop while its process stands still; whether it stopped, or was over already."""
    pid = await running_pid(app, job)
    try:
        os.kill(pid, signal.SIGSTOP)
        app.jobs.cancel(job.id, actor="story")
        os.kill(pid, signal.SIGCONT)
    except (ProcessLookupError, Conflict):
        return False
    return (await finished(app, job)).status == "cancelled"


def _versions(workspace: Path) -> set[Path]:
    """The folders of versions that there are, judging parts included."""
    return {path for part in ("datasets", "sealed") for path in (workspace / part).glob("*/[0-9]*")}


def _said(job: Job) -> object:
    """What the job answers, without the number of its version."""
    result = job.result or {}
    return result.get("digest") or {name: value for name, value in result.items() if "version" not in name}
