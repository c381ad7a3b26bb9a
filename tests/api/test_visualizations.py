"""The routes that explain become jobs of their recipes, and name what is wrong in their own words."""

from typing import Any

import httpx
import pytest

from arc import catalog
from arc.core.dataset import DatasetVersion
from arc.store import datasets
from tests.api.serving import House, is_problem

DIGEST = "a" * 64


@pytest.fixture(scope="module", autouse=True)
def _dataset(house: House) -> None:
    with house.app.store.write() as tx:
        datasets.insert(
            tx,
            DatasetVersion(
                name="eyes", version=1, digest=DIGEST, task="classification", layout="class folders", classes=("healthy", "glaucoma"),
                counts={"train": {"healthy": 3, "glaucoma": 2}}, patients={"train": 5}, patients_known=True, split_rule="by patient",
                licence="", source="", path="datasets/eyes/1", sealed_path="sealed/eyes/1", job_id=None, created_at=tx.clock.now(),
            ),
        )  # fmt: skip


@pytest.fixture(scope="module")
def trained(house: House) -> dict[str, Any]:
    with house.client() as client:
        return started(client, client.post("/train/classifier", json={"dataset": "eyes"}))


def started(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = client.get(answer.json()["location"]).json()
    return found


@pytest.mark.parametrize("name", ["gradcam", "gradcam_pp", "dri"])
def test_each_route_is_a_job_of_its_recipe_in_the_experiment(admin: httpx.Client, trained: dict[str, Any], name: str) -> None:
    body = {"dataset": "eyes", "job_id": trained["job_id"], "num_samples": 3, "target_layer": "features", "seed": 5, "dummy_mode": True}
    job = started(admin, admin.post(f"/visualizations/{name}?wait=0", json=body))
    assert (job["recipe"], job["seed"], job["simulated"]) == (f"fundus.{name}", 5, True)
    assert job["experiment_id"] == trained["experiment_id"]
    assert job["needs"] == [trained["job_id"]]
    expected = catalog.spec(f"fundus.{name}").params().model_dump(mode="json") | {"num_samples": 3, "target_layer": "features"}
    assert job["params"] == expected


def test_dri_takes_a_segmenter_and_its_own_numbers(admin: httpx.Client, trained: dict[str, Any]) -> None:
    segmenter = started(admin, admin.post("/train/segmentation", json={"dataset": "eyes"}))
    reference = f"job:{segmenter['job_id']}/model.safetensors"
    body = {"dataset": "eyes", "job_id": trained["job_id"], "segmentation": reference, "method": "gradcam_pp", "valid_from": 0.5}
    job = started(admin, admin.post("/visualizations/dri?wait=0", json=body))
    assert job["inputs"]["segmentation"] == reference
    assert (job["params"]["method"], job["params"]["valid_from"]) == ("gradcam_pp", 0.5)


@pytest.mark.parametrize(
    ("wrong", "status", "field"),
    [
        ({"dataset": "absent"}, 404, "dataset"),
        ({"job_id": None}, 422, "job_id"),
        ({"model_digest": DIGEST}, 422, "job_id"),
        ({"job_id": None, "checkpoint_path": "/etc/shadow"}, 403, "checkpoint_path"),
        ({"segmentation": "path:/etc/shadow"}, 403, "segmentation"),
        ({"segmentation": "nothing"}, 422, "segmentation"),
        ({"num_samples": 0}, 422, "num_samples"),
        ({"threshold": 1.0}, 422, "threshold"),
        ({"split": "train"}, 422, "split"),
        ({"valid_from": 0.5}, 422, "valid_from"),
    ],
)
def test_what_is_wrong_is_named(admin: httpx.Client, trained: dict[str, Any], wrong: dict[str, Any], status: int, field: str) -> None:
    body = {"dataset": "eyes", "job_id": trained["job_id"]} | wrong
    said = is_problem(admin.post("/visualizations/gradcam?wait=0", json=body), status)
    assert said["field"] == field
    assert "inputs." not in said["detail"]
