"""Every choice of the form of fundus.classify: it trains, stops, goes on to the identical curve, and comes back for prediction."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from safetensors.torch import save_file

from arc.core.errors import BadData, Cancelled, InvalidSpec
from arc.data import manifest
from arc.fundus import classify, pictures, predict, segmenters, splits
from arc.fundus.classify_spec import ClassifyParams
from arc.fundus.losses import focal, loss_of, lovasz, weighted_bce
from arc.fundus.networks import build
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

SMALL = {"input_size": 32, "epochs": 3, "batch_size": 6, "accumulate": 2, "ema_decay": 0.9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), patients=16)


def attempt(root: Path, folder: Path, params: dict[str, Any], *, stop_at: int | None = None, newest: Path | None = None) -> FolderContext:
    torch.set_num_threads(1)
    ctx = FolderContext(root, seed=1, inputs={"dataset": dataset(folder)})
    if "file" in params:
        ctx.inputs["weights"] = given(params["file"])
    ctx.stop_at_step, ctx.newest = stop_at, newest
    chosen = ClassifyParams.model_validate({name: value for name, value in params.items() if name != "file"})
    if stop_at is None:
        classify.run(ctx, chosen)
    else:
        with pytest.raises(Cancelled):
            classify.run(ctx, chosen)
    return ctx


def curve(ctx: FolderContext) -> dict[int, dict[str, float]]:
    """The losses and rates of the steps."""
    return {step: dict(values) for step, values in ctx.points if "loss" in values}


def history(ctx: FolderContext) -> Any:
    return json.loads((ctx.root / "history.json").read_text())


def comes_back(root: Path, folder: Path, params: dict[str, Any], *, stop_at: int = 2) -> None:
    """One run, and one that is stopped and resumed, end with the same curve and the same weights; the model predicts."""
    whole = attempt(root / "whole", folder, params)
    stopped = attempt(root / "stopped", folder, params, stop_at=stop_at)
    resumed = attempt(root / "resumed", folder, params, newest=stopped.checkpoints[-1])
    assert curve(stopped) | curve(resumed) == curve(whole)
    assert min(curve(resumed)) == stop_at + 1
    assert history(resumed) == history(whole)
    one, other = (checkpoint.load_model_weights(ctx.root / classify.MODEL).tensors for ctx in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)
    model = predict.load(resumed.root / classify.MODEL, torch.device("cpu"))
    images = torch.zeros((2, 3, model.card.input_size, model.card.input_size), dtype=torch.uint8)
    scores = predict.probabilities(model.network, images, device=model.device, batch_size=2)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "cross_entropy", "label_smoothing": 0.1, "optimizer": "adam", "schedule": "step", "schedule_epochs": 1},
        {"loss": "focal", "focal_alpha": 0.7, "optimizer": "sgd", "schedule": "plateau", "schedule_epochs": 1},
        {"loss": "weighted_bce", "positive_weight": 2.0, "optimizer": "rmsprop", "lr": 1e-4, "schedule": "constant"},
        {"loss": "compound", "loss_weights": {"focal": 0.5, "cross_entropy": 1.0}, "optimizer": "muon", "balanced_sites": True},
        {"weighted_sampling": False, "balanced_sites": True, "precision": "bf16", "backbone_lr_factor": 0.1},
        {"weighted_sampling": False, "folds": 3, "fold": 1},
    ],
    ids=lambda params: "-".join(str(value) for value in list(params.values())[:2]),
)
def test_every_loss_optimiser_schedule_and_sampling_comes_back(tmp_path: Path, folder: Path, params: dict[str, Any]) -> None:
    comes_back(tmp_path, folder, SMALL | params)


@pytest.mark.parametrize("model", ["efficientnet_b0", "efficientnet_b3", "efficientnet_b5", "resnet50", "vit_base"])
def test_every_network_comes_back(tmp_path: Path, folder: Path, model: str) -> None:
    params = {
        "model": model,
        "input_size": 64 if model == "vit_base" else 32,
        "epochs": 2,
        "batch_size": 16,
        "optimizer": "sgd",
        "lr": 1e-3,
    }
    comes_back(tmp_path, folder, params, stop_at=1)


def test_a_frozen_backbone_begins_with_the_file_and_comes_back(tmp_path: Path, folder: Path) -> None:
    torch.manual_seed(3)
    given_weights = {name: tensor for name, tensor in build("small_cnn", dropout=0.0).state_dict().items() if not name.startswith("head")}
    save_file(given_weights, tmp_path / "weights.safetensors")
    params = SMALL | {"file": tmp_path / "weights.safetensors", "freeze_epochs": 2, "backbone_lr_factor": 0.1, "ema_decay": 0.0}
    comes_back(tmp_path, folder, params)
    only_head = attempt(tmp_path / "head", folder, params | {"epochs": 2})
    tensors = checkpoint.load_model_weights(only_head.root / classify.MODEL).tensors
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in given_weights.items())
    config = json.loads((only_head.root / "config.json").read_text())
    assert config["began_with"]["fresh"] == ["head.weight", "head.bias"]
    assert config["began_with"]["loaded"] > 20


def test_the_losses_are_those_of_their_papers() -> None:
    logits = torch.randn(9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1])
    p = logits.softmax(1)[torch.arange(9), labels]
    weight = torch.where(labels == 1, 0.7, 0.3).double()
    assert torch.allclose(focal(logits, labels, gamma=2.0, alpha=0.7), -(weight * (1 - p) ** 2 * p.log()).mean())
    assert torch.allclose(weighted_bce(logits, labels, positive_weight=1.0), F.cross_entropy(logits, labels))
    assert torch.allclose(weighted_bce(logits, labels, positive_weight=3.0), -(torch.where(labels == 1, 3.0, 1.0) * p.log()).mean())
    both = ClassifyParams(loss="compound", loss_weights={"focal": 2.0, "cross_entropy": 0.5})
    expected = 2 * focal(logits, labels, gamma=2.0) + 0.5 * F.cross_entropy(logits, labels)
    assert torch.allclose(loss_of(both, logits, labels), expected)


def test_lovasz_is_the_jaccard_loss_where_the_answers_are_sure() -> None:
    random = torch.Generator().manual_seed(1)
    wanted = torch.randint(0, 2, (2, 1, 6, 6), generator=random).float()
    said = torch.randint(0, 2, (2, 1, 6, 6), generator=random).float()
    jaccard = 1 - (wanted * said).sum() / torch.maximum(wanted, said).sum()
    assert lovasz(said, wanted).item() == pytest.approx(jaccard.item(), abs=1e-6)
    assert lovasz(wanted, wanted).item() == 0
    assert lovasz(said, torch.zeros_like(wanted)).item() == 0


@pytest.mark.parametrize(("heads", "channels"), [("classes", 3), ("binary", 2)])
@pytest.mark.parametrize("attention", [False, True])
def test_each_u_net_answers_every_pixel(heads: segmenters.Heads, channels: int, attention: bool) -> None:
    network = segmenters.unet(heads=heads, attention=attention, widths=(4, 8, 16))
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, channels, 32, 32)


def test_folds_share_out_the_patients_and_leave_none_out(folder: Path) -> None:
    train, val = (pictures.load(folder / "dataset" / f"{name}.csv", 32) for name in ("train", "val"))
    seen: list[str] = []
    for fold in range(3):
        rest, judged = splits.cut(train, val, folds=3, fold=fold)
        assert not {row.patient for row in rest.rows} & {row.patient for row in judged.rows}
        assert len(rest) + len(judged) == len(train) + len(val)
        assert all(row.index == label for row, label in zip(judged.rows, judged.labels_N.tolist(), strict=True))
        seen += [row.file for row in judged.rows]
    assert sorted(seen) == sorted(row.file for row in (*train.rows, *val.rows))
    with pytest.raises(InvalidSpec, match="folds"):
        splits.cut(train, val, folds=99, fold=0)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"epochs": 0}, "epochs"), ({"model": "vit_base", "input_size": 100}, "multiple of 16"), ({"weights": "hub"}, "small_cnn"),
        ({"folds": 1}, "folds"), ({"folds": 3, "fold": 3}, "fold 3"), ({"fold": 1}, "fold 1"), ({"loss": "compound"}, "loss_weights"),
        ({"loss_weights": {"focal": 1.0}}, "compound"), ({"loss": "compound", "loss_weights": {"dice": 1.0}}, "loss_weights"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_by_name(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        ClassifyParams.model_validate(wrong)


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


def refused(root: Path, folder: Path, error: type[Exception], match: str, **params: Any) -> None:
    with pytest.raises(error, match=match):
        attempt(root, folder, SMALL | params)


def test_bad_input_is_named_before_time_is_spent(tmp_path: Path, folder: Path) -> None:
    one_class = changed(folder, tmp_path / "one", lambda rows: [row for row in rows if row.index == 0])
    refused(tmp_path / "a", one_class, BadData, "train holds normal alone")
    refused(tmp_path / "b", folder, InvalidSpec, "batch_size 4096 is more than", batch_size=4096)
    refused(tmp_path / "c", folder, InvalidSpec, "freeze_epochs without weights", freeze_epochs=1)
    (tmp_path / "text").write_text("no weights")
    refused(tmp_path / "d", folder, BadData, "no file of weights", file=tmp_path / "text")
    dot = tmp_path / "dot.png"
    cv2.imwrite(str(dot), np.zeros((1, 1, 3), np.uint8))
    tiny = changed(folder, tmp_path / "tiny", lambda rows: [rows[0].model_copy(update={"file": "dot.png"}), *rows[1:]])
    (tiny / "dataset" / "dot.png").symlink_to(dot)
    refused(tmp_path / "e", tiny, BadData, r"dot\.png has 1 x 1 px")


def test_weights_of_a_file_and_of_the_hub_at_once_are_refused(tmp_path: Path, folder: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "weights.safetensors")
    refused(tmp_path, folder, InvalidSpec, "one of them", model="resnet50", weights="hub", file=tmp_path / "weights.safetensors")
    refused(tmp_path, folder, BadData, "of another model", model="resnet50", file=tmp_path / "weights.safetensors")
