"""The recipes that explain, on a small dataset: pictures with a legend, numbers with controls, and clear words when it cannot be done."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from arc.core.errors import BadData, InvalidSpec
from arc.core.recipe import Done
from arc.data import manifest
from arc.data.pictures import read, read_mask
from arc.fundus import explain, explain_page, overlay, segmenter_file
from arc.fundus.explain_spec import DriParams, ExplainParams
from arc.fundus.networks import build
from arc.fundus.pictures import square
from arc.fundus.predict import RECIPE
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

CARD = {"recipe": RECIPE, "model": "small_cnn", "input_size": 64, "classes": ["normal", "glaucoma"], "threshold": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), size_px=96)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    checkpoint.save_model(path, build("small_cnn", dropout=0.0, size=64), CARD)
    return path


def context(root: Path, folder: Path, model: Path, *, sealed: bool = False, **more: Any) -> FolderContext:
    return FolderContext(root, seed=4, inputs={"dataset": dataset(folder, sealed=sealed), "model": given(model, digest="e" * 64)}, **more)


def measured(root: Path, folder: Path, model: Path, **params: Any) -> tuple[FolderContext, Done]:
    ctx = context(root, folder, model)
    return ctx, explain.run_dri(ctx, DriParams(num_samples=3, randomisations=1, positions=2, **params))


@pytest.mark.parametrize("name", ["gradcam", "gradcam_pp"])
def test_maps_are_left_as_pictures_with_a_page(tmp_path: Path, folder: Path, model: Path, name: str) -> None:
    ctx = context(tmp_path, folder, model, sealed=True)
    done = getattr(explain, name)(ctx, ExplainParams(num_samples=3, split="sealed"))
    assert {file: kind for file, (kind, _) in ctx.saved.items()} == {
        **{f"{name}_00{number}.png": "figure" for number in (1, 2, 3)},
        "explanation.json": "result",
        "explanation.html": "report",
    }
    assert done.result["figures"] == [f"{name}_00{number}.png" for number in (1, 2, 3)]
    assert done.result["target_layer"] == "features"
    assert "shown" not in done.result
    with Image.open(tmp_path / f"{name}_001.png") as picture:
        assert picture.size[0] > picture.size[1] > 300
    page = (tmp_path / "explanation.html").read_text()
    assert "data:image/jpeg;base64," in page
    assert "nothing was measured" in page


def test_dri_is_measured_with_its_controls_and_can_be_a_gate(tmp_path: Path, folder: Path, model: Path) -> None:
    _, done = measured(tmp_path, folder, model)
    said = json.loads((tmp_path / "explanation.json").read_text())
    scores = [one["dri_score"] for one in said["dri_scores"]]
    assert done.metrics["mean_dri"] == pytest.approx(np.mean(scores)) == said["mean_dri"]
    assert done.metrics["mean_dri_low"] <= done.metrics["mean_dri"] <= done.metrics["mean_dri_high"]
    assert done.metrics["dri_valid"] == float(np.mean(scores) >= 0.6) == float(said["valid"])
    assert {"random_dri", "moved_dri", "drop_elsewhere"} <= set(said["controls"]) & set(done.metrics)
    assert done.metrics["above_random_dri_low"] == said["above"]["random_dri"]["low"]
    assert {"random_dri", "moved_dri", "drop_elsewhere"} == set(said["dri_scores"][0]["control"])
    assert {one["map"] for one in said["dri_scores"]} <= {"ok", "flat", "empty"}
    assert "with random weights" in (tmp_path / "explanation.html").read_text()
    _, again = measured(tmp_path / "again", folder, model)
    assert again.result == done.result


def test_a_lower_bar_is_reached(tmp_path: Path, folder: Path, model: Path) -> None:
    assert measured(tmp_path, folder, model, valid_from=0.0)[1].result["valid"] is True


def test_dummy_mode_takes_the_same_path_and_says_so(tmp_path: Path, folder: Path, model: Path) -> None:
    ctx = context(tmp_path, folder, model, simulated=True)
    done = explain.run_dri(ctx, DriParams(num_samples=9))
    assert done.result["simulated"] is True
    assert done.result["n"] <= 4
    assert "Simulated" in (tmp_path / "explanation.html").read_text()


def test_without_masks_dri_asks_for_a_segmenter_and_maps_go_on(tmp_path: Path, folder: Path, model: Path) -> None:
    bare = tmp_path / "bare" / "dataset"
    bare.mkdir(parents=True)
    rows = manifest.read(folder / "dataset" / "val.csv")
    for row in rows:
        (bare / row.file).parent.mkdir(parents=True, exist_ok=True)
        (bare / row.file).write_bytes((folder / "dataset" / row.file).read_bytes())
    manifest.write(bare / "val.csv", [row.model_copy(update={"mask": "", "mask_sha256": ""}) for row in rows])
    with pytest.raises(BadData, match="segmentation") as caught:
        explain.run_dri(context(tmp_path / "dri", bare.parent, model), DriParams())
    assert caught.value.field == "dataset"
    assert explain.gradcam(context(tmp_path / "cam", bare.parent, model), ExplainParams(num_samples=1)).result["n"] == 1


@pytest.mark.parametrize("finds", [True, False])
def test_a_segmenter_draws_the_discs_when_one_is_given(tmp_path: Path, folder: Path, model: Path, finds: bool) -> None:
    card = {"recipe": "fundus.segment", "model": "unet", "heads": "binary", "width": 4, "input_size": 32, "focus": 0}
    network = segmenter_file.network_of(segmenter_file.SegmenterCard.model_validate(card))
    last = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 9.0 if finds else -9.0)  # it takes everything for disc, or nothing
    checkpoint.save_model(tmp_path / "segmenter.safetensors", network, card)
    ctx = context(tmp_path / "run", folder, model)
    ctx.inputs["segmentation"] = given(tmp_path / "segmenter.safetensors")
    params = DriParams(num_samples=2, randomisations=1)
    if not finds:
        with pytest.raises(BadData, match="no optic disc"):
            explain.run_dri(ctx, params)
        return
    said = explain.run_dri(ctx, params).result
    assert said["disc_from"].startswith("path:")
    assert said["controls"]["moved_dri"]["value"] is None, "a disc that fills the field fits nowhere else"
    assert said["dri_scores"][0]["control"]["moved_dri"] is None
    assert "not available" in (tmp_path / "run" / "explanation.html").read_text()


def test_a_layer_that_is_not_there_and_a_split_that_was_not_given(tmp_path: Path, folder: Path, model: Path) -> None:
    with pytest.raises(InvalidSpec, match="no layer"):
        explain.gradcam(context(tmp_path / "one", folder, model), ExplainParams(target_layer="absent"))
    with pytest.raises(BadData, match="sealed"):
        explain.gradcam(context(tmp_path / "two", folder, model), ExplainParams(split="sealed"))


def test_the_disc_lies_where_the_photograph_shows_it(folder: Path) -> None:
    row = manifest.read(folder / "dataset" / "val.csv")[0]
    photograph, mask = read(folder / "dataset", row), read_mask(folder / "dataset", row)
    assert mask is not None
    image, disc = explain.squared(photograph, mask, 64)
    assert disc is not None
    assert np.array_equal(image, square(photograph, 64))
    painted = photograph.copy()
    painted[mask >= 128] = (0, 255, 0)
    green = (square(painted, 64) > (0, 200, 0)).all(axis=2) | (np.abs(square(painted, 64).astype(int) - (0, 255, 0)).sum(axis=2) < 60)
    assert (green & disc).sum() / (green | disc).sum() > 0.7
    assert explain.squared(photograph, None, 64)[1] is None


def test_classes_come_by_turns_and_no_patient_twice_before_the_others(folder: Path) -> None:
    rows = manifest.read(folder / "dataset" / "train.csv")
    ordered = explain.order(rows, seed=1)
    assert sorted(row.file for row in ordered) == sorted(row.file for row in rows)
    patients = {row.patient for row in rows}
    assert len({row.patient for row in ordered[: len(patients)]}) == len(patients)
    assert {ordered[0].index, ordered[1].index} == {0, 1}
    assert explain.order(rows, seed=1) == ordered != explain.order(rows, seed=2)


def test_an_overlay_shows_both_outlines_and_the_colours() -> None:
    image = np.full((64, 64, 3), 90, np.uint8)
    heat, disc = np.zeros((64, 64), np.float32), np.zeros((64, 64), bool)
    heat[10:30, 10:30] = 1
    disc[40:60, 40:60] = True
    made = overlay.mixed(image, heat, disc, threshold=0.5)
    assert made[40, 50].min() > 200
    assert made[10, 20].max() < 60
    assert made[20, 20, 0] > made[20, 20, 2], "high is red"
    assert overlay.draw(image, heat, None, threshold=0.5, lines=("a", "b")).shape[2] == 3


def test_the_words_follow_the_controls() -> None:
    said: dict[str, Any] = {"simulated": False, "n": 9, "mean_dri": 0.7, "valid_from": 0.6, "valid": True}
    said["above"] = {name: {"low": 0.2} for name in ("random_dri", "moved_dri")}
    assert explain_page.verdict(said)[1] == "good"
    said["above"]["random_dri"] = {"low": -0.1}
    assert "random weights" in explain_page.verdict(said)[0]
    assert explain_page.verdict(said | {"valid": False})[1] == "bad"
