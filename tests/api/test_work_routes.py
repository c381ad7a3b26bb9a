"""The routes with words of their own: train, evaluate, datasets, experiments, recipes, settings, tokens."""

from typing import Any

import httpx
import pytest

from arc import catalog
from arc.core.artifact import Artifact, ArtifactKind
from arc.core.dataset import DatasetVersion
from arc.core.states import JobStatus
from arc.store import artifacts, datasets
from tests.api.serving import House, is_problem

DIGEST = "a" * 64


@pytest.fixture(scope="module", autouse=True)
def _dataset(house: House) -> None:
    with house.app.store.write() as tx:
        for version in (1, 2):
            datasets.insert(
                tx,
                DatasetVersion(
                    name="eyes", version=version, digest=DIGEST, task="classification", layout="class folders",
                    classes=("healthy", "glaucoma"), counts={"train": {"healthy": 3, "glaucoma": 2}}, patients={"train": 5},
                    patients_known=True, split_rule="by patient", licence="", source="", path=f"datasets/eyes/{version}",
                    sealed_path=f"sealed/eyes/{version}", job_id=None, created_at=tx.clock.now(),
                ),
            )  # fmt: skip


def job_of(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = client.get(answer.json()["location"]).json()
    return found


def test_training_becomes_a_job_of_the_recipe(admin: httpx.Client) -> None:
    body = {"dataset": "eyes", "model_name": "small_cnn", "epochs": 3, "lr": 0.001, "seed": 7, "priority": "HIGH", "max_retries": 0}
    job = job_of(admin, admin.post("/train/classifier", json=body))
    assert (job["recipe"], job["seed"], job["priority"], job["max_retries"]) == ("fundus.classify", 7, "HIGH", 0)
    assert job["inputs"] == {"dataset": "dataset:eyes@2"}
    assert (job["params"]["model"], job["params"]["epochs"], job["params"]["lr"]) == ("small_cnn", 3, 0.001)
    assert job["experiment_id"]


def test_training_begins_with_weights_that_are_named(admin: httpx.Client) -> None:
    body = {"dataset": "eyes", "model_name": "resnet50", "freeze_epochs": 2, "ema_decay": 0.99, "loss": "compound"}
    body |= {"loss_weights": {"focal": 1.0, "cross_entropy": 0.5}, "folds": 5, "fold": 2}
    job = job_of(admin, admin.post("/train/classifier", json=body | {"weights": "hub"}))
    assert (job["params"]["weights"], job["params"]["freeze_epochs"], job["params"]["fold"]) == ("hub", 2, 2)
    assert job["params"]["loss_weights"] == {"focal": 1.0, "cross_entropy": 0.5}
    refused = admin.post("/train/classifier", json={"dataset": "eyes", "weights": "rubbish"})
    assert (refused.status_code, refused.json()["field"]) == (422, "weights")


def test_what_training_is_not_told_is_left_to_the_recipe(admin: httpx.Client) -> None:
    job = job_of(admin, admin.post("/train/classifier", json={"dataset": "dataset:eyes@1"}))
    assert job["params"] == catalog.spec("fundus.classify").params().model_dump(mode="json")
    assert job["inputs"] == {"dataset": "dataset:eyes@1"}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"dataset": "absent"}, 404, "dataset"),
        ({"dataset": "eyes@9"}, 404, "dataset"),
        ({"dataset": "../eyes"}, 422, "dataset"),
        ({"dataset": "path:/etc"}, 422, "dataset"),
        ({"dataset": "eyes", "model_name": "no_such_net"}, 422, "model_name"),
        ({"dataset": "eyes", "epochs": 0}, 422, "epochs"),
        ({"dataset": "eyes", "epochs": True}, 422, "epochs"),
        ({"dataset": "eyes", "recipe": "probe.faults"}, 422, "recipe"),
        ({"dataset": "eyes", "gpu_id": 1000}, 422, "gpu_id"),
        ({}, 422, "dataset"),
    ],
)
def test_training_names_fields_in_its_own_words(admin: httpx.Client, body: dict[str, Any], status: int, field: str) -> None:
    said = is_problem(admin.post("/train/classifier", json=body), status)
    assert said["field"] == field
    assert "params." not in said["detail"]
    assert "inputs." not in said["detail"]


def test_a_segmenter_is_trained_and_evaluated_by_routes_of_its_own_words(admin: httpx.Client) -> None:
    body = {
        "dataset": "eyes",
        "model_name": "attention_unet",
        "heads": "binary",
        "lr": 0.001,
        "augmentation": {"flip": {"probability": 0.5}},
    }
    job = job_of(admin, admin.post("/train/segmentation", json=body))
    assert (job["recipe"], job["params"]["model"], job["params"]["heads"]) == ("fundus.segment", "attention_unet", "binary")
    assert job["params"]["augmentation"]["flip"]["probability"] == 0.5
    judged = admin.post("/eval/run?wait=0", json={"dataset": "eyes", "job_id": job["job_id"], "task_type": "segmentation"})
    assert job_of(admin, judged)["params"]["task"] == "segmentation"
    for wrong, field in (({"model_name": "vnet"}, "model_name"), ({"focus": 0.5}, "focus"), ({"input_size": 100}, "input_size")):
        said = is_problem(admin.post("/train/segmentation", json={"dataset": "eyes"} | wrong), 422)
        assert "params." not in said["detail"]
        assert said["field"] in (field, None), said
    strange = is_problem(admin.post("/train/segmentation", json={"dataset": "eyes", "augmentation": {"shear": {}}}), 422)
    assert "shear" in strange["detail"]


def test_an_evaluation_of_a_training_waits_for_it_and_joins_its_experiment(admin: httpx.Client) -> None:
    trained = job_of(admin, admin.post("/train/classifier", json={"dataset": "eyes"}))
    body = {"dataset": "eyes", "job_id": trained["job_id"], "threshold": 0.5}
    job = job_of(admin, admin.post("/eval/run?wait=0", json=body))
    assert (job["recipe"], job["status"], job["needs"]) == ("fundus.evaluate", "pending", [trained["job_id"]])
    assert job["experiment_id"] == trained["experiment_id"]
    assert job["params"]["threshold"] == 0.5


@pytest.mark.parametrize(
    ("model", "status", "field"),
    [
        ({}, 422, "job_id"),
        ({"job_id": "job_absent"}, 404, None),
        ({"job_id": "job_1", "model_digest": DIGEST}, 422, "job_id"),
        ({"model_digest": DIGEST}, 404, "model_digest"),
        ({"model_digest": "x"}, 422, "model_digest"),
        ({"checkpoint_path": "/etc/shadow"}, 403, "checkpoint_path"),
        ({"checkpoint_path": "/etc/absent"}, 403, "checkpoint_path"),
        ({"checkpoint_path": "relative"}, 422, "checkpoint_path"),
    ],
)
def test_an_evaluation_needs_one_model_that_is_there(admin: httpx.Client, model: dict[str, Any], status: int, field: str | None) -> None:
    said = is_problem(admin.post("/eval/run?wait=0", json={"dataset": "eyes", **model}), status)
    if field is not None:
        assert said["field"] == field


def test_a_place_outside_looks_the_same_whether_it_exists_or_not(admin: httpx.Client) -> None:
    answers = [
        is_problem(admin.post("/eval/run?wait=0", json={"dataset": "eyes", "checkpoint_path": path}), 403)["detail"]
        for path in ("/etc/passwd", "/etc/absent", "/root/.ssh")
    ]
    assert len(set(answers)) == 1


def test_datasets_are_listed_with_their_newest_version(admin: httpx.Client) -> None:
    (line,) = admin.get("/datasets/list").json()["items"]
    assert (line["name"], line["versions"], line["newest"]["version"]) == ("eyes", 2, 2)
    info = admin.get("/datasets/eyes/info").json()
    assert [version["version"] for version in info["versions"]] == [1, 2]
    assert info["sealed_uses"] == {"1": 0, "2": 0}
    is_problem(admin.get("/datasets/absent/info"), 404, "NotFound")


def test_an_experiment_is_listed_shown_archived_and_deleted(house: House, admin: httpx.Client) -> None:
    job = job_of(admin, admin.post("/train/classifier", json={"dataset": "eyes", "experiment_id": "mine"}))
    assert "mine" in {item["id"] for item in admin.get("/experiments").json()["items"]}
    shown = admin.get("/experiments/mine").json()
    assert [item["job_id"] for item in shown["jobs"]] == [job["job_id"]]
    assert shown["dataset"] == "eyes@2"
    is_problem(admin.post("/experiments/mine/archive"), 409, "Conflict")
    is_problem(admin.delete("/experiments/mine"), 409, "Conflict")
    house.app.jobs.cancel(job["job_id"], actor="test")
    assert admin.post("/experiments/mine/archive").json()["archived"] is True
    assert "mine" not in {item["id"] for item in admin.get("/experiments").json()["items"]}
    assert "mine" in {item["id"] for item in admin.get("/experiments?archived=true").json()["items"]}
    assert admin.delete("/experiments/mine").json() == {"experiment_id": "mine", "deleted": True}
    is_problem(admin.get("/experiments/mine"), 404, "NotFound")


def test_bytes_that_vanished_are_404(house: House, admin: httpx.Client) -> None:
    job = house.move(house.job(), JobStatus.RUNNING)
    with house.app.store.write() as tx:
        row = Artifact(
            id="art_1", job_id=job.id, attempt=1, name="x.html", kind=ArtifactKind.REPORT, digest="b" * 64, size_bytes=1, path="x",
            step=None, published=True, created_at=tx.clock.now(),
        )  # fmt: skip
        artifacts.insert(tx, row)
    is_problem(admin.get(f"/artifacts/{'b' * 64}"), 404, "NotFound")


def test_recipes_say_what_they_take(admin: httpx.Client) -> None:
    lines = {line["name"]: line for line in admin.get("/recipes").json()["items"]}
    assert "fundus.classify" in lines
    assert "probe.faults" not in lines
    assert all(line["broken"] is None for line in lines.values())
    shown = admin.get("/recipes/fundus.evaluate").json()
    assert shown["schema"]["properties"]["split"]["default"] == "sealed"
    assert shown["inputs"]["model"]["required"] is True
    assert shown["outputs"]["evaluation.json"] == "result"
    is_problem(admin.get("/recipes/absent"), 404, "NotFound")


def test_settings_say_where_each_value_came_from(admin: httpx.Client) -> None:
    said = admin.get("/settings").json()
    rows = {row["name"]: row for row in said["items"]}
    assert (rows["port"]["value"], rows["port"]["unit"], rows["port"]["env"]) == (8000, "port", "ARC_PORT")
    assert rows["port"]["reason"]
    assert said["schema"]["properties"]["port"]["maximum"] == 65535


def test_tokens_are_made_shown_once_and_ended(house: House, admin: httpx.Client) -> None:
    made = admin.post("/tokens", json={"name": "robot", "role": "operator"}).json()
    with house.client(None, Authorization=f"Bearer {made['token']}") as robot:
        assert robot.get("/jobs/list").status_code == 200
        is_problem(robot.get("/tokens"), 403)
        assert made["token"] not in admin.get("/tokens").text
        assert admin.delete(f"/tokens/{made['id']}").json() == {"id": made["id"], "revoked": True}
        is_problem(robot.get("/jobs/list"), 401)
    is_problem(admin.delete("/tokens/tok_absent"), 404)
    is_problem(admin.post("/tokens", json={"name": "../x"}), 422)
    is_problem(admin.post("/tokens", json={"name": "x", "role": "root"}), 422)
