"""The routes that start work on datasets make the right job, and name what is wrong as they call it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from arc.store import datasets
from arc.testing import store_values
from tests.api.serving import House, is_problem


@pytest.fixture(scope="module", autouse=True)
def eyes(house: House) -> None:
    with house.app.store.write() as tx:
        for version in (1, 2):
            datasets.insert(tx, store_values.dataset(version=version))


@pytest.fixture
def archive(house: House) -> str:
    file = house.app.layout.workspace / "imports" / "eyes.zip"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"PK")
    return str(file)


def job_of(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, params={"wait": 0}, json=body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = client.get(answer.json()["location"]).json()
    return found


def test_unpacking(admin: httpx.Client, archive: str) -> None:
    body = {"archive_path": archive, "dataset_name": "mine", "split_by": "keep", "nested_archives": 1, "seed": 5, "priority": "HIGH"}
    job = job_of(admin, "/datasets/unpack", body)
    assert (job["recipe"], job["seed"], job["priority"]) == ("data.unpack", 5, "HIGH")
    assert job["inputs"] == {"archive": f"path:{archive}"}
    params = job["params"]
    assert (params["name"], params["split_by"], params["nested_archives"], params["train_share"]) == ("mine", "keep", 1, 0.6)


@pytest.mark.parametrize(
    ("path", "body", "recipe", "inputs"),
    [
        ("/datasets/preprocess", {"dataset": "eyes@1", "steps": [{"step": "resize", "side_px": 64}]}, "data.preprocess", "dataset:eyes@1"),
        (
            "/datasets/split",
            {"dataset": "eyes", "train_share": 0.5, "val_share": 0.25, "sealed_share": 0.25},
            "data.split",
            "dataset:eyes@2",
        ),
        ("/datasets/eyes/validate", {"version": 1, "min_per_class": 3}, "data.validate", "dataset:eyes@1"),
        ("/datasets/eyes/versions/2/track", {"push": False}, "data.track", "dataset:eyes@2"),
        ("/datasets/eyes/versions/1/checkout", {}, "data.checkout", "dataset:eyes@1"),
    ],
)
def test_work_on_a_version(admin: httpx.Client, path: str, body: dict[str, Any], recipe: str, inputs: str) -> None:
    job = job_of(admin, path, body)
    assert (job["recipe"], job["inputs"]) == (recipe, {"dataset": inputs})
    for name, value in body.items():
        if name in job["params"]:
            given = job["params"][name]
            assert given == value or (name == "steps" and given[0]["side_px"] == 64)


def test_a_folder_is_validated_and_compared(admin: httpx.Client, archive: str) -> None:
    folder = str(Path(archive).parent)
    job = job_of(admin, "/datasets/validate_structure", {"dataset_path": folder, "task_type": "segmentation"})
    assert (job["recipe"], job["inputs"], job["params"]["task_type"]) == ("data.validate", {"folder": f"path:{folder}"}, "segmentation")
    job = job_of(admin, "/datasets/drift", {"reference": "eyes@1", "recent_path": folder, "psi_limit": 0.3})
    assert job["inputs"] == {"reference": "dataset:eyes@1", "recent": f"path:{folder}"}


def test_registering_with_dvc_is_two_jobs_of_which_the_second_waits(admin: httpx.Client, house: House, archive: str) -> None:
    body = {"dataset_dir": str(Path(archive).parent), "dataset_name": "new", "push_to_dvc": True, "description": "ours"}
    job = job_of(admin, "/datasets/register", body)
    assert (job["recipe"], job["status"]) == ("data.track", "pending")
    first = house.app.jobs.get(job["needs"][0])
    assert (first.recipe, first.params["name"], first.params["description"]) == ("data.register", "new", "ours")


def test_the_folder_of_a_version_is_registered_already(admin: httpx.Client, house: House) -> None:
    folder = house.app.layout.dataset("eyes", 1)
    folder.mkdir(parents=True, exist_ok=True)
    body = {"dataset_dir": str(folder), "dataset_name": "eyes"}
    assert is_problem(admin.post("/datasets/register", json=body), 409)["field"] == "dataset_dir"
    job = job_of(admin, "/datasets/register", body | {"push_to_dvc": True})
    assert (job["recipe"], job["inputs"]) == ("data.track", {"dataset": "dataset:eyes@1"})


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/datasets/unpack", {"archive_path": "/etc/shadow", "dataset_name": "x"}, 403, "archive_path"),
        ("/datasets/unpack", {"archive_path": "/etc/absent", "dataset_name": "x"}, 403, "archive_path"),
        ("/datasets/unpack", {"archive_path": "eyes.zip", "dataset_name": "x"}, 422, "archive_path"),
        ("/datasets/unpack", {"dataset_name": "x"}, 422, "archive_path"),
        ("/datasets/unpack", {"archive_path": "HERE", "dataset_name": "../x"}, 422, "dataset_name"),
        ("/datasets/unpack", {"archive_path": "HERE", "name": "x"}, 422, "name"),
        ("/datasets/unpack", {"archive_path": "HERE", "max_files": 0}, 422, "max_files"),
        ("/datasets/unpack", {"archive_path": "HERE", "max_files": True}, 422, "max_files"),
        ("/datasets/unpack", {"archive_path": "HERE", "train_share": 0.9}, 422, None),
        ("/datasets/unpack", {"archive_path": "HERE", "split_by": "site"}, 422, None),
        ("/datasets/register", {"dataset_dir": "/etc", "dataset_name": "x"}, 403, "dataset_dir"),
        ("/datasets/preprocess", {"dataset": "absent"}, 404, "dataset"),
        ("/datasets/preprocess", {"dataset": "eyes@9"}, 404, "dataset"),
        ("/datasets/preprocess", {"dataset": "path:/etc"}, 422, "dataset"),
        ("/datasets/preprocess", {"dataset": "eyes", "steps": [{"step": "sharpen"}]}, 422, "steps"),
        ("/datasets/preprocess", {"dataset": "eyes", "steps": [{"step": "resize", "side_px": "64"}]}, 422, "steps"),
        ("/datasets/split", {"dataset": "eyes", "split_by": "keep"}, 422, None),
        ("/datasets/absent/validate", {}, 404, "dataset"),
        ("/datasets/eyes/validate", {"version": 0}, 422, "version"),
        ("/datasets/eyes/validate", {"dataset_name": "x"}, 422, "dataset_name"),
        ("/datasets/validate_structure", {"dataset_path": "/root"}, 403, "dataset_path"),
        ("/datasets/drift", {"reference": "eyes"}, 422, "current"),
        ("/datasets/drift", {"reference": "eyes", "current": "eyes", "recent_path": "HERE"}, 422, "current"),
        ("/datasets/drift", {"reference": "eyes", "current": "eyes", "model_digest": "0" * 64}, 404, "model_digest"),
        ("/datasets/eyes/versions/0/track", {}, 422, "version"),
        ("/datasets/eyes/versions/9/track", {}, 404, "dataset"),
    ],
)
def test_what_is_wrong_is_named_in_the_words_of_the_route(
    admin: httpx.Client, archive: str, path: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    before = admin.get("/jobs/list").json()["items"]
    said = is_problem(
        admin.post(path, params={"wait": 0}, json={key: archive if value == "HERE" else value for key, value in body.items()}), status
    )
    assert field is None or str(said["field"]).partition(".")[0] == field
    assert "params." not in said["detail"]
    assert "inputs." not in said["detail"]
    assert [job["job_id"] for job in admin.get("/jobs/list").json()["items"]] == [job["job_id"] for job in before]


@pytest.mark.parametrize("path", ["/datasets/unpack", "/datasets/register", "/datasets/split", "/datasets/eyes/validate"])
def test_a_viewer_starts_nothing(house: House, path: str) -> None:
    with house.client("viewer") as viewer:
        is_problem(viewer.post(path, json={}), 403)
