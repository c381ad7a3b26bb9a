"""Each script in examples/ runs against a control plane, as its first lines say."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arc.api.control import ControlPlane
from arc.app import build
from arc.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace that is served."""
    folder = tmp_path_factory.mktemp("examples")
    plane = ControlPlane(build(Settings(workspace=folder, memory_reserve_gb=0.0)), port=0)
    plane.start_background()
    yield folder
    plane.stop()


def _run(script: str, *options: str) -> str:
    done = subprocess.run([sys.executable, EXAMPLES / script, *options], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tried_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "end_to_end.py",
        "submit_and_watch.py",
        "train_and_evaluate.py",
        "watch_everything.py",
    }


def test_submit_and_watch(workspace: Path) -> None:
    out = _run("submit_and_watch.py", "--workspace", str(workspace), "--patients", "6")
    assert "job.submitted" in out
    assert "job.completed" in out
    assert "12 images" in out


def test_train_and_evaluate(workspace: Path) -> None:
    out = _run("train_and_evaluate.py", "--workspace", str(workspace), "--patients", "40", "--epochs", "2")
    assert "AUC 0." in out
    assert "never trained on" in out


def test_end_to_end(workspace: Path) -> None:
    pytest.importorskip("dvc", reason="DVC is not installed: pip install 'arc-control[versions]'")
    out = _run("end_to_end.py", "--workspace", str(workspace), "--patients", "24", "--epochs", "2")
    steps = [line[:2] for line in out.splitlines() if not line.startswith(" ")]
    assert steps == ["1.", "2.", "3.", "4.", "5.", "6.", "7."]
    assert "2 of 2 epochs" in out
    for figure in ("AUC", "mean DRI"):
        assert re.search(rf"{figure} (0|1)\.\d+, between (0|1)\.\d+ and (0|1)\.\d+", out), out
    report = Path(re.search(r"report (/.*report\.html)$", out, re.MULTILINE)[1])  # type: ignore[index]
    assert "DRI" in report.read_text()
    for folder in re.search(r"pictures (.*) and (.*)", out).groups():  # type: ignore[union-attr]
        assert len(list(Path(folder).glob("dri_*.png"))) == 8


def test_watch_everything(workspace: Path) -> None:
    out = _run("watch_everything.py", "--workspace", str(workspace), "--after", "0", "--events", "3")
    assert [line.split()[0] for line in out.splitlines()] == ["1", "2", "3"]
