"""Training, evaluation and explanation through their routes, with an engine behind: in dummy mode from end to end, and what is refused on the way."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from tests.api.serving import House, is_problem, serve_running
from tests.unit.data.context import clinic, zipped

FOLDER = "imports"
QUICK = {"dataset": "drawn", "epochs": 1, "input_size": 32, "dummy_mode": True, "seed": 3}
ROUTES = ("/visualizations/gradcam", "/visualizations/gradcam_pp", "/visualizations/dri", "/eval/run")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    served = serve_running(tmp_path_factory.mktemp("running"))
    yield served
    served.plane.stop()


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[httpx.Client]:
    with house.client() as made:
        made.timeout = httpx.Timeout(300)
        yield made


@pytest.fixture(scope="module")
def inbox(house: House) -> Path:
    folder = house.app.settings.workspace / FOLDER
    folder.mkdir()
    return folder


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


@pytest.fixture(scope="module", autouse=True)
def _datasets(client: httpx.Client, inbox: Path) -> None:
    body = {"recipe": "data.synthetic_fundus", "params": {"patients": 16, "size_px": 64}, "seed": 1}
    drawn = done(client.post("/jobs?wait=250", json=body))
    archives = {"drawn": f"job:{drawn['job_id']}/synthetic-fundus.zip", "bare": f"path:{zipped(inbox / 'bare.zip', clinic(each=12))}"}
    for name, archive in archives.items():
        done(
            client.post(
                "/jobs?wait=250", json={"recipe": "data.unpack", "params": {"name": name}, "inputs": {"archive": archive}, "seed": 1}
            )
        )


@pytest.fixture(scope="module")
def rehearsed(client: httpx.Client) -> dict[str, Any]:
    return done(client.post("/train/classifier?wait=250", json=QUICK))


def jobs(house: House) -> int:
    return sum(house.app.jobs.counts().values())


@pytest.mark.parametrize("route", ROUTES)
def test_in_dummy_mode_every_route_runs_and_says_so(client: httpx.Client, rehearsed: dict[str, Any], route: str) -> None:
    said = done(
        client.post(f"{route}?wait=250", json={"dataset": "drawn", "job_id": rehearsed["job_id"], "split": "val", "dummy_mode": True})
    )
    assert said["simulated"] is True
    assert client.get(f"/jobs/status/{said['job_id']}").json()["simulated"] is True
    assert said["experiment_id"] == rehearsed["experiment_id"]


def test_in_dummy_mode_a_segmenter_is_trained_and_judged(client: httpx.Client) -> None:
    trained = done(client.post("/train/segmentation?wait=250", json=QUICK))
    assert client.get(f"/jobs/status/{trained['job_id']}").json()["simulated"] is True
    body = {"dataset": "drawn", "job_id": trained["job_id"], "split": "val"}
    assert done(client.post("/eval/run?wait=250", json=body | {"dummy_mode": True}))["simulated"] is True
    said = is_problem(client.post("/eval/run?wait=250", json=body), 422)
    assert "dummy mode" in said["detail"]


@pytest.mark.parametrize("route", ROUTES)
def test_what_was_made_in_dummy_mode_counts_nowhere(client: httpx.Client, rehearsed: dict[str, Any], route: str) -> None:
    said = is_problem(client.post(f"{route}?wait=250", json={"dataset": "drawn", "job_id": rehearsed["job_id"], "split": "val"}), 422)
    assert "was made in dummy mode and counts for nothing" in said["detail"]
    assert client.get(f"/jobs/status/{said['job_id']}").json()["failure"]["class"] == "bad_data"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"model_name": "vit_base", "input_size": 100}, ""),
        ({"lr": 0.0}, "lr"),
    ],
)
def test_what_can_be_seen_at_the_door_makes_no_job(house: House, client: httpx.Client, wrong: dict[str, Any], field: str) -> None:
    before = jobs(house)
    said = is_problem(client.post("/train/classifier", json={"dataset": "drawn"} | wrong), 422)
    assert field in str(said.get("field"))
    assert jobs(house) == before


def refused(client: httpx.Client, route: str, body: dict[str, Any], words: str) -> None:
    """The job that it became failed as bad data, and the answer says why."""
    said = is_problem(client.post(f"{route}?wait=250", json=body), 422)
    assert words in said["detail"]
    job = client.get(f"/jobs/status/{said['job_id']}").json()
    assert (job["status"], job["failure"]["class"], job["attempt"]) == ("failed", "bad_data", 1)


class Evil:
    """A pickle that would run a program."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.file),)


def test_a_malicious_pickle_is_not_opened(client: httpx.Client, inbox: Path) -> None:
    torch.save({"state_dict": Evil(inbox / "ran")}, inbox / "evil.pth")
    refused(
        client, "/train/classifier", {"dataset": "drawn", "epochs": 1, "weights": f"path:{inbox / 'evil.pth'}"}, "evil.pth is no file of"
    )
    assert not (inbox / "ran").exists()


def test_a_batch_larger_than_the_set_is_named(client: httpx.Client) -> None:
    refused(client, "/train/classifier", {"dataset": "drawn", "batch_size": 4096, "input_size": 32}, "batch_size 4096 is more than the")


def test_a_segmenter_is_no_classifier(client: httpx.Client) -> None:
    trained = done(client.post("/train/segmentation?wait=250", json=QUICK))
    body = {"dataset": "drawn", "job_id": trained["job_id"], "split": "val", "dummy_mode": True}
    refused(client, "/visualizations/gradcam", body, "fundus.segment")


def test_dri_without_masks_asks_for_a_segmenter(client: httpx.Client, rehearsed: dict[str, Any]) -> None:
    body = {"dataset": "bare", "job_id": rehearsed["job_id"], "split": "val", "dummy_mode": True}
    refused(client, "/visualizations/dri", body, "no photograph with a mask; give a segmentation model")


def test_photographs_of_nan_and_of_one_pixel_do_not_come_in(client: httpx.Client, inbox: Path) -> None:
    Image.fromarray(np.full((64, 64), np.nan, np.float32)).save(inbox / "nan.tif")
    Image.new("RGB", (1, 1)).save(inbox / "dot.png")
    for file in ("nan.tif", "dot.png"):
        archive = zipped(
            inbox / f"{file}.zip", {f"glaucoma/{file}": (inbox / file).read_bytes(), f"normal/{file}": (inbox / file).read_bytes()}
        )
        refused(client, "/jobs", {"recipe": "data.unpack", "params": {"name": "bad"}, "inputs": {"archive": f"path:{archive}"}}, file)
