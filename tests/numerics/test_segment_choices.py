"""Every choice of the form of fundus.segment: it trains, stops, goes on to the identical curve, and comes back to draw; what cannot be is refused."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from pydantic import ValidationError

from arc.core.errors import ArcError, BadData, BrokenCheckpoint, Cancelled, InvalidSpec
from arc.data import manifest
from arc.fundus import classify, segment, segment_losses, segmenter_file
from arc.fundus.augment_spec import AugmentPolicy
from arc.fundus.classify_spec import ClassifyParams
from arc.fundus.losses import lovasz
from arc.fundus.segment_spec import SegmentParams
from arc.fundus.segmenters import Heads
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

SMALL = {"input_size": 32, "epochs": 2, "batch_size": 6, "width": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), patients=10, size_px=96)


def attempt(root: Path, folder: Path, params: dict[str, Any], *, stop_at: int | None = None, newest: Path | None = None) -> FolderContext:
    torch.set_num_threads(1)
    ctx = FolderContext(root, seed=1, inputs={"dataset": dataset(folder)})
    if "weights" in params:
        ctx.inputs["weights"] = given(params["weights"])
    ctx.stop_at_step, ctx.newest = stop_at, newest
    chosen = SegmentParams.model_validate({name: value for name, value in params.items() if name != "weights"})
    if stop_at is None:
        segment.run(ctx, chosen)
    else:
        with pytest.raises(Cancelled):
            segment.run(ctx, chosen)
    return ctx


def curve(ctx: FolderContext) -> dict[int, dict[str, float]]:
    """The losses and rates of the steps."""
    return {step: dict(values) for step, values in ctx.points if "loss" in values}


def tensors(ctx: FolderContext) -> dict[str, torch.Tensor]:
    return dict(checkpoint.load_model_weights(ctx.root / "model.safetensors").tensors)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "focal", "focal_alpha": 0.7, "optimizer": "adam", "schedule": "step", "schedule_epochs": 1},
        {
            "loss": "weighted_bce",
            "positive_weight": 3.0,
            "optimizer": "sgd",
            "schedule": "plateau",
            "schedule_epochs": 1,
            "heads": "binary",
        },
        {"loss": "bce_dice", "optimizer": "muon", "accumulate": 2, "batch_size": 3},
        {"loss": "tversky", "tversky_missed": 0.6, "optimizer": "rmsprop", "lr": 1e-4, "schedule": "constant"},
        {"loss": "lovasz", "heads": "binary", "model": "attention_unet"},
        {"loss": "compound", "loss_weights": {"generalized_dice": 1.0, "boundary": 0.5}},
        {"loss": "dice_focal", "heads": "binary", "focus": 0.0, "batch_size": 3},
        {"loss": "cross_entropy", "label_smoothing": 0.1, "heads": "binary", "dropout": 0.2},
        {"loss": "dice"},
    ],
    ids=lambda params: str(params["loss"]),
)
def test_every_loss_optimiser_and_schedule_comes_back(tmp_path: Path, folder: Path, params: dict[str, Any]) -> None:
    comes_back(tmp_path, folder, SMALL | params)


@pytest.mark.parametrize("model", ["unet", "attention_unet"])
def test_with_amp_ema_schedule_and_augmentation_on_each_network_comes_back(tmp_path: Path, folder: Path, model: str) -> None:
    everything = {name: {"probability": 0.7} for name in AugmentPolicy.model_fields}
    more = {"precision": "bf16", "ema_decay": 0.9, "schedule": "plateau", "schedule_epochs": 1, "accumulate": 2, "dropout": 0.1}
    comes_back(tmp_path, folder, SMALL | more | {"model": model, "augmentation": everything, "batch_size": 3}, stop_at=3)


def comes_back(root: Path, folder: Path, params: dict[str, Any], *, stop_at: int = 2) -> None:
    """One run, and one that is stopped and resumed, end with the same curve and the same weights; the model draws."""
    whole = attempt(root / "whole", folder, params)
    stopped = attempt(root / "stopped", folder, params, stop_at=stop_at)
    resumed = attempt(root / "resumed", folder, params, newest=stopped.checkpoints[-1])
    assert curve(stopped) | curve(resumed) == curve(whole)
    assert min(curve(resumed)) == stop_at + 1
    assert json.loads((resumed.root / "history.json").read_text()) == json.loads((whole.root / "history.json").read_text())
    one, other = tensors(whole), tensors(resumed)
    assert all(torch.equal(one[name], other[name]) for name in one)
    segmenter = segmenter_file.load(resumed.root / "model.safetensors", torch.device("cpu"))
    drawn = segmenter_file.mask_of(segmenter, np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8))
    assert drawn.shape == (40, 48)
    assert set(np.unique(drawn)) <= {0, 128, 255}


def pixels(heads: Heads) -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits and classes of two squares."""
    random = torch.Generator().manual_seed(0)
    return torch.randn(2, 3 if heads == "classes" else 2, 8, 8, generator=random), torch.randint(0, 3, (2, 8, 8), generator=random)


def loss(heads: Heads, **options: Any) -> float:
    logits, classes = pixels(heads)
    return segment_losses.segmentation_loss(SegmentParams.model_validate(options), heads)(logits, classes).item()


@pytest.mark.parametrize("heads", ["classes", "binary"])
def test_the_losses_are_those_of_their_papers(heads: Heads) -> None:
    logits, classes = pixels(heads)
    chances, wanted = segment_losses.nested(logits, heads), segment_losses.targets(classes, "binary")
    assert torch.allclose(segment_losses.nested_odds(logits, heads).sigmoid(), chances)
    p = torch.where(wanted > 0, chances, 1 - chances)
    weight = torch.where(wanted > 0, 0.7, 0.3)
    assert loss(heads, loss="focal", focal_alpha=0.7) == pytest.approx(-(weight * (1 - p) ** 2 * p.log()).mean().item(), rel=1e-5)
    weight = torch.where(wanted > 0, 3.0, 1.0)
    assert loss(heads, loss="weighted_bce", positive_weight=3.0) == pytest.approx(-(weight * p.log()).mean().item(), rel=1e-5)
    assert loss(heads, loss="lovasz") == pytest.approx(lovasz(chances, wanted).item(), rel=1e-5)
    exclusive = heads == "classes"
    overlap = DiceLoss(softmax=exclusive, sigmoid=not exclusive, include_background=not exclusive, batch=True)
    dice = overlap(logits, segment_losses.targets(classes, heads)).item()
    assert loss(heads, loss="dice") == pytest.approx(dice)
    assert loss(heads, loss="tversky", tversky_missed=0.5) == pytest.approx(dice, rel=1e-3)  # even weights are Dice
    entropy = F.cross_entropy(logits, classes) if exclusive else F.binary_cross_entropy_with_logits(logits, wanted)
    assert loss(heads, loss="cross_entropy") == pytest.approx(entropy.item())
    assert loss(heads, loss="dice_ce") == pytest.approx(dice + entropy.item())
    assert loss(heads, loss="bce_dice") == pytest.approx(dice + loss(heads, loss="weighted_bce"))
    weights = {"lovasz": 2.0, "boundary": 0.5}
    both = 2 * loss(heads, loss="lovasz") + 0.5 * loss(heads, loss="boundary")
    assert loss(heads, loss="compound", loss_weights=weights) == pytest.approx(both)


def test_the_boundary_loss_is_least_for_the_truth_and_grows_with_the_distance() -> None:
    wanted = torch.zeros(1, 1, 32, 32)
    wanted[..., 8:24, 8:24] = 1
    found = [segment_losses.boundary(torch.roll(wanted, shift, dims=3), wanted).item() for shift in (0, 2, 4, 8)]
    assert found == sorted(found)
    assert found[0] < 0
    assert segment_losses.boundary(wanted, torch.zeros_like(wanted)).item() == 0
    everywhere = torch.full_like(wanted, 0.5)
    assert segment_losses.boundary(everywhere, torch.ones_like(wanted)).item() == 0


@pytest.mark.parametrize("name", ["focal", "weighted_bce", "lovasz", "tversky", "generalized_dice", "boundary", "dice_ce"])
@pytest.mark.parametrize("heads", ["classes", "binary"])
def test_squares_without_a_disc_have_a_loss_and_a_slope(name: str, heads: Heads) -> None:
    logits = pixels(heads)[0].requires_grad_()
    value = segment_losses.segmentation_loss(SegmentParams.model_validate({"loss": name}), heads)(logits, torch.zeros(2, 8, 8))
    value.backward()
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_a_training_goes_on_from_the_weights_of_another_segmenter_of_the_same_network(tmp_path: Path, folder: Path) -> None:
    first = attempt(tmp_path / "first", folder, SMALL)
    begun = attempt(tmp_path / "begun", folder, SMALL | {"weights": first.root / "model.safetensors", "lr": 1e-8, "epochs": 1})
    one, other = tensors(first), tensors(begun)
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one if "running" not in name and "tracked" not in name)
    assert str(first.root) in json.loads((begun.root / "config.json").read_text())["began_with"]
    with pytest.raises(BadData, match="with width 4, not 8") as error:
        attempt(tmp_path / "wide", folder, SMALL | {"width": 8, "weights": first.root / "model.safetensors"})
    assert error.value.field == "weights"
    classifier = FolderContext(tmp_path / "classifier", inputs={"dataset": dataset(folder)})
    classify.run(classifier, ClassifyParams(epochs=1, input_size=32))
    with pytest.raises(BadData, match=r"made by 'fundus\.classify', not by fundus\.segment"):
        attempt(tmp_path / "other", folder, SMALL | {"weights": classifier.root / "model.safetensors"})


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"epochs": 0}, "epochs"), ({"batch_size": 0}, "batch_size"), ({"loss": "compound"}, "loss_weights"), ({"loss": "mse"}, "loss"),
        ({"loss_weights": {"dice": 1.0}}, "compound"), ({"loss": "compound", "loss_weights": {"dice_ce": 1.0}}, "loss_weights"),
        ({"focus": 0.5}, "cut off a part of the disc"), ({"optimizer": "lion"}, "optimizer"), ({"tversky_missed": 1.0}, "tversky_missed"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_by_name(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        SegmentParams.model_validate(wrong)


def test_the_usual_batch_of_a_small_set_is_all_of_it_and_a_larger_one_is_refused_unread(tmp_path: Path, folder: Path) -> None:
    lines = manifest.read(folder / "dataset" / "train.csv")[:3]
    few = changed(folder, tmp_path / "few", lambda rows: lines)
    ctx = attempt(tmp_path / "usual", few, {"input_size": 32, "epochs": 1, "width": 4})
    assert json.loads((ctx.root / "config.json").read_text())["params"]["batch_size"] == 6
    with pytest.raises(InvalidSpec, match="batch_size 7 is more than the 6 squares of 3 photographs") as error:
        refused(tmp_path / "more", few, batch_size=7)
    assert error.value.field == "params.batch_size"


def test_photographs_that_cannot_be_trained_on_are_named_before_the_first_step(tmp_path: Path, folder: Path) -> None:
    size = cv2.imread(str(folder / "dataset" / manifest.read(folder / "dataset" / "train.csv")[0].file)).shape
    pictures = {
        "dot.png": (np.full((1, 1, 3), 9, np.uint8), r"dot\.png has 1 x 1 px"),
        "nan.tiff": (np.full(size, np.nan, np.float32), r"nan\.tiff cannot be decoded"),
        "black.png": (np.zeros(size, np.uint8), r"black\.png shows nothing: every pixel is 0"),
    }
    for name, (picture, said) in pictures.items():
        cv2.imwrite(str(tmp_path / name), picture)
        other = changed(folder, tmp_path / f"of-{name}", lambda rows, name=name: [rows[0].model_copy(update={"file": name}), *rows[1:]])
        (other / "dataset" / name).symlink_to(tmp_path / name)
        with pytest.raises(BadData, match=said) as error:
            refused(tmp_path / f"run-{name}", other)
        assert error.value.field == "dataset"


def test_a_checkpoint_of_another_network_is_named(tmp_path: Path, folder: Path) -> None:
    stopped = attempt(tmp_path / "stopped", folder, SMALL, stop_at=2)
    with pytest.raises(BrokenCheckpoint, match=r"cannot be loaded: (the weights lack|.* has the shape)"):
        attempt(tmp_path / "other", folder, SMALL | {"model": "attention_unet"}, newest=stopped.checkpoints[-1])


def changed(folder: Path, into: Path, edit: Any) -> Path:
    """The dataset with other rows in train.csv."""
    (into / "dataset").mkdir(parents=True)
    for file in (folder / "dataset").iterdir():
        if file.suffix != ".csv":
            (into / "dataset" / file.name).symlink_to(file)
    for name in ("train", "val"):
        rows = manifest.read(folder / "dataset" / f"{name}.csv")
        manifest.write(into / "dataset" / f"{name}.csv", edit(rows) if name == "train" else rows)
    return into


def refused(root: Path, folder: Path, **params: Any) -> None:
    """A training that must end before its first step."""
    ctx = FolderContext(root, inputs={"dataset": dataset(folder)})
    try:
        segment.run(ctx, SegmentParams.model_validate(SMALL | params))
    except ArcError:
        assert not ctx.points
        raise
