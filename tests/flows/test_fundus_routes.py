"""Train, evaluate and explain for real, by routes and by commands, on drawn photographs with masks and on real ones (HRF)."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from arc.api.control import ControlPlane
from arc.app import build
from arc.cli.root import app as command_line
from arc.client.control import token
from arc.settings import Settings

pytest.importorskip("torch", reason="torch is not installed: pip install 'arc-control[train]'")

CLASSIFIER = {"model_name": "small_cnn", "epochs": 2, "batch_size": 8, "input_size": 64, "seed": 1}
SEGMENTER = {"model_name": "unet", "width": 8, "epochs": 8, "batch_size": 8, "input_size": 64, "focus": 0.0, "lr": 0.01, "seed": 1}
SHOWN = 2


@dataclass
class Served:
    """A workspace that is served with its engine, a data root, and the model of a segmenter once there is one."""

    workspace: Path
    root: Path
    http: httpx.Client

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(path, params={"wait": 250}, json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def arc(self, *words: str) -> dict[str, Any]:
        done = CliRunner().invoke(command_line, ["--workspace", str(self.workspace), *words, "--json"])
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("fundus").resolve()
    root = folder / "handed-over"
    root.mkdir()
    plane = ControlPlane(build(Settings(workspace=folder / "ws", memory_reserve_gb=0.0, data_roots=[root])), port=0)
    plane.start_background()
    headers = {"Authorization": f"Bearer {token(folder / 'ws')}"}
    with httpx.Client(base_url=plane.url, headers=headers, trust_env=False, timeout=280) as http:
        yield Served(folder / "ws", root, http)
    plane.stop()


@pytest.fixture(scope="module")
def drawn(served: Served) -> str:
    """Drawn photographs with masks; their name."""
    made = served.post("/jobs", recipe="data.synthetic_fundus", params={"patients": 20, "size_px": 96, "label_noise": 0.0}, seed=3)
    archive = {"archive": f"job:{made['job_id']}/synthetic-fundus.zip"}
    served.post("/jobs", recipe="data.unpack", params={"name": "drawn"}, inputs=archive, seed=3)
    return "drawn"


@pytest.fixture(scope="module")
def segmenter(served: Served, drawn: str) -> dict[str, Any]:
    """A segmenter of the drawn photographs, trained by its route."""
    return served.post("/train/segmentation", dataset=drawn, **SEGMENTER)


@pytest.fixture(scope="module")
def hrf(served: Served, sample_data: Path) -> str:
    """The path of the real photographs in a data root, which nobody has registered."""
    return str(shutil.copytree(sample_data / "hrf" / "images", served.root / "hrf"))


def _explained(served: Served, given: dict[str, Any], job: str, method: str, **more: Any) -> dict[str, Any]:
    """What an explanation answers, with its pictures on the disk."""
    found = served.post(f"/visualizations/{method}", **given, job_id=job, num_samples=SHOWN, seed=2, **more)
    assert found["figures"] == [f"{method}_{number:03d}.png" for number in range(1, SHOWN + 1)]
    home = served.workspace / "experiments" / found["experiment_id"] / "visualizations"
    assert all((home / name).read_bytes().startswith(b"\x89PNG") for name in found["figures"])
    return found


def _fits(found: dict[str, Any], *names: str) -> None:
    """Each figure lies in its interval."""
    for name in names:
        assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"], name


@pytest.mark.slow
def test_by_routes_on_drawn_photographs(served: Served, drawn: str, segmenter: dict[str, Any]) -> None:
    judged = served.post("/eval/run", dataset=drawn, job_id=segmenter["job_id"], task_type="segmentation")
    _fits(judged["metrics"], "disc_dice", "cup_dice")
    trained = served.post("/train/classifier", dataset=drawn, cycle_id=4, **CLASSIFIER)
    assert len(trained["history"]) == 2
    assert trained["test_results"] is None
    judged = served.post(
        "/eval/run", dataset=drawn, checkpoint_path=trained["best_checkpoint_path"], experiment_id=trained["experiment_id"]
    )
    _fits(judged["metrics"], "auc", "sensitivity", "specificity")
    shown = served.http.get(f"/experiments/{trained['experiment_id']}").json()
    assert (shown["metrics"]["auc"], shown["cycle"]) == (judged["metrics"]["auc"], 4)
    _explained(served, {"dataset": drawn}, trained["job_id"], "gradcam")
    _explained(served, {"dataset": drawn}, trained["job_id"], "gradcam_pp")
    dri = _explained(served, {"dataset": drawn}, trained["job_id"], "dri")
    assert len(dri["dri_scores"]) == SHOWN
    assert all(0 <= one["dri_score"] <= 1 and one["control"]["random_dri"] >= 0 for one in dri["dri_scores"])


@pytest.mark.slow
def test_by_routes_on_real_photographs_in_a_folder(served: Served, hrf: str, segmenter: dict[str, Any]) -> None:
    given = {"dataset_path": hrf}
    first = served.post("/train/classifier", **given, **CLASSIFIER)
    second = served.post("/train/classifier", **given, **CLASSIFIER)
    assert first["history"] == second["history"], "the folder is one version, however often it is named"
    versions = served.http.get("/datasets/hrf/info").json()["versions"]
    assert [version["version"] for version in versions] == [1]
    judged = served.post("/eval/run", **given, job_id=first["job_id"])
    assert judged["n"] == sum(versions[0]["counts"]["sealed"].values())
    _fits(judged["metrics"], "auc")
    _explained(served, given, first["job_id"], "gradcam")
    _explained(served, given, first["job_id"], "gradcam_pp")
    dri = _explained(served, given, first["job_id"], "dri", segmentation=f"job:{segmenter['job_id']}/model.safetensors")
    assert dri["disc_from"].startswith("artifact:")


@pytest.mark.slow
def test_by_commands_on_drawn_photographs(served: Served, drawn: str) -> None:
    segmented = served.arc("train", "segmentation", "--dataset", drawn, "--epochs", "1", "--input-size", "64", "-p", "focus=0.0")
    assert 0 <= served.arc("eval", segmented["experiment_id"])["result"]["metrics"]["disc_dice"]["value"] <= 1
    trained = _trained(served, drawn)
    assert served.arc("eval", trained["experiment_id"])["result"]["metrics"]["auc"]["value"] >= 0
    found = served.arc("explain", trained["experiment_id"], "--samples", str(SHOWN))["result"]
    assert found["mean_dri_interval"]["low"] <= found["mean_dri"] <= found["mean_dri_interval"]["high"]


@pytest.mark.slow
def test_by_commands_on_real_photographs(served: Served, hrf: str, segmenter: dict[str, Any]) -> None:
    served.arc("data", "register", hrf, "--name", "hrf-by-command")
    trained = _trained(served, "hrf-by-command")
    assert served.arc("eval", trained["id"], "--split", "val")["result"]["split"] == "val"
    for words in (("--method", "gradcam-pp"), ("--segmenter", segmenter["job_id"])):
        assert served.arc("explain", trained["id"], "--samples", str(SHOWN), *words)["result"]["n"] == SHOWN


def _trained(served: Served, dataset: str) -> dict[str, Any]:
    return served.arc(
        "train", "classifier", "--dataset", dataset, "--epochs", "1", "-p", "input_size=64", "-p", "batch_size=8", "--seed", "1"
    )


def test_copies_are_left_where_they_were_asked_for(served: Served, drawn: str) -> None:
    folders = {name: str(served.root / "copies" / name) for name in ("checkpoint_dir", "log_dir", "output_dir")}
    job = served.post("/train/classifier", dataset=drawn, **{**CLASSIFIER, "epochs": 1}, **folders)["job_id"]
    left = {name: sorted(path.name for path in (Path(folder) / job).iterdir()) for name, folder in folders.items()}
    assert "model.safetensors" in left["checkpoint_dir"]
    assert left["output_dir"] == ["config.json", "history.json"]
    assert any(name.startswith(f"{job}.1.") for name in left["log_dir"])
    assert served.http.get(f"/jobs/status/{job}").json()["copies"] == folders
    shown = served.post("/visualizations/gradcam", dataset=drawn, job_id=job, num_samples=1, output_dir=str(served.workspace / "exports"))
    assert (served.workspace / "exports" / shown["job_id"] / "gradcam_001.png").is_file()


def test_a_folder_that_takes_no_copies_costs_no_result(served: Served) -> None:
    target = served.root / "spoilt"
    body = {"recipe": "data.synthetic_fundus", "params": {"patients": 6, "size_px": 64}, "output_dir": str(target / "below")}
    target.mkdir()
    job = served.http.post("/jobs", json=body | {"needs": [_held(served)]}).json()["job_id"]
    target.rmdir()
    target.symlink_to(served.workspace / "secrets")  # it became a way out while the job waited
    served.http.post(f"/jobs/release/{_held_id(served, job)}")
    with served.http.stream("GET", f"/jobs/{job}/events") as stream:
        said = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    kinds = [one.get("kind") for one in said]
    assert "job.copies_missing" in kinds, kinds
    assert served.http.get(f"/jobs/status/{job}").json()["status"] == "completed"


def _held(served: Served) -> str:
    """A job that waits until it is released."""
    job = served.http.post(
        "/jobs", params={"wait": 0}, json={"recipe": "data.synthetic_fundus", "params": {"patients": 6, "size_px": 64}}
    ).json()["job_id"]
    served.http.post(f"/jobs/hold/{job}")
    return str(job)


def _held_id(served: Served, job: str) -> str:
    return str(served.http.get(f"/jobs/status/{job}").json()["needs"][0])
