"""From an archive that somebody hands over to an evaluated model: by routes alone, by commands alone, by Python alone.

Unpack, validate, preprocess, keep with DVC, split, train, evaluate, on real photographs (HRF) and on a set with masks.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import httpx
import pytest

from arc.api.control import ControlPlane
from arc.app import build
from arc.client import Client
from arc.client.control import token
from arc.core.errors import Conflict
from arc.core.job import Job, JobRequest
from arc.settings import Settings
from tests.unit.data.context import FolderContext

STEPS = [{"step": "field_of_view"}, {"step": "clahe"}, {"step": "resize", "side_px": 128}]
TRAIN = {"model": "small_cnn", "epochs": 1, "batch_size": 8, "input_size": 64}


@dataclass
class Place:
    """A workspace that is served, and the archives that were handed over."""

    workspace: Path
    url: str
    archives: dict[str, Path]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sample_data: Path) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("datasets")
    archives = {"hrf": _zipped_hrf(root, sample_data / "hrf"), "masks": _drawn(root)}
    plane = ControlPlane(build(Settings(workspace=root / "ws", memory_reserve_gb=0.0, data_roots=[root / "handed-over"])), port=0)
    plane.start_background()
    yield Place(root / "ws", plane.url, archives)
    plane.stop()


def _zipped_hrf(root: Path, source: Path) -> Path:
    target = root / "handed-over" / "hrf.zip"
    target.parent.mkdir()
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(source.rglob("*")):
            if file.is_file():
                archive.write(file, Path("HRF") / file.relative_to(source))
    return target


def _drawn(root: Path) -> Path:
    from arc.data import synthetic
    from arc.data.spec import SyntheticFundusParams

    ctx = FolderContext(root / "draw", seed=3)
    synthetic.run(ctx, SyntheticFundusParams(patients=20, size_px=96, label_noise=0.0))
    return Path(shutil.copy(ctx.saved["synthetic-fundus.zip"][1], root / "handed-over" / "masks.zip"))


class Way(Protocol):
    """One way to do each step; each answers with the result of its job."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *how: object) -> None: ...
    def unpack(self, archive: Path, name: str) -> dict[str, Any]: ...
    def validate(self, name: str) -> dict[str, Any]: ...
    def preprocess(self, name: str) -> dict[str, Any]: ...
    def track(self, name: str, version: int) -> dict[str, Any]: ...
    def split(self, name: str) -> dict[str, Any]: ...
    def train(self, name: str) -> str: ...
    def evaluate(self, job: str, name: str) -> dict[str, Any]: ...


class Routes:
    """By routes alone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *how: object) -> None:
        self.http.close()

    def __init__(self, place: Place) -> None:
        self.http = httpx.Client(
            base_url=place.url, headers={"Authorization": f"Bearer {token(place.workspace)}"}, trust_env=False, timeout=300
        )

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def unpack(self, archive: Path, name: str) -> dict[str, Any]:
        sent = self.http.post("/datasets/upload", params={"filename": archive.name}, content=archive.read_bytes()).json()
        return self._post("/datasets/unpack", archive_path=sent["path"], dataset_name=name)

    def validate(self, name: str) -> dict[str, Any]:
        return self._post(f"/datasets/{name}/validate")

    def preprocess(self, name: str) -> dict[str, Any]:
        return self._post("/datasets/preprocess", dataset=name, steps=STEPS)

    def track(self, name: str, version: int) -> dict[str, Any]:
        return self._post(f"/datasets/{name}/versions/{version}/track")

    def split(self, name: str) -> dict[str, Any]:
        return self._post("/datasets/split", dataset=name, seed=5)

    def train(self, name: str) -> str:
        fields = {"model_name" if key == "model" else key: value for key, value in TRAIN.items()}
        answer = self.http.post("/train/classifier", params={"wait": 200}, json={"dataset": name, **fields})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["job_id"])

    def evaluate(self, job: str, name: str) -> dict[str, Any]:
        return self._post("/eval/run", dataset=name, job_id=job)


class Commands:
    """By commands alone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *how: object) -> None:
        pass

    def __init__(self, place: Place) -> None:
        self.workspace = place.workspace

    def _arc(self, *words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "arc", *words, "--json", "--workspace", str(self.workspace)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def unpack(self, archive: Path, name: str) -> dict[str, Any]:
        return dict(self._arc("data", "unpack", str(archive), "--name", name)["result"])

    def validate(self, name: str) -> dict[str, Any]:
        return dict(self._arc("data", "validate", name)["result"])

    def preprocess(self, name: str) -> dict[str, Any]:
        return dict(self._arc("data", "preprocess", name, "-p", f"steps={json.dumps(STEPS)}")["result"])

    def track(self, name: str, version: int) -> dict[str, Any]:
        return dict(self._arc("data", "track", f"{name}@{version}")["result"])

    def split(self, name: str) -> dict[str, Any]:
        return dict(self._arc("data", "split", name, "--seed", "5")["result"])

    def train(self, name: str) -> str:
        options = [word for key, value in TRAIN.items() for word in ("-p", f"{key}={value}")]
        return str(self._arc("train", "classifier", "--dataset", name, *options)["id"])

    def evaluate(self, job: str, name: str) -> dict[str, Any]:
        return dict(self._arc("eval", job, "--dataset", name)["result"])


class Python:
    """By Python alone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *how: object) -> None:
        self.arc.close()

    def __init__(self, place: Place) -> None:
        self.arc = Client(place.url, token(place.workspace))

    def _over(self, job: Job) -> Job:
        for _ in self.arc.jobs.watch(job.id):
            pass
        ended = self.arc.jobs.get(job.id)
        assert ended.status.value == "completed", ended.failure
        return ended

    def _result(self, job: Job) -> dict[str, Any]:
        return dict(self._over(job).result or {})

    def unpack(self, archive: Path, name: str) -> dict[str, Any]:
        return self._result(self.arc.datasets.unpack(self.arc.datasets.upload(archive), dataset_name=name))

    def validate(self, name: str) -> dict[str, Any]:
        return self._result(self.arc.datasets.validate(name))

    def preprocess(self, name: str) -> dict[str, Any]:
        return self._result(self.arc.datasets.preprocess(name, steps=STEPS))

    def track(self, name: str, version: int) -> dict[str, Any]:
        return self._result(self.arc.datasets.track(name, version))

    def split(self, name: str) -> dict[str, Any]:
        return self._result(self.arc.datasets.split(name, seed=5))

    def train(self, name: str) -> str:
        request = JobRequest(recipe="fundus.classify", params=TRAIN, inputs={"dataset": f"dataset:{name}"})
        return self._over(self.arc.jobs.submit(request)).id

    def evaluate(self, job: str, name: str) -> dict[str, Any]:
        inputs = {"model": f"job:{job}/model.safetensors", "dataset": f"dataset:{name}"}
        return self._result(self.arc.jobs.submit(JobRequest(recipe="fundus.evaluate", inputs=inputs)))


@pytest.mark.slow
@pytest.mark.parametrize("data", ["hrf", "masks"])
@pytest.mark.parametrize("way", [Routes, Commands, Python])
def test_from_an_archive_to_an_evaluated_model(place: Place, way: type[Way], data: str) -> None:
    name = f"{data}-{way.__name__}"
    with way(place) as go:  # type: ignore[call-arg]
        _all_the_way(go, place, data, name)


def _all_the_way(go: Way, place: Place, data: str, name: str) -> None:
    assert go.unpack(place.archives[data], name)["version"] == 1
    verdict = go.validate(name)
    assert verdict["passed"], verdict["errors"]
    assert go.preprocess(name)["made_from"] == f"{name}@1"
    kept = go.track(name, 2)
    assert kept["pushed"], kept
    again = go.split(name)
    assert (again["version"], again["made_from"]) == (3, f"{name}@2")
    judged = go.evaluate(go.train(name), name)
    assert judged["split"] == "sealed"
    assert judged["n"] == sum(again["counts"]["sealed"].values())
    with Client(place.url, token(place.workspace)) as arc:
        info = arc.datasets.info(name)
    assert info["validations"]["1"]["passed"]
    assert info["sealed_uses"] == {"1": 0, "2": 0, "3": 1}
    assert set(info["versions"][2]["parameters"]) == {"unpack", "preprocess", "split"}
    assert info["trackings"]["2"]["pushed"]


@pytest.mark.parametrize("part", ["dataset", "sealed", "table"])
def test_a_file_that_changes_under_a_version_is_noticed_before_a_job_uses_it(place: Place, part: str) -> None:
    name = f"spoilt-{part}"
    with Python(place) as go:
        made = go.unpack(place.archives["masks"], name)
        job = go.train(name) if part == "sealed" else ""
        folder = place.workspace / ("sealed" if part == "sealed" else "datasets") / name / str(made["version"])
        file = folder / "train.csv" if part == "table" else next(folder.rglob("*.jpg"))
        data = file.read_bytes()
        file.chmod(0o600)
        file.write_bytes(data.replace(b"glaucoma", b"normal", 1) if part == "table" else data[:-1] + bytes([data[-1] ^ 1]))
        if part == "sealed":
            request = JobRequest(recipe="fundus.evaluate", inputs={"model": f"job:{job}/model.safetensors", "dataset": f"dataset:{name}"})
        else:
            request = JobRequest(recipe="fundus.classify", params=TRAIN, inputs={"dataset": f"dataset:{name}"})
        failed = go.arc.jobs.submit(request)
        for _ in go.arc.jobs.watch(failed.id):
            pass
        failure = go.arc.jobs.get(failed.id).failure
    assert failure is not None
    assert failure.failure_class.value == "bad_data"
    assert file.name in failure.message
    assert "changed" in failure.message


def test_training_on_what_failed_its_validation_needs_the_names_of_the_checks(place: Place) -> None:
    with Python(place) as go:
        made = go.unpack(place.archives["masks"], "leaky")
        verdict = go._result(go.arc.datasets.validate("leaky", min_per_class=1000))
        assert verdict["failed"] == ["classes.present"]
        request = JobRequest(recipe="fundus.classify", params=TRAIN, inputs={"dataset": "dataset:leaky"})
        with pytest.raises(Conflict, match=r"accept=classes\.present"):
            go.arc.jobs.submit(request)
        allowed = request.model_copy(update={"inputs": {"dataset": "dataset:leaky?accept=classes.present"}})
        job = go._over(go.arc.jobs.submit(allowed))
        config = place.workspace / "experiments" / str(job.experiment_id) / "config" / "config.json"
        assert json.loads(config.read_text())["inputs"] == {"dataset": f"dataset:leaky@{made['version']}?accept=classes.present"}
