"""`arc run`: an experiment repeated from its configuration file, and a sweep of it."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from arc.api.control import ControlPlane
from arc.app import build
from arc.cli.root import app as command_line
from arc.client import Client
from arc.settings import Settings
from tests.numerics import wandb_run

pytest.importorskip("torch", reason="torch is not installed: pip install 'arc-control[train]'")


LEFT = {"model.safetensors": "model", "history.json": "result", "config.json": "config"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with its engine, and a small dataset in it."""
    settings = Settings(workspace=tmp_path_factory.mktemp("served"), memory_reserve_gb=0.0)
    plane = ControlPlane(build(settings), port=0)
    plane.start_background()
    drawn = _document(_arc(plane, "submit", "data.synthetic_fundus", "-p", "patients=16", "-p", "size_px=96", "--seed", "1", "--json"))
    archive = f"archive=job:{drawn['id']}/synthetic-fundus.zip"
    _document(_arc(plane, "submit", "data.unpack", "-p", "name=small", "--input", archive, "--seed", "1", "--json"))
    yield plane
    plane.stop()


def _arc(plane: ControlPlane, *words: str) -> Result:
    return CliRunner().invoke(command_line, ["--workspace", str(plane.app.settings.workspace), *words])


def _document(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def trained(served: ControlPlane) -> Any:
    """A training by overrides: its job."""
    words = ("dataset:small", "epochs=2", "input_size=32", "batch_size=8", "lr=3e-3")
    return _document(_arc(served, "train", "classifier", f"inputs.dataset={words[0]}", *words[1:], "--json"))


def _config(served: ControlPlane, job: Any) -> Path:
    return served.app.settings.workspace / "experiments" / job["experiment_id"] / "config" / "config.yaml"


def _curve(served: ControlPlane, job: Any) -> list[float | None]:
    return list(served.app.jobs.curve(job["id"], "train_loss", max_points=1000).values)


def test_seeds_become_trainings_and_one_model_of_them_all(served: ControlPlane) -> None:
    words = ("train", "classifier", "inputs.dataset=dataset:small", "epochs=1", "input_size=32", "--seeds", "2", "--seed", "5", "--json")
    joined = _document(_arc(served, *words))
    assert (joined["recipe"], joined["status"], joined["metrics"]["members"]) == ("fundus.ensemble", "completed", 2)
    assert [one["seed"] for one in joined["result"]["alone"]] == [5, 6]
    judged = _document(_arc(served, "eval", joined["experiment_id"], "--split", "val", "--json"))
    assert judged["inputs"] == {"model": f"job:{joined['id']}/model.safetensors", "dataset": joined["inputs"]["dataset"]}
    explained = _document(_arc(served, "explain", joined["experiment_id"], "--json"))
    assert explained["status"] == "completed"


def test_a_repeated_experiment_has_the_same_curve(served: ControlPlane, trained: Any) -> None:
    again = _document(_arc(served, "run", "--config", str(_config(served, trained)), "--json"))
    assert (again["params"], again["inputs"], again["seed"]) == (trained["params"], trained["inputs"], trained["seed"])
    assert len(_curve(served, trained)) == 2
    assert _curve(served, again) == _curve(served, trained)
    assert again["experiment_id"] != trained["experiment_id"]


def test_an_experiment_s_id_is_a_configuration_to_begin_with(served: ControlPlane, trained: Any) -> None:
    job = _document(
        _arc(served, "train", "classifier", f"+experiment={trained['experiment_id']}", "lr=1e-3", "--epochs", "1", "--no-wait", "--json")
    )
    assert job["params"] == {**trained["params"], "lr": 1e-3, "epochs": 1}
    assert job["inputs"] == trained["inputs"]


def test_a_dry_run_shows_what_would_run_and_submits_nothing(served: ControlPlane, trained: Any) -> None:
    words = ("run", "--config", str(_config(served, trained)), "lr=1e-3,3e-4", "seed=1,2", "--sweep", "--dry-run")
    with Client(served.url, _token(served)) as client:
        before = len(client.jobs.page(limit=100).items)
        shown = _document(_arc(served, *words, "--json"))
        assert len(client.jobs.page(limit=100).items) == before
    assert [(one["params"]["lr"], one["seed"]) for one in shown] == [(1e-3, 1), (1e-3, 2), (3e-4, 1), (3e-4, 2)]
    assert _arc(served, *words).stdout.count("recipe: fundus.classify") == 4


def test_a_sweep_is_a_job_for_each_combination_under_one_name(served: ControlPlane, trained: Any) -> None:
    words = ("run", "--config", str(_config(served, trained)), "lr=1e-3,3e-4", "--sweep", "--name", "rates", "--no-wait", "--json")
    jobs = _document(_arc(served, *words))
    assert [job["experiment_id"] for job in jobs] == ["rates-1", "rates-2"]
    assert [job["params"]["lr"] for job in jobs] == [1e-3, 3e-4]
    assert [job["id"] for job in _document(_arc(served, *words))] == [job["id"] for job in jobs], "a repeated call makes no more jobs"


def test_what_cannot_run_is_said_before_anything_is_submitted(served: ControlPlane, trained: Any) -> None:
    file = str(_config(served, trained))
    for words, said in (
        (("run",), "--config"),
        (("run", "--config", file, "lr=1,2"), "is a sweep"),
        (("run", "--config", file, "lrr=1"), "no parameter 'lrr'"),
        (("run", "--config", file, "epochs=range(1,1000)", "--sweep"), "more than 50"),
        (("run", "--config", "/nowhere.yaml"), "cannot be read"),
        (("train", "classifier", "lr=1", "--lr", "2"), "as an option and as an override"),
    ):
        result = _arc(served, *words)
        assert result.exit_code == 2, words
        assert said in result.stderr


def test_what_is_tracked_is_kept_in_the_experiment_s_folder(served: ControlPlane, trained: Any) -> None:
    for tool in ("tensorboardX", "wandb"):
        pytest.importorskip(tool, reason=f"{tool} is not installed: pip install 'arc-control[tracking]'")
    job = _document(_arc(served, "run", "--config", str(_config(served, trained)), "track=[tensorboard,wandb]", "--json"))
    home = served.app.settings.workspace / "experiments" / job["experiment_id"]
    assert [path.name.startswith("events.out.tfevents") for path in (home / "tensorboard").iterdir()] == [True]
    (run,) = (home / "wandb").iterdir()
    made = _registered(run / f"run-{job['id']}.1.wandb")
    assert made == {f"{job['experiment_id']}.{name}": kind for name, kind in LEFT.items()}
    assert _curve(served, job) == _curve(served, trained), "to be watched changes nothing"


def test_an_evaluation_registers_its_results_and_predictions_beside_the_model(served: ControlPlane, trained: Any) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'arc-control[tracking]'")
    model = f"model=job:{trained['id']}/model.safetensors"
    words = ("-i", model, "-i", f"dataset={trained['inputs']['dataset']}", "-p", "track=[wandb]")
    job = _document(_arc(served, "submit", "fundus.evaluate", *words, "--json"))
    (file,) = (served.app.settings.workspace / "experiments" / job["experiment_id"] / "wandb").glob("*/run-*.wandb")
    made = _registered(file)
    assert made[f"{job['experiment_id']}.evaluation.json"] == "result"
    assert made[f"{job['experiment_id']}.predictions.csv"] == "predictions"
    summary = {item.key: item.value_json for one in wandb_run.records(file) if one.HasField("summary") for item in one.summary.update}
    assert json.loads(summary["auc"]) == job["metrics"]["auc"]


def _registered(file: Path) -> dict[str, str]:
    """The artifacts of a run with their types; each file of them lies where `wandb sync` will look, with the bytes that it expects."""
    found = wandb_run.artifacts(file)
    for made in found.values():
        for entry in made.manifest.contents:
            data = Path(entry.local_path).read_bytes()
            assert hashlib.md5(data, usedforsecurity=False).digest() == base64.b64decode(entry.digest), entry.local_path
    return {name: made.type for name, made in found.items()}


def _token(served: ControlPlane) -> str:
    return (served.app.settings.workspace / "secrets" / "token").read_text().strip()
