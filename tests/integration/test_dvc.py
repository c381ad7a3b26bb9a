"""Versions kept by DVC for real: one repository a workspace, bytes that stay as they are, and plain dvc and git that go on."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from arc.app import App, build
from arc.artifacts import tree
from arc.core.dataset import DatasetVersion
from arc.core.errors import BadData, Cancelled, NotFound, PermanentError, RecipeBroken
from arc.core.inputs import ResolvedInput
from arc.core.recipe import Done
from arc.core.states import JobStatus
from arc.data import checkout, track
from arc.data.track_spec import CheckoutParams, TrackParams
from arc.datasets import tracking
from arc.jobs.resolve import Resolver
from arc.settings import Settings
from arc.store import events
from arc.store import jobs as rows
from arc.testing import store_values
from tests.flows.living import completed, submit

Repo = pytest.importorskip("dvc.repo", reason="DVC needs the extra `versions`").Repo
pytestmark = [
    pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning"),  # DVC 3.67 with pygtrie 2.6
    pytest.mark.skipif(shutil.which("git") is None, reason="no git"),
]
BESIDE_PYTHON = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "go-on-with-dvc.md"


class Context:
    """What track and checkout use of an attempt's context."""

    threads = 1

    def __init__(self, given: ResolvedInput, *, stop_at: str = "") -> None:
        self.given = given
        self.stop_at = stop_at  # the phase in which somebody asks it to stop
        self.phases: list[str] = []
        self.stop = False

    def input(self, name: str) -> ResolvedInput:
        return self.given

    def phase(self, name: str, *, budget_s: float | None = None) -> None:
        self.phases.append(name)
        self.stop = name == self.stop_at

    def progress(self, done: float, of: float | None = None, **more: Any) -> None:
        pass

    def should_stop(self) -> bool:
        return self.stop


def make(app: App, number: int, files: Mapping[str, bytes]) -> DatasetVersion:
    """A version of `eyes` with these files, registered as a job registers it: under hard links from its staging."""
    staging = app.layout.workspace / "jobs" / f"job_{number}" / "attempts" / f"job_{number}.1"
    for folder in ("dataset", "sealed"):
        (staging / folder / "images").mkdir(parents=True)
        for name, data in files.items():
            (staging / folder / "images" / name).write_bytes(data + folder.encode())
    for split, folder in (("train", "dataset"), ("val", "dataset"), ("sealed", "sealed")):
        (staging / folder / f"{split}.csv").write_text(f"{split} of {number}\n")
    made = {
        "dataset": "eyes", "digest": f"{number:064d}", "task": "classification", "layout": "folders", "classes": ["a"], "counts": {"train": {"a": 1}},
        "patients": {}, "patients_known": True, "split_rule": "patient", "licence": "CC0", "source": "a clinic", "description": "Ünïcode: yes",
        "seal": tree.seal(staging / "dataset"), "sealed_seal": tree.seal(staging / "sealed"), "files": len(files), "bytes": 99,
        "parameters": {}, "made_from": None,
    }  # fmt: skip
    job = store_values.job(f"job_{number}", recipe="data.unpack", status=JobStatus.COMPLETED)
    with app.store.write() as tx:
        rows.insert(tx, job)
        app.registry.after(app.datasets.register)(tx, job, staging, Done(result=made))
    return app.datasets.get("eyes")


def resolved(app: App, recipe: str, ref: str) -> ResolvedInput:
    job = store_values.job(f"job_{recipe}_{ref}", recipe=recipe, inputs={"dataset": f"dataset:{ref}"})
    with app.store.write() as tx:
        return Resolver(app.layout, app.artifacts, app.clock, dvc_remote=app.settings.dvc_remote).resolve(tx, job, 1)["dataset"]


def keep(app: App, ref: str = "eyes@1", *, push: bool = True) -> dict[str, Any]:
    """Track a version as a job does, completion included; the job's result."""
    done = track.run(Context(resolved(app, "data.track", ref)), TrackParams(push=push))  # type: ignore[arg-type]
    with app.store.write() as tx:
        return done.result | app.registry.after(tracking.record)(tx, store_values.job("job_1"), app.layout.workspace, done)


def back(app: App, ref: str = "eyes@1") -> dict[str, Any]:
    return checkout.run(Context(resolved(app, "data.checkout", ref)), CheckoutParams()).result  # type: ignore[arg-type]


def shown(*command: str, where: Path) -> str:
    environment = os.environ | {"PATH": BESIDE_PYTHON, "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=where, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def workspace(app: App) -> Path:
    return app.layout.workspace


def test_what_is_kept_stays_as_it_is_and_is_named_in_git(app: App, workspace: Path) -> None:
    version = make(app, 1, {"one.png": b"one", "two.png": b"two"})
    before = contents(workspace / version.path)
    said = keep(app)
    assert (said["tracked"], said["pushed"], said["remote"], said["unchanged"]) == (True, True, "dvc-remote", False)
    assert contents(workspace / version.path) == before
    assert tree.check(workspace / version.path, version.seal) == 0  # checked at the end, and remembered
    assert shown("git", "rev-parse", "eyes-v1", where=workspace) == said["revision"]
    assert app.datasets.trackings("eyes")[1].revision == said["revision"]
    committed = shown("git", "ls-files", where=workspace).split()
    assert committed == [".dvc/config", ".dvcignore", ".gitignore", "data_registry.yaml", "datasets/eyes/1.dvc", "sealed/eyes/1.dvc"]
    assert shown("git", "log", "--format=%an %s", where=workspace).split("\n") == ["ARC eyes@1", "ARC Keep versions in local"]
    again = keep(app)
    assert again == said | {"unchanged": True}
    with app.store.read() as tx:
        assert [event.kind for event in events.after(tx, 0, subject="eyes")] == ["dataset.registered", "dataset.tracked"]


def test_nothing_else_of_a_workspace_can_be_committed(app: App, workspace: Path) -> None:
    make(app, 1, {"one.png": b"one"})
    keep(app, push=False)
    for name in (
        "secrets/token",
        "artifacts/ab/cd",
        "datasets/eyes/2.dvc/photo.png",
        "datasets/loose.png",
        "sealed/eyes/2/x",
        ".dvc/config.local",
    ):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text("private")
    shown("git", "add", "--all", where=workspace)
    assert shown("git", "diff", "--cached", "--name-only", where=workspace) in ("", "data_registry.yaml")
    assert "private" not in shown("git", "log", "--patch", "--all", where=workspace)


def test_versions_that_are_gone_or_damaged_come_back_as_they_were_sealed(app: App, workspace: Path) -> None:
    first = make(app, 1, {"one.png": b"one", "two.png": b"two"})
    make(app, 2, {"one.png": b"one", "two.png": b"changed"})
    keep(app, "eyes@1"), keep(app, "eyes@2")
    before = contents(workspace / first.path), contents(workspace / first.sealed_path)
    assert back(app)["restored"] == []
    shutil.rmtree(workspace / first.path)
    shutil.rmtree(workspace / first.sealed_path)
    shutil.rmtree(workspace / ".dvc" / "cache")
    shutil.rmtree(workspace / "jobs")
    assert back(app)["restored"] == [first.path, first.sealed_path]
    assert (contents(workspace / first.path), contents(workspace / first.sealed_path)) == before
    photo = workspace / first.path / "images" / "one.png"
    photo.chmod(0o644)
    photo.write_bytes(b"changed where it lies, and with it DVC's own copy of it")
    with pytest.raises(BadData, match=r"one\.png"):
        tree.check(workspace / first.path, first.seal)
    assert back(app)["restored"] == [first.path]
    assert contents(workspace / first.path) == before[0]


def test_a_version_that_nobody_keeps_cannot_come_back(app: App) -> None:
    make(app, 1, {"one.png": b"one"})
    with pytest.raises(NotFound, match="does not keep eyes@1"):
        back(app)


def test_what_was_not_pushed_is_pushed_later_and_to_the_remote_of_the_settings(app: App, workspace: Path, tmp_path: Path) -> None:
    make(app, 1, {"one.png": b"one"})
    first = keep(app, push=False)
    assert not (workspace / "dvc-remote").exists()
    elsewhere = tmp_path / "elsewhere"
    with closing(build(Settings(workspace=workspace, dvc_remote=str(elsewhere)))) as other:
        said = keep(other)
        assert (said["remote"], said["pushed"], said["revision"]) == (str(elsewhere), True, first["revision"])
        shutil.rmtree(workspace / "datasets" / "eyes" / "1")
        shutil.rmtree(workspace / ".dvc" / "cache")
        assert back(other)["restored"] == ["datasets/eyes/1"]


def test_a_workspace_that_was_moved_goes_on(app: App, workspace: Path, tmp_path: Path) -> None:
    make(app, 1, {"one.png": b"one"})
    keep(app)
    app.close()
    moved = workspace.rename(tmp_path / "moved")
    with closing(build(Settings(workspace=moved))) as other:
        shutil.rmtree(moved / "datasets" / "eyes" / "1")
        shutil.rmtree(moved / ".dvc" / "cache")
        assert back(other)["restored"] == ["datasets/eyes/1"]
    assert not workspace.exists()


def test_another_command_of_dvc_is_waited_for(app: App, workspace: Path) -> None:
    make(app, 1, {"one.png": b"one"})
    keep(app, push=False)
    context = Context(resolved(app, "data.track", "eyes@1"), stop_at="wait for another command of DVC")
    with Repo(str(workspace)) as repo, repo.lock, pytest.raises(Cancelled):
        track.run(context, TrackParams())  # type: ignore[arg-type]
    assert context.phases[-1] == context.stop_at


def test_two_jobs_at_once_take_turns_and_a_third_brings_back_what_is_gone(app: App, workspace: Path) -> None:
    async def story() -> None:
        await app.start()
        first = [submit(app, "data.track", inputs={"dataset": f"dataset:eyes@{number}"}) for number in (1, 2)]
        ended = [await completed(app, job) for job in first]
        assert [job.retry_count for job in ended] == [0, 0]
        shutil.rmtree(workspace / "datasets" / "eyes" / "1")
        again = await completed(app, submit(app, "data.checkout", inputs={"dataset": "dataset:eyes@1"}))
        assert again.result is not None
        assert again.result["restored"] == ["datasets/eyes/1"]
        assert {job.result["revision"] for job in ended if job.result} == {one.revision for one in app.datasets.trackings("eyes").values()}
        await app.stop()

    make(app, 1, {"one.png": b"one"})
    make(app, 2, {"one.png": b"one", "two.png": b"two"})
    asyncio.run(story())
    assert shown("dvc", "status", where=workspace) == "Data and pipelines are up to date."
    assert shown("git", "tag", where=workspace).split() == ["eyes-v1", "eyes-v2"]
    assert shown("git", "fsck", where=workspace) == ""


def test_without_git_or_dvc_the_job_says_what_is_missing(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    make(app, 1, {"one.png": b"one"})
    context: Any = Context(resolved(app, "data.track", "eyes@1"))
    with monkeypatch.context() as bare:
        bare.setenv("PATH", "")
        with pytest.raises(PermanentError, match="git is not installed"):
            track.run(context, TrackParams())
    monkeypatch.delitem(sys.modules, "arc.data.repository")
    monkeypatch.delattr("arc.data.repository")
    monkeypatch.setitem(sys.modules, "dvc.config", None)
    with pytest.raises(RecipeBroken, match=r"pip install 'arc-control\[versions\]'"):
        track.run(context, TrackParams())


@pytest.mark.parametrize("remote", ["a/folder", "https://me:secret@host/path"])
def test_a_remote_is_a_whole_place_without_a_password(remote: str) -> None:
    with pytest.raises(ValueError, match="dvc_remote"):
        Settings(dvc_remote=remote)


def test_the_registry_file_says_what_the_store_says(app: App, workspace: Path) -> None:
    make(app, 1, {"one.png": b"one"})
    assert "eyes" in (workspace / "data_registry.yaml").read_text()
    keep(app, push=False)
    said = yaml.safe_load((workspace / "data_registry.yaml").read_text(encoding="utf-8"))["datasets"]["eyes"]
    version = app.datasets.get("eyes")
    assert [one["version"] for one in said] == [1]
    assert (said[0]["digest"], said[0]["seal"], said[0]["description"]) == (version.digest, version.seal, "Ünïcode: yes")
    assert (said[0]["dvc"]["pushed"], said[0]["validation"]) == (False, None)
    before = (workspace / "data_registry.yaml").read_bytes()
    (workspace / "data_registry.yaml").unlink()
    app.registry.ensure()
    assert (workspace / "data_registry.yaml").read_bytes() == before


def test_the_page_on_plain_dvc_and_git_is_true(app: App, workspace: Path, tmp_path: Path) -> None:
    first = make(app, 1, {"one.png": b"one"})
    second = make(app, 2, {"one.png": b"one", "two.png": b"two"})
    keep(app, "eyes@1"), keep(app, "eyes@2")
    before = contents(workspace / first.path), contents(workspace / second.path)
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    told = [shown("bash", "-euc", block, where=workspace) for block in blocks]
    assert "Data and pipelines are up to date" in told[0]
    copy = tmp_path / "eyes-elsewhere"
    assert (contents(copy / first.path), contents(copy / second.path)) == before
    assert contents(workspace / first.path) == before[0]
    assert tree.check(workspace / first.path, first.seal) >= 0
