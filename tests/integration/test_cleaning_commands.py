"""`arc jobs clean` and `arc experiments pin` on a workspace that nobody serves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from arc.app import build
from arc.cli.root import app as command_line
from arc.settings import Settings
from tests.integration.endings import begun, checkpoint, failed, over, submit

Arc = Callable[..., Result]


@pytest.fixture
def arc(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Arc:
    """`arc(…)` in a workspace with a broken experiment and one that left three checkpoints."""
    monkeypatch.setenv("ARC_WORKSPACE", str(in_folder / "ws"))
    made = build(Settings(workspace=in_folder / "ws", allow_fault_jobs=True))
    failed(made, "exp_broken")
    job = begun(made, submit(made, experiment_id="exp_good"))
    for step in (1, 2, 3):
        checkpoint(made, job, step)
    over(made, job)
    made.close()
    return lambda *words: CliRunner().invoke(command_line, list(words))


def test_a_dry_run_shows_what_goes_and_what_stays_and_why(arc: Arc, in_folder: Path) -> None:
    shown = arc("jobs", "clean", "--dry-run")
    assert shown.exit_code == 0, shown.stderr
    (broken,) = [line for line in shown.stdout.splitlines() if "exp_broken" in line]
    assert "would go" in broken
    assert "failed for good" in broken
    (good,) = [line for line in shown.stdout.splitlines() if "exp_good" in line]
    assert "stays" in good
    assert "has a checkpoint" in good
    assert "2 things would go" in shown.stdout
    assert "arc jobs clean" in shown.stderr
    assert (in_folder / "ws" / "experiments" / "exp_broken").is_dir()


def test_cleaning_says_what_went_and_then_there_is_nothing(arc: Arc, in_folder: Path) -> None:
    shown = arc("jobs", "clean")
    assert "exp_broken" in shown.stdout
    assert "exp_good" not in shown.stdout
    assert not (in_folder / "ws" / "experiments" / "exp_broken").exists()
    assert arc("jobs", "clean").stdout == "There is nothing to clean.\n"
    document = json.loads(arc("jobs", "clean", "--json").stdout)
    assert (document["experiments_cleaned"], document["removed"]) == (0, [])


def test_a_pinned_checkpoint_stays_until_it_is_unpinned(arc: Arc) -> None:
    assert "ckpt-000000001.safetensors" in arc("experiments", "pin", "exp_good", "--step", "1").stdout
    kinds = [one["kind"] for one in json.loads(arc("jobs", "clean", "--json").stdout)["removed"]]
    assert kinds == ["experiment"]
    assert [row["pinned"] for row in json.loads(arc("experiments", "unpin", "exp_good", "--json").stdout)] == [False]
    assert "No checkpoint of it was pinned" in arc("experiments", "unpin", "exp_good").stderr
    kinds = [one["kind"] for one in json.loads(arc("jobs", "clean", "--json").stdout)["removed"]]
    assert kinds == ["checkpoint"]
    assert arc("experiments", "pin", "exp_absent").exit_code == 2
