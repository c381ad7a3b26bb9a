"""fundus.segment and the evaluation of its model on a small dataset: train, stop and resume, judge, judge again, refuse."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given as given_
from hypothesis import settings
from hypothesis.strategies import integers

from arc.core.errors import BadData, Cancelled, InvalidSpec
from arc.core.recipe import Done
from arc.data import manifest
from arc.data.manifest import Row
from arc.fundus import evaluate, evaluate_masks, segment, segmenter_file
from arc.fundus.framing import heaviest
from arc.fundus.networks import MEAN, SPREAD
from arc.fundus.segment_spec import SegmentParams
from arc.fundus.spec import EvaluateParams
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

QUICK = {"input_size": 32, "epochs": 3, "batch_size": 8, "width": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), patients=10, size_px=96)


def train(root: Path, folder: Path, *, stop_at: int | None = None, newest: Path | None = None, **params: Any) -> tuple[FolderContext, Done]:
    ctx = FolderContext(root, seed=1, inputs={"dataset": dataset(folder)})
    ctx.stop_at_step, ctx.newest = stop_at, newest
    return ctx, segment.run(ctx, SegmentParams.model_validate(QUICK | params))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> FolderContext:
    return train(tmp_path_factory.mktemp("train"), folder)[0]


def judge(root: Path, model: Path, folder: Path, **params: Any) -> tuple[FolderContext, Done]:
    inputs = {"model": given(model, digest="e" * 64), "dataset": dataset(folder, sealed=True)}
    ctx = FolderContext(root, inputs=inputs)
    return ctx, evaluate.run(ctx, EvaluateParams(**params))


def curve(ctx: FolderContext) -> dict[int, float]:
    return {step: values["loss"] for step, values in ctx.points if "loss" in values}


def test_training_leaves_model_history_and_config(trained: FolderContext) -> None:
    assert {name: kind for name, (kind, _) in trained.saved.items()} == {
        "model.safetensors": "model",
        "history.json": "result",
        "config.json": "config",
    }
    history = json.loads((trained.root / "history.json").read_text())
    assert [row["epoch"] for row in history["epochs"]] == [1, 2, 3]
    assert {"train_loss", "val_loss", "val_dice", "val_dice_disc", "val_dice_cup", "lr"} <= set(history["epochs"][0])
    config = json.loads((trained.root / "config.json").read_text())
    assert config["params"]["augmentation"]["flip"]["probability"] == 0.5
    assert config["dataset"]["name"] == "tiny"
    weights = checkpoint.load_model_weights(trained.root / "model.safetensors")
    assert weights.meta["recipe"] == "fundus.segment"
    assert weights.meta["dataset_digest"] == "d" * 64


@pytest.mark.parametrize("params", [{}, {"model": "attention_unet", "heads": "binary", "ema_decay": 0.9, "dropout": 0.1}])
def test_stopped_and_resumed_the_curve_is_that_of_one_run(tmp_path: Path, folder: Path, params: dict[str, Any]) -> None:
    whole, _ = train(tmp_path / "whole", folder, **params)
    stopped = FolderContext(tmp_path / "one", seed=1, inputs={"dataset": dataset(folder)})
    stopped.stop_at_step = 4
    with pytest.raises(Cancelled):
        segment.run(stopped, SegmentParams.model_validate(QUICK | params))
    resumed, _ = train(tmp_path / "two", folder, newest=stopped.checkpoints[-1], **params)
    assert curve(stopped) | curve(resumed) == curve(whole)
    assert min(curve(resumed)) == max(curve(stopped)) + 1
    one, other = (checkpoint.load_model_weights(ctx.root / "model.safetensors").tensors for ctx in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("heads", ["classes", "binary"])
def test_it_learns_to_draw_disc_and_cup(tmp_path: Path, folder: Path, heads: str) -> None:
    _, done = train(tmp_path, folder, epochs=25, width=8, heads=heads, lr=1e-2, augmentation={})
    history = json.loads((tmp_path / "history.json").read_text())
    best = history["epochs"][history["best_epoch"] - 1]
    assert best["val_dice_disc"] > 0.6
    assert best["val_dice_cup"] > 0.35
    assert best["val_loss"] < history["epochs"][0]["val_loss"]
    assert done.metrics["val_disc_dice"] > 0.35  # the discs that it finds itself, at a tenth of the pixels


@pytest.mark.parametrize(
    "params",
    [{"loss": "dice"}, {"loss": "cross_entropy", "optimizer": "sgd"}, {"loss": "tversky", "heads": "binary"}, {"loss": "dice_focal"}, {"focus": 0.0}],
)  # fmt: skip
def test_the_choices_of_the_form_all_run(tmp_path: Path, folder: Path, params: dict[str, Any]) -> None:
    _, done = train(tmp_path, folder, **params | {"epochs": 1})
    assert done.metrics["epochs"] == 1


def test_patience_ends_a_training_that_gets_no_better(tmp_path: Path, folder: Path) -> None:
    _, done = train(tmp_path, folder, epochs=30, patience=1, lr=1e-8)
    assert done.result["stopped_early"] is True
    assert done.metrics["epochs"] < 30


def test_dummy_mode_takes_the_same_path_with_a_tiny_network(tmp_path: Path, folder: Path) -> None:
    ctx = FolderContext(tmp_path / "train", inputs={"dataset": dataset(folder)}, simulated=True)
    assert segment.run(ctx, SegmentParams()).metrics["epochs"] == 1
    inputs = {"model": given(ctx.root / "model.safetensors", digest="e" * 64), "dataset": dataset(folder, sealed=True)}
    judged = evaluate.run(FolderContext(tmp_path / "judge", inputs=inputs, simulated=True), EvaluateParams())
    assert judged.result["simulated"] is True


def test_the_evaluation_measures_every_part_with_an_interval(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    ctx, done = judge(tmp_path, trained.root / "model.safetensors", folder, task="segmentation")
    wanted = {f"{part}_{name}" for part in ("disc", "cup") for name in ("dice", "iou", "accuracy", "sensitivity", "specificity", "hd95_px", "asd_px")}  # fmt: skip
    assert wanted | {"vcdr_error", "vcdr_auc", "disc_found", "cup_found"} == set(done.result["metrics"])
    for name, found in done.result["metrics"].items():
        assert found["low"] is None or found["low"] <= found["value"] <= found["high"], name
    assert done.result["metrics"]["disc_accuracy"]["method"] == "bootstrap by patient"
    assert done.result["patients"] < done.result["n"] == len(manifest.read(folder / "sealed" / "sealed.csv"))
    assert done.result["split"] == "sealed"
    assert json.loads((tmp_path / "evaluation.json").read_text()) == json.loads(json.dumps(done.result))
    assert {name: kind for name, (kind, _) in ctx.saved.items()} == {
        "evaluation.json": "result",
        "predictions.csv": "predictions",
        "samples.json": "figure",
        "masks.zip": "predictions",
    }


def test_from_what_was_kept_a_second_evaluation_gives_the_same_digits(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    _, done = judge(tmp_path / "one", trained.root / "model.safetensors", folder)
    _, again = judge(tmp_path / "two", trained.root / "model.safetensors", folder)
    assert done.metrics | done.result == again.metrics | again.result
    for name in ("masks.zip", "predictions.csv", "evaluation.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    sealed = folder / "sealed" / "sealed.csv"
    rows = manifest.read(sealed)
    found = evaluate_masks.measured(tmp_path / "one" / "masks.zip", sealed)
    known = evaluate_masks.summary(rows, found, patients_known=True, confidence=0.95, seed=0)
    assert known["metrics"] == done.result["metrics"]
    with (tmp_path / "one" / "predictions.csv").open(newline="") as table:
        lines = list(csv.DictReader(table))
    assert [line["file"] for line in lines] == [row.file for row in rows]
    assert np.mean([float(line["disc_dice"]) for line in lines]) == pytest.approx(done.result["metrics"]["disc_dice"]["value"])
    with zipfile.ZipFile(tmp_path / "one" / "masks.zip") as archive:
        assert archive.namelist() == [line["mask"] for line in lines]


def test_true_masks_as_predictions_are_perfect(tmp_path: Path, folder: Path) -> None:
    sealed = folder / "sealed" / "sealed.csv"
    rows = manifest.read(sealed)
    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        for row in rows:
            archive.write(sealed.parent / row.mask, evaluate_masks.name_of(row))
    found = evaluate_masks.measured(tmp_path / "masks.zip", sealed)
    metrics = evaluate_masks.summary(rows, found, patients_known=True, confidence=0.95, seed=0)["metrics"]
    assert {metrics[name]["value"] for name in ("disc_dice", "cup_iou", "cup_sensitivity", "disc_specificity", "cup_found")} == {1.0}
    assert {metrics[name]["value"] for name in ("disc_hd95_px", "cup_asd_px", "vcdr_error")} == {0.0}
    assert metrics["disc_dice"]["low"] is None
    assert "no interval" in metrics["disc_dice"]["note"]
    assert metrics["vcdr_auc"]["value"] > 0.5


def altered(folder: Path, into: Path, change: Callable[[Path, list[Row]], list[Row]], split: str = "val") -> Path:
    """The dataset with one split's rows or files changed."""
    for part in ("dataset", "sealed"):
        (into / part).mkdir(parents=True)
        for file in (folder / part).rglob("*"):
            if file.is_file():
                target = into / part / file.relative_to(folder / part)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    csv_file = into / "dataset" / f"{split}.csv"
    manifest.write(csv_file, change(csv_file.parent, manifest.read(csv_file)))
    return into


def painted(how: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path, list[Row]], list[Row]]:
    def change(root: Path, rows: list[Row]) -> list[Row]:
        for row in rows:
            mask = cv2.imread(str(root / row.mask), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(root / row.mask), how(np.asarray(mask)))
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root, rows: [rows[0], *(row.model_copy(update={"mask": ""}) for row in rows[1:])], "have no mask"),
        (lambda root, rows: [], "names no photograph"),
        (painted(lambda mask: mask[:-7]), "not the size of its photograph"),
        (painted(lambda mask: np.where(mask > 0, 255, 0).astype(np.uint8)), r"rim of the disc \(128\)"),
        (painted(lambda mask: np.minimum(mask, 128)), r"cup \(255\)"),
        (painted(lambda mask: mask // 2), "a mask holds 0, 128 and 255"),
    ],
)
def test_masks_that_cannot_be_trained_on_are_refused_before_the_first_step(
    tmp_path: Path, folder: Path, change: Callable[[Path, list[Row]], list[Row]], said: str
) -> None:
    ctx = FolderContext(tmp_path / "run", inputs={"dataset": dataset(altered(folder, tmp_path / "data", change))})
    with pytest.raises(BadData, match=said) as error:
        segment.run(ctx, SegmentParams.model_validate(QUICK))
    assert error.value.field == "dataset"
    assert not ctx.points


def test_a_model_for_something_else_is_refused(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    model = trained.root / "model.safetensors"
    with pytest.raises(BadData, match="which is for segmentation, not for classification"):
        judge(tmp_path / "task", model, folder, task="classification")
    with pytest.raises(InvalidSpec, match="no threshold"):
        judge(tmp_path / "threshold", model, folder, threshold=0.5)
    with pytest.raises(BadData, match="not a model file"):
        judge(tmp_path / "checkpoint", trained.checkpoints[-1], folder)
    weights = checkpoint.load_model_weights(model)
    wide = segmenter_file.SegmenterCard.model_validate(weights.meta | {"width": 8})
    checkpoint.save_model(tmp_path / "other", segmenter_file.network_of(wide), weights.meta)
    with pytest.raises(BadData, match="has the shape"):
        judge(tmp_path / "shape", tmp_path / "other", folder)
    checkpoint.save_model(tmp_path / "vague", segmenter_file.network_of(wide), {"recipe": "fundus.segment"})
    with pytest.raises(BadData, match="does not describe a segmenter"):
        judge(tmp_path / "card", tmp_path / "vague", folder)


def test_a_checkpoint_of_another_training_is_not_gone_on_from(tmp_path: Path, folder: Path, trained: FolderContext) -> None:
    with pytest.raises(BadData, match="other data, order or batch size"):
        train(tmp_path, folder, newest=trained.checkpoints[-1], augmentation={})


class _ByColour(torch.nn.Module):
    """Calls all that is bright a disc from afar; from near, where more of the square is bright, only what is yellow."""

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        levels = images_NCHW * torch.tensor(SPREAD).view(1, 3, 1, 1) + torch.tensor(MEAN).view(1, 3, 1, 1)
        bright = levels[:, 1] > 0.5
        near = bright.float().mean(dim=(1, 2), keepdim=True) > 0.08
        disc = torch.where(bright & ~(near & (levels[:, 2] > 0.6)), 4.0, -4.0)
        return torch.stack([disc, disc - 8], dim=1)


@pytest.mark.parametrize(("places", "found"), [(1, False), (3, True)])
def test_where_a_reflection_is_brighter_the_disc_is_found_from_near(places: int, found: bool) -> None:
    photograph = np.full((240, 240, 3), (90, 30, 10), np.uint8)
    cv2.circle(photograph, (70, 120), 14, (250, 200, 90), cv2.FILLED)
    cv2.rectangle(photograph, (150, 60), (200, 80), (255, 255, 255), cv2.FILLED)
    card = segmenter_file.SegmenterCard(
        recipe="fundus.segment", model="unet", heads="binary", width=4, input_size=128, focus=2.0, flips=True, places=places
    )
    drawn = segmenter_file.mask_of(segmenter_file.Segmenter(_ByColour(), card, torch.device("cpu")), photograph)
    assert bool((drawn[108:132, 58:82] == 128).mean() > 0.7) is found
    assert not (drawn[:, 140:] > 0).any()


@settings(max_examples=30, deadline=None)
@given_(seed=integers(0, 10_000), most=integers(1, 5))
def test_the_heaviest_pieces_are_apart_and_in_order(seed: int, most: int) -> None:
    random = np.random.default_rng(seed)
    chances = (random.random((12, 15)) * (random.random((12, 15)) > 0.6)).astype(np.float32)
    pieces = heaviest(chances, 0.5, most=most)
    weights = [float(chances[piece].sum()) for piece in pieces]
    assert 1 <= len(pieces) <= most
    assert weights == sorted(weights, reverse=True)
    assert np.sum(pieces, axis=0).max() == 1
    if not (chances >= 0.5).any():
        return
    assert all((chances[piece] >= min(0.5, chances.max() / 2)).all() for piece in pieces)
