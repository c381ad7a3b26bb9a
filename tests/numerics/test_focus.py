"""Looking at the disc: a segmenter that sees bright things, photographs whose disc is bright, and the model file that carries both."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from arc.core.errors import BadData
from arc.data.manifest import read
from arc.data.pictures import read as photograph_of
from arc.fundus import classify, ensemble, evaluate, explain, segment
from arc.fundus.classify_spec import ClassifyParams
from arc.fundus.ensemble_spec import EnsembleParams
from arc.fundus.explain_spec import DriParams
from arc.fundus.focus import Focus, view_of
from arc.fundus.predict import load
from arc.fundus.segment_spec import SegmentParams
from arc.fundus.segmenter_file import Segmenter, SegmenterCard
from arc.fundus.spec import EvaluateParams
from arc.kit import checkpoint
from tests.numerics.classify_runs import comes_back
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

CPU = torch.device("cpu")
QUICK: dict[str, Any] = {"model": "small_cnn", "input_size": 32, "epochs": 2, "batch_size": 8, "keep": "last"}


class SeesBright(nn.Module):
    """Two binary heads: disc where the red channel is bright, cup nowhere."""

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """N x 2 x S x S logits."""
        red = images_NCHW[:, :1]
        return torch.cat([20 * (red - 1.2), torch.full_like(red, -20)], dim=1)


def bright(heights: float = 2.0) -> Focus:
    card = SegmenterCard(recipe="fundus.segment", model="unet", heads="binary", width=4, input_size=64, focus=2.0)
    return Focus(Segmenter(SeesBright(), card, CPU), heights)


def eye(x: int, y: int, radius: int, *, glare: bool = False) -> np.ndarray:
    """A field of 400 px on a black frame of 440 x 480, with a disc at (x, y)."""
    across, down = np.meshgrid(np.arange(480), np.arange(440))
    picture = np.zeros((440, 480, 3), np.uint8)
    picture[np.hypot(across - 240, down - 220) < 200] = (120, 60, 30)
    picture[np.hypot(across - x, down - y) < radius] = (250, 200, 150)
    if glare:
        picture[300:303, 200:330] = 255
    return picture


@pytest.mark.parametrize(("x", "y", "radius"), [(150, 210, 30), (330, 240, 40), (160, 230, 25)])
@pytest.mark.parametrize("glare", [False, True])
def test_the_disc_is_in_the_middle_at_one_size_and_the_nose_on_one_side(x: int, y: int, radius: int, glare: bool) -> None:
    view = view_of(eye(x, y, radius, glare=glare), bright(2.0))
    assert view.window.side == pytest.approx(4 * radius, rel=0.12)
    assert view.window.left + view.window.side / 2 == pytest.approx(x, abs=6)
    assert view.window.top + view.window.side / 2 == pytest.approx(y, abs=6)
    assert view.mirrored is (x > 240)


def test_an_eye_and_its_mirror_image_look_the_same() -> None:
    picture = eye(150, 200, 30)
    picture[150:180, 90:110] = (60, 30, 20)  # something on one side of the disc
    other = np.ascontiguousarray(picture[:, ::-1])
    one, two = (view_of(each, bright(3.0)).of(each, 64).astype(int) for each in (picture, other))
    assert np.abs(one - two).mean() < 3


def test_what_is_no_disc_leaves_the_usual_square() -> None:
    for picture in (eye(150, 210, 4), eye(150, 210, 120), eye(150, 210, 0)):
        view = view_of(picture, bright(2.0))
        assert view.window.side == pytest.approx(2 * 0.17 * 400, rel=0.06)
    black = view_of(np.zeros((64, 64, 3), np.uint8), bright())
    assert black.of(np.zeros((64, 64, 3), np.uint8), 32).shape == (32, 32, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), patients=16, size_px=96)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    torch.set_num_threads(1)
    ctx = FolderContext(tmp_path_factory.mktemp("segmenter"), inputs={"dataset": dataset(folder)})
    segment.run(ctx, SegmentParams.model_validate({"width": 4, "input_size": 32, "epochs": 3}))
    return ctx.root / "model.safetensors"


def train(root: Path, folder: Path, segmenter: Path, *, seed: int = 1, **params: Any) -> Path:
    ctx = FolderContext(root, seed=seed, inputs={"dataset": dataset(folder), "segmenter": given(segmenter)})
    classify.run(ctx, ClassifyParams.model_validate(QUICK | params))
    return ctx.root / "model.safetensors"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, folder: Path, segmenter: Path) -> Path:
    return train(tmp_path_factory.mktemp("model"), folder, segmenter)


def test_the_file_finds_the_disc_without_a_second_one(folder: Path, segmenter: Path, model: Path, tmp_path: Path) -> None:
    alone = shutil.copy(model, tmp_path / "alone.safetensors")
    classifier = load(Path(alone), CPU)
    assert classifier.focus is not None
    assert classifier.focus.heights == 2.0
    finder = checkpoint.load_model_weights(segmenter).tensors
    assert all(torch.equal(finder[name], tensor) for name, tensor in classifier.focus.segmenter.network.state_dict().items())
    assert not [name for name, _ in classifier.network.named_modules() if name.startswith("segmenter")]
    csv = folder / "dataset" / "val.csv"
    photograph = photograph_of(csv.parent, read(csv)[0])
    assert view_of(photograph, classifier.focus).window.side < min(photograph.shape[:2])


def test_evaluation_and_explanation_take_the_file_alone(folder: Path, model: Path, tmp_path: Path) -> None:
    judged = FolderContext(tmp_path / "judge", inputs={"model": given(model), "dataset": dataset(folder, sealed=True)})
    assert evaluate.run(judged, EvaluateParams()).result["n"] > 0
    val = FolderContext(tmp_path / "val", inputs={"model": given(model), "dataset": dataset(folder)})
    done = evaluate.run(val, EvaluateParams(split="val"))
    history = json.loads((model.parent / "history.json").read_text())
    assert done.metrics["auc"] == pytest.approx(history["epochs"][-1]["val_auc"])
    looked = FolderContext(tmp_path / "look", inputs={"model": given(model), "dataset": dataset(folder)})
    done = explain.run_dri(looked, DriParams(num_samples=2, randomisations=1))
    assert done.result["n"] == 2


def test_an_ensemble_looks_where_its_members_do(folder: Path, segmenter: Path, model: Path, tmp_path: Path) -> None:
    other = train(tmp_path / "other", folder, segmenter, seed=2)
    inputs = {"dataset": dataset(folder), "model_1": given(model), "model_2": given(other)}
    joined = FolderContext(tmp_path / "joined", inputs=inputs)
    ensemble.run(joined, EnsembleParams())
    assert load(tmp_path / "joined" / "model.safetensors", CPU).focus is not None
    wider = train(tmp_path / "wider", folder, segmenter, focus=3.0)
    with pytest.raises(BadData, match="disc"):
        ensemble.run(FolderContext(tmp_path / "no", inputs=inputs | {"model_2": given(wider)}), EnsembleParams())


def test_a_file_that_is_no_segmenter_is_refused_by_name(folder: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"fundus\.classify") as caught:
        train(tmp_path, folder, model)
    assert caught.value.field == "segmenter"


def test_a_stopped_training_resumes_to_the_same_curve(folder: Path, segmenter: Path, tmp_path: Path) -> None:
    policy = {"rotate": {"probability": 1.0}, "colour": {"probability": 0.5}, "coarse_dropout": {"probability": 0.5}}
    params = QUICK | {"model": "small_resnet", "ema_decay": 0.9, "augmentation": policy, "segmenter": segmenter}
    comes_back(tmp_path, folder, params)
