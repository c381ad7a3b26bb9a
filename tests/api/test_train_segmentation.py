"""POST /train/segmentation: every choice of the recipe under the route's own words, and errors that name them."""

from typing import Any

import httpx
import pytest

from arc.core.dataset import DatasetVersion
from arc.store import datasets
from tests.api.serving import House, is_problem


@pytest.fixture(scope="module", autouse=True)
def _dataset(house: House) -> None:
    with house.app.store.write() as tx:
        datasets.insert(
            tx,
            DatasetVersion(
                name="discs", version=1, digest="b" * 64, task="segmentation", layout="class folders",
                classes=("normal", "glaucoma"), counts={"train": {"normal": 3, "glaucoma": 2}}, patients={"train": 5},
                patients_known=True, split_rule="by patient", licence="", source="", path="datasets/discs/1",
                sealed_path="sealed/discs/1", job_id=None, created_at=tx.clock.now(),
            ),
        )  # fmt: skip


def test_every_choice_reaches_the_recipe(admin: httpx.Client) -> None:
    same: dict[str, Any] = {
        "optimizer": "muon", "schedule": "plateau", "schedule_factor": 0.3, "schedule_epochs": 4, "accumulate": 2, "precision": "bf16",
        "loss": "compound", "loss_weights": {"dice": 1.0, "boundary": 0.5}, "label_smoothing": 0.1, "focal_gamma": 1.5, "focal_alpha": 0.6,
        "positive_weight": 2.0, "tversky_missed": 0.6, "places": 5, "flips": True, "batch_size": 4, "ema_decay": 0.9, "patience": 7,
    }  # fmt: skip
    answer = admin.post("/train/segmentation", json={"dataset": "discs", "use_wandb": True} | same)
    assert answer.status_code == 202, answer.text
    job = admin.get(answer.json()["location"]).json()
    assert {name: job["params"][name] for name in same} == same
    assert job["params"]["track"] == ["wandb"]
    assert set(job["inputs"]) == {"dataset"}


@pytest.mark.parametrize("old", ["dice_ce", "dice", "cross_entropy", "tversky", "dice_focal"])
def test_the_first_names_of_losses_are_still_understood(admin: httpx.Client, old: str) -> None:
    answer = admin.post("/train/segmentation", json={"dataset": "discs", "loss": old})
    assert admin.get(answer.json()["location"]).json()["params"]["loss"] == old


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"loss": "mse"}, "loss"), ({"loss": "compound"}, "params"), ({"optimizer": "lion"}, "optimizer"), ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"), ({"weights": "rubbish"}, "weights"), ({"tversky_missed": 1.0}, "tversky_missed"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_the_routes_own_name(admin: httpx.Client, wrong: dict[str, Any], field: str) -> None:
    said = is_problem(admin.post("/train/segmentation", json={"dataset": "discs"} | wrong), 422)
    assert said["field"] == field, said
    assert "params." not in said["detail"]
    assert "inputs." not in said["detail"]
