"""What the routes of training, evaluation and explanation are given besides: a dataset as a folder, folders for copies, a cycle."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from arc.core.dataset import DatasetVersion
from arc.core.states import JobStatus
from arc.store import datasets
from tests.api.serving import House, is_problem

ROUTES = (
    "/train/classifier",
    "/train/segmentation",
    "/eval/run",
    "/visualizations/gradcam",
    "/visualizations/gradcam_pp",
    "/visualizations/dri",
)


@pytest.fixture(scope="module", autouse=True)
def _dataset(house: House) -> None:
    with house.app.store.write() as tx:
        datasets.insert(
            tx,
            DatasetVersion(
                name="eyes", version=1, digest="a" * 64, task="classification", layout="class folders", classes=("healthy", "glaucoma"),
                counts={"train": {"healthy": 3, "glaucoma": 2}}, patients={"train": 5}, patients_known=True, split_rule="by patient",
                licence="", source="", path="datasets/eyes/1", sealed_path="sealed/eyes/1", job_id=None, created_at=tx.clock.now(),
            ),
        )  # fmt: skip


def folder(house: House, name: str) -> Path:
    """A folder that a request may name."""
    made = house.app.settings.workspace / "imports" / name
    made.mkdir(parents=True)
    return made


def body(house: House, route: str, **more: Any) -> dict[str, Any]:
    """The least that a route takes beside its dataset."""
    if route.startswith("/train"):
        return more
    model = house.app.settings.workspace / "imports" / "model.safetensors"
    model.parent.mkdir(exist_ok=True)
    model.touch()
    return {"checkpoint_path": str(model)} | more


def started(client: httpx.Client, route: str, wanted: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(route, params={"wait": 0}, json=wanted)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = client.get(answer.json()["location"]).json()
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_a_folder_is_registered_first_and_then_known(house: House, admin: httpx.Client, route: str) -> None:
    photographs = folder(house, f"Photographs {route.strip('/').replace('/', '-')}")
    job = started(admin, route, body(house, route, dataset_path=str(photographs)))
    (first,) = job["needs"]
    registering = admin.get(f"/jobs/status/{first}").json()
    assert registering["recipe"] == "data.register"
    assert registering["params"]["name"] == photographs.name.replace(" ", "-")
    assert registering["seed"] == 0
    assert job["inputs"]["dataset"] == f"job:{first}/dataset"
    house.move(house.app.jobs.get(first), JobStatus.RUNNING)
    house.move(house.app.jobs.get(first), JobStatus.COMPLETED, result={"dataset": "eyes", "version": 1})
    again = started(admin, route, body(house, route, dataset_path=str(photographs)))
    assert (again["inputs"]["dataset"], again["needs"]) == ("dataset:eyes@1", [])


def test_the_folder_of_a_version_is_the_version(house: House, admin: httpx.Client) -> None:
    there = house.app.settings.workspace / "datasets" / "eyes" / "1"
    there.mkdir(parents=True, exist_ok=True)
    assert started(admin, "/train/classifier", {"dataset_path": str(there)})["inputs"] == {"dataset": "dataset:eyes@1"}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("wrong", "status", "field"),
    [
        ({}, 422, "dataset"),
        ({"dataset": "eyes", "dataset_path": "/x"}, 422, "dataset"),
        ({"dataset_path": "relative"}, 422, "dataset_path"),
        ({"dataset_path": "/etc"}, 403, "dataset_path"),
        ({"dataset_path": "/etc/absent"}, 403, "dataset_path"),
        ({"dataset": "eyes", "checkpoint_dir": "/etc"}, 403, "checkpoint_dir"),
        ({"dataset": "eyes", "log_dir": "copies"}, 422, "log_dir"),
        ({"dataset": "eyes", "cycle_id": -1}, 422, "cycle_id"),
    ],
)
def test_what_is_wrong_is_named(house: House, admin: httpx.Client, route: str, wrong: dict[str, Any], status: int, field: str) -> None:
    said = is_problem(admin.post(route, params={"wait": 0}, json=body(house, route, **wrong)), status)
    assert said["field"] == field


def test_a_folder_whose_name_is_taken_wants_another(house: House, admin: httpx.Client) -> None:
    taken = folder(house, "eyes")
    assert is_problem(admin.post("/train/classifier", json={"dataset_path": str(taken)}), 409)["field"] == "dataset_path"


@pytest.mark.parametrize("inside", ["", "sealed", "secrets", "datasets/eyes/1", "experiments", "exports/../sealed"])
def test_copies_never_go_to_the_house_s_own_folders(house: House, admin: httpx.Client, inside: str) -> None:
    wanted = {"dataset": "eyes", "output_dir": str(house.app.settings.workspace / inside)}
    assert is_problem(admin.post("/train/classifier", json=wanted), 403)["field"] == "output_dir"


def test_a_resumed_job_leaves_its_copies_too(house: House, admin: httpx.Client) -> None:
    target = str((house.app.settings.workspace / "exports" / "a").resolve())
    job = started(admin, "/train/segmentation", {"dataset": "eyes", "checkpoint_dir": target, "log_dir": target, "use_wandb": True})
    assert job["copies"] == {"checkpoint_dir": target, "log_dir": target}
    assert job["params"]["track"] == ["wandb"]
    admin.post(f"/jobs/cancel/{job['job_id']}")
    assert admin.post(f"/jobs/resume/{job['job_id']}").json()["copies"] == job["copies"]


def test_a_cycle_is_that_of_the_experiment_that_is_made(admin: httpx.Client) -> None:
    job = started(admin, "/train/classifier", {"dataset": "eyes", "cycle_id": 3})
    experiment = job["experiment_id"]
    assert admin.get(f"/experiments/{experiment}").json()["cycle"] == 3
    wanted = {"dataset": "eyes", "job_id": job["job_id"], "cycle_id": 4}
    assert is_problem(admin.post("/eval/run?wait=0", json=wanted), 409)["field"] == "cycle_id"
    said = is_problem(admin.post("/jobs", json={"recipe": "data.synthetic_fundus", "cycle_id": 1}), 422)
    assert said["field"] == "cycle_id"
