"""A team's own script runs as a job: with a curve, checkpoints, resume, cancel, timeout, and failures that have a class."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arc.app import App, build
from arc.core.attempt import FailureClass
from arc.core.errors import Forbidden, InvalidSpec
from arc.core.job import Job
from arc.settings import Settings
from tests.flows.living import completed, curves, finished, gone, kind, living, running_pid, seen, submit

ACUVUE = Path(__file__).parents[2] / "examples" / "acuvue_style"
OVERRIDES = ["trainer.epochs=8", "optimizer.lr=5e-2"]
FILES = {"checkpoints": ["checkpoints/epoch_*.npz"], "resume": ["trainer.resume_from={checkpoint}"], "results": ["**/*.csv", "**/best.npz"]}


def script(app: App, path: Path, params: dict[str, Any] | None = None, **fields: Any) -> Job:
    return submit(app, "external.script", params, inputs={"script": f"path:{path}"}, seed=1, **fields)


def written(folder: Path, text: str) -> Path:
    """A script in a folder of its own."""
    folder.mkdir(exist_ok=True)
    path = folder / "script.py"
    path.write_text(text)
    return path


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def test_a_killed_script_goes_on_from_its_checkpoint_to_the_metrics_of_an_undisturbed_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, data_roots=[ACUVUE]) as app:
            params = {**FILES, "overrides": OVERRIDES}
            calm = await completed(app, script(app, ACUVUE / "train_classification.py", params))
            slow = {**FILES, "overrides": [*OVERRIDES, "trainer.epoch_s=0.2"]}
            hit = script(app, ACUVUE / "train_classification.py", slow)
            await seen(app, hit.id, kind("attempt.checkpoint", step=2))
            os.kill(children(await running_pid(app, hit))[0], signal.SIGKILL)
            ended = await completed(app, hit)

            first, second = app.jobs.attempts(hit.id)
            assert first.failure is not None
            assert (first.failure.failure_class, first.failure.message) == (
                FailureClass.EXIT,
                "ScriptEnded: the script was killed by SIGKILL",
            )
            assert second.resumed_step is not None
            assert second.resumed_step >= 2
            assert ended.metrics == calm.metrics
            assert curves(app, hit) == curves(app, calm)
            assert curves(app, calm)["train_loss"][0] == [1, 2, 3, 4, 5, 6, 7, 8]
            kinds = {row.name: row.kind for row in app.jobs.artifacts(calm.id) if row.published and row.kind != "checkpoint"}
            assert kinds == {"metrics.csv": "result", "checkpoints-best.npz": "model", "script.json": "config"}
            assert calm.result is not None
            assert calm.result["argv"][-2:] == OVERRIDES
            assert "epoch 8: loss" in app.jobs.log_tail(calm.id, lines=3, stream="stdout")

    asyncio.run(story())


POLITE = """
import signal, sys, time
from pathlib import Path
from arc.script import job

def save(number, frame):
    Path("last.pt").write_text(str(step))
    job.checkpoint(step, "last.pt")
    sys.exit(0)

signal.signal(signal.SIGTERM, save)
step = int(job.resume.read_text()) if job.resume else 0
while step < 1000:
    step += 1
    job.metric(step, loss=1 / step)
    job.progress(step, of=1000, unit="step")
    if job.resume and step >= 20:
        print("went on from", job.resume.read_text())
        break
    time.sleep(0.01)
"""


def test_a_cancelled_script_has_its_grace_and_can_be_resumed_with_what_it_saved_then(tmp_path: Path) -> None:
    async def story() -> None:
        code = written(tmp_path / "code", POLITE)
        async with living(tmp_path / "workspace", data_roots=[code.parent]) as app:
            job = script(app, code)
            async with asyncio.timeout(60):
                async for message in app.hub.stream(job.id):
                    if message.progress is not None and message.progress.done >= 5:
                        break
            app.jobs.cancel(job.id, actor="story")
            assert (await finished(app, job)).status == "cancelled"
            again = await completed(app, app.jobs.resume(job.id, actor="story"))
            assert again.metrics is not None
            assert "went on from" in app.jobs.log_tail(again.id, lines=5, stream="stdout")

    asyncio.run(story())


STUBBORN = """
import os, signal, subprocess, sys, time
from arc.script import job
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
job.metric(0, script=os.getpid(), grandchild=child.pid)
time.sleep(1000)
"""


def test_a_timeout_kills_a_script_that_ignores_sigterm_and_its_daemon(tmp_path: Path) -> None:
    async def story() -> None:
        code = written(tmp_path / "code", STUBBORN)
        async with living(tmp_path / "workspace", data_roots=[code.parent]) as app:
            ended = await finished(app, script(app, code, timeout_seconds=2.0, grace_seconds=0.3, max_retries=0))
            assert ended.failure is not None
            assert ended.failure.failure_class is FailureClass.TIMEOUT
            pids = [int(values[0]) for _, values in curves(app, ended).values()]
            assert len(pids) == 2
            assert all(gone(pid) for pid in pids)

    asyncio.run(story())


BROKEN = {
    "raise KeyError('no such column: glaucoma')": (FailureClass.EXCEPTION, "KeyError: 'no such column: glaucoma'"),
    "raise RuntimeError('CUDA error: device-side assert triggered')": (FailureClass.CUDA, "CUDA error"),
    "class OutOfMemoryError(RuntimeError): pass\nraise OutOfMemoryError('CUDA out of memory. Tried to allocate')": (
        FailureClass.OOM,
        "allocate",
    ),
    "import sys; sys.exit(3)": (FailureClass.EXIT, "exit code 3"),
    "import time\nfrom arc.script import job\njob.metric(4, train_loss=float('nan'))\ntime.sleep(1000)": (FailureClass.NAN, "train_loss"),
    "import os; os.abort()": (FailureClass.EXIT, "SIGABRT"),
}


def test_how_a_script_ends_decides_the_class_of_the_failure(tmp_path: Path) -> None:
    async def story() -> None:
        codes = [written(tmp_path / f"code{number}", text) for number, text in enumerate(BROKEN)]
        async with living(tmp_path / "workspace", data_roots=[tmp_path]) as app:
            jobs = [script(app, code, max_retries=0) for code in codes]
            for job, (wanted, said) in zip(jobs, BROKEN.values(), strict=True):
                failure = (await finished(app, job)).failure
                assert failure is not None
                assert failure.failure_class is wanted
                assert said in failure.message
            first = app.jobs.get(jobs[0].id).failure
            assert first is not None
            assert 'script.py", line 1' in first.log_tail

    asyncio.run(story())


def test_nothing_of_the_working_folder_or_of_arc_s_environment_reaches_the_script(tmp_path: Path) -> None:
    text = """
import json, os, sys
from pathlib import Path
import beside
Path("seen.json").write_text(json.dumps({"path": sys.path, "cwd": os.getcwd(), "names": sorted(os.environ), "argv": sys.argv[1:]}))
"""

    async def story() -> None:
        code = written(tmp_path / "code", text)
        (code.parent / "beside.py").write_text("")
        async with living(tmp_path / "workspace", data_roots=[code.parent]) as app:
            params = {"argv": ["--name", "a b,c"], "environment": {"DATA_SIZE": "{seed}"}, "overrides": ["x=1"]}
            done = await completed(app, script(app, code, params))
            row = next(row for row in app.jobs.artifacts(done.id) if row.name == "seen.json")
            found = app.layout.stored(row.path).read_text()
            seen_ = json.loads(found)
            assert seen_["cwd"] not in seen_["path"]
            assert "" not in seen_["path"]
            assert seen_["argv"] == ["--name", "a b,c", "x=1"]
            assert "DATA_SIZE" in seen_["names"]
            assert {name for name in seen_["names"] if name.startswith("ARC_")} <= {
                "ARC_PROCESS", "ARC_WORKER", "ARC_SCRIPT_LINES", "ARC_SEED", "ARC_SIMULATED", "ARC_ALLOW_FAULT_JOBS",
            }  # fmt: skip

    asyncio.run(story())


@pytest.mark.parametrize(
    "params",
    [
        *({"overrides": [text]} for text in (
            "+model=unet", "~model", "-m", "--multirun", "hydra.run.dir=/tmp", "hydra/launcher=joblib", "model._target_=os.system",
            "x={_target_: os.system}", "x=${oc.env:HOME}", "x=$(id)", "x=`id`", "x=1\ny=2", "model", "=1", "x=a;id", "x={secret}", "a@b=c",
        )),
        *({"argv": [text]} for text in ("--config-dir=/etc", "-cd", "+x=1", "hydra.run.dir=/tmp", "@file", "--multirun", "$(id)")),
        *({"environment": {name: "x"}} for name in ("PATH", "PYTHONPATH", "LD_PRELOAD", "ARC_DATABASE_URL", "HF_TOKEN", "WANDB_API_KEY", "CUDA_VISIBLE_DEVICES")),
        {"results": ["../*"]}, {"checkpoints": ["/etc/*"]}, {"resume_as": "../x"}, {"module": "-c"}, {"module": "os;id"},
    ],
    ids=str,
)  # fmt: skip
def test_what_could_do_more_than_set_a_value_is_refused(params: dict[str, Any], closed: App) -> None:
    with pytest.raises(InvalidSpec, match="params"):
        submit(closed, "external.script", params, inputs={"script": f"path:{ACUVUE / 'train_classification.py'}"})


def test_a_script_outside_the_data_roots_is_refused(closed: App) -> None:
    with pytest.raises(Forbidden):
        submit(closed, "external.script", inputs={"script": f"path:{__file__}"})


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> App:
    """An app whose engine does not run."""
    return build(Settings(workspace=tmp_path_factory.mktemp("closed"), data_roots=[ACUVUE], allow_fault_jobs=True))


def test_the_command_runs_a_script_with_its_overrides(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "arc",
        "script",
        str(ACUVUE / "train_classification.py"),
        "trainer.epochs=3",
        "--workspace",
        str(tmp_path),
    ]
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["metrics"]) == {"train_loss", "val_accuracy"}
