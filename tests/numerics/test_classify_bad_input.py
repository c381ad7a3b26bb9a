"""Bad input of fundus.classify and fundus.dri: each is refused by name, with the field and the value, before a step is trained."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from arc.core.errors import ArcError, BadData, InvalidSpec
from arc.data import manifest
from arc.data.manifest import Row
from arc.data.photographs import convert
from arc.fundus import explain
from arc.fundus.explain_spec import DriParams
from arc.fundus.networks import build
from arc.kit import checkpoint
from tests.numerics.classify_runs import SMALL, attempt
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

Edit = Callable[[Sequence[Row]], Sequence[Row]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), patients=16)


def changed(folder: Path, into: Path, edit: Edit, *, split: str = "train") -> Path:
    """The dataset with other rows in one manifest."""
    (into / "dataset").mkdir(parents=True)
    for file in (folder / "dataset").iterdir():
        if file.suffix != ".csv":
            (into / "dataset" / file.name).symlink_to(file)
    for name in ("train", "val"):
        rows = manifest.read(folder / "dataset" / f"{name}.csv")
        manifest.write(into / "dataset" / f"{name}.csv", edit(rows) if name == split else rows)
    return into


def first_is(folder: Path, into: Path, picture: Path) -> Path:
    """The dataset with another picture as its first photograph."""
    made_of = changed(folder, into, lambda rows: [rows[0].model_copy(update={"file": picture.name}), *rows[1:]])
    (made_of / "dataset" / picture.name).symlink_to(picture)
    return made_of


def refused(root: Path, folder: Path, error: type[ArcError], match: str, **params: Any) -> ArcError:
    """The error, which came before the first step."""
    seen: list[FolderContext] = []
    with pytest.raises(error, match=match) as caught:
        seen.append(attempt(root, folder, SMALL | params))
    assert not list(root.glob("step-*"))
    return caught.value


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_of_one_class_is_named(tmp_path: Path, folder: Path, split: str) -> None:
    one = changed(folder, tmp_path / "one", lambda rows: [row for row in rows if row.index == 0], split=split)
    for file in (one / "dataset").glob("images*"):
        file.unlink()  # no photograph is looked at for it
    said = refused(tmp_path / "run", one, BadData, f"{split} holds normal alone")
    assert (said.field, said.value) == ("dataset", split)


def test_a_fold_of_one_class_is_named(tmp_path: Path, folder: Path) -> None:
    few = changed(folder, tmp_path / "few", lambda rows: [row for row in rows if row.index == 0])
    said = refused(tmp_path / "run", few, BadData, "split val holds normal alone", folds=8, fold=7)
    assert (said.field, said.value) == ("dataset", "val")


def test_a_batch_larger_than_the_set_is_named(tmp_path: Path, folder: Path) -> None:
    said = refused(tmp_path, folder, InvalidSpec, r"batch_size 4096 is more than the \d+ photographs", batch_size=4096)
    assert (said.field, said.value) == ("params.batch_size", 4096)


def test_to_freeze_chance_is_refused(tmp_path: Path, folder: Path) -> None:
    said = refused(tmp_path, folder, InvalidSpec, "freeze_epochs without weights", freeze_epochs=1)
    assert (said.field, said.value) == ("params.freeze_epochs", 1)


def test_a_photograph_of_one_pixel_is_named(tmp_path: Path, folder: Path) -> None:
    cv2.imwrite(str(tmp_path / "dot.png"), np.zeros((1, 1, 3), np.uint8))
    said = refused(tmp_path / "run", first_is(folder, tmp_path / "with", tmp_path / "dot.png"), BadData, r"dot\.png has 1 x 1 px")
    assert (said.field, said.value) == ("dataset", "dot.png")


def with_nan(file: Path) -> Path:
    pixels = np.random.default_rng(0).random((64, 64), np.float32)
    pixels[20:30, 20:30] = np.nan
    Image.fromarray(pixels).save(file)
    return file


def test_a_photograph_that_holds_nan_neither_comes_in_nor_trains(tmp_path: Path, folder: Path) -> None:
    """Photographs are bytes everywhere behind the door; one of floats, where NaN can be, is refused at it and again behind it."""
    picture = with_nan(tmp_path / "nan.tif")
    rules = {"max_megapixels": 100, "max_side_px": 0, "format": "png"}
    with pytest.raises(BadData, match="float"):
        convert({"source": str(picture), "target": str(tmp_path / "out.png")}, rules)
    np.save(tmp_path / "nan.npy", np.full((64, 64, 3), np.nan))
    for file in (picture, tmp_path / "nan.npy"):
        name = file.name
        said = refused(tmp_path / f"run-{name}", first_is(folder, tmp_path / f"with-{name}", file), BadData, f"{name} cannot be decoded")
        assert (said.field, said.value) == ("dataset", name)


class Evil:
    """A pickle that would run a program."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.file),)


def test_weights_that_are_none_or_of_another_model_are_named(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "text").write_text("no weights")
    torch.save({"state_dict": Evil(tmp_path / "ran")}, tmp_path / "evil.pth")
    torch.manual_seed(0)
    checkpoint.save_model(tmp_path / "other.safetensors", build("small_cnn", dropout=0), {"model": "small_cnn"})
    save_file({"a": torch.zeros(1)}, tmp_path / "strange.safetensors")
    checkpoint.save(tmp_path / "step-1.ckpt", {"model": dict(build("small_cnn", dropout=0).state_dict())})
    for file, params, match in (
        ("text", {}, "no file of weights"),
        ("evil.pth", {}, r"evil\.pth is no file of weights, and is not opened"),
        ("other.safetensors", {"model": "resnet50"}, "are of small_cnn, not of resnet50"),
        ("strange.safetensors", {}, "of another model"),
        ("step-1.ckpt", {}, "is not a model file"),
    ):
        said = refused(tmp_path / f"run-{file}", folder, BadData, match, file=tmp_path / file, **params)
        assert said.field in ("weights", file)
    assert not (tmp_path / "ran").exists()


def test_weights_of_a_file_and_of_the_hub_at_once_are_refused(tmp_path: Path, folder: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "weights.safetensors")
    said = refused(tmp_path, folder, InvalidSpec, "one of them", model="resnet50", weights="hub", file=tmp_path / "weights.safetensors")
    assert (said.field, said.value) == ("params.weights", "hub")


def test_dri_without_masks_is_refused_by_the_name_of_the_split(tmp_path: Path, folder: Path) -> None:
    attempt(tmp_path / "train", folder, SMALL | {"epochs": 1})
    bare = changed(
        folder, tmp_path / "bare", lambda rows: [row.model_copy(update={"mask": "", "mask_sha256": ""}) for row in rows], split="val"
    )
    inputs = {"model": given(tmp_path / "train" / "model.safetensors"), "dataset": dataset(bare)}
    with pytest.raises(BadData, match="split val has no photograph with a mask; give a segmentation model") as caught:
        explain.run_dri(FolderContext(tmp_path / "dri", inputs=inputs), DriParams(num_samples=2))
    assert caught.value.field == "dataset"
