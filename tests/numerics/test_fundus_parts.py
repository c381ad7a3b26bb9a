"""The parts of the fundus classifier: pictures, losses, augmentation, networks, the model file."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arc.core.errors import BadData, InvalidSpec
from arc.fundus import pictures, samples
from arc.fundus.losses import focal
from arc.fundus.measures import Judged
from arc.fundus.networks import build, standardised
from arc.fundus.predict import load, probabilities
from arc.kit import checkpoint
from tests.numerics.fundus_dataset import made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), patients=8)


def test_a_circle_stays_a_circle_whatever_the_frame() -> None:
    y, x = np.mgrid[0:120, 0:200]
    disc = ((x - 100) ** 2 + (y - 60) ** 2 < 50**2).astype(np.uint8)[..., None].repeat(3, axis=2) * 200
    small = pictures.square(disc, 64)
    lit = small[..., 0] > 100
    assert small.shape == (64, 64, 3)
    assert lit.any(axis=0).sum() == pytest.approx(lit.any(axis=1).sum(), abs=1)
    assert lit.any(axis=0).sum() > 60  # the field fills the square


def test_a_wide_picture_is_padded_not_squeezed() -> None:
    picture = np.full((40, 80, 3), 99, np.uint8)
    small = pictures.square(picture, 32)
    assert (small[:7] == 0).all()
    assert (small[9:23] == 99).all()


def test_a_black_picture_is_no_error() -> None:
    assert pictures.square(np.zeros((20, 30, 3), np.uint8), 16).shape == (16, 16, 3)


def test_a_file_that_is_missing_or_no_picture_is_named(folder: Path) -> None:
    split = pictures.load(folder / "dataset" / "train.csv", 32)
    assert split.images_NCHW.shape == (len(split), 3, 32, 32)
    assert split.images_NCHW.dtype == torch.uint8
    file = folder / "dataset" / split.rows[1].file
    data = file.read_bytes()
    for wrong in (b"no picture", b"", None):
        file.unlink()
        if wrong is not None:
            file.write_bytes(wrong)
        with pytest.raises(BadData, match=file.name):
            pictures.load(folder / "dataset" / "train.csv", 32)
    file.write_bytes(data)


def test_focal_without_focus_is_cross_entropy_and_with_it_the_formula() -> None:
    logits = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    p = logits.softmax(1)[torch.arange(7), labels]
    assert torch.allclose(focal(logits, labels, gamma=0.0), F.cross_entropy(logits, labels))
    assert torch.allclose(focal(logits, labels, gamma=2.0), -((1 - p) ** 2 * p.log()).mean())


def test_focal_has_a_finite_slope_where_it_is_sure() -> None:
    logits = torch.tensor([[100.0, -100.0], [-100.0, 100.0]], requires_grad=True)
    focal(logits, torch.tensor([0, 0]), gamma=0.5).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "tiny", "size"),
    [("small_cnn", False, 64), ("small_cnn", True, 32), ("small_resnet", False, 64), ("efficientnet_b0", False, 32)],
)
def test_each_network_answers_with_two_logits_and_comes_back_from_its_file(tmp_path: Path, name: str, tiny: bool, size: int) -> None:
    torch.manual_seed(0)
    network = build(name, dropout=0.3, tiny=tiny).eval()
    images = torch.randint(0, 255, (3, 3, size, size), dtype=torch.uint8)
    logits = network(standardised(images))
    assert logits.shape == (3, 2)
    card = {
        "recipe": "fundus.classify",
        "model": name,
        "input_size": size,
        "classes": ["normal", "glaucoma"],
        "threshold": 0.4,
        "tiny": tiny,
    }
    checkpoint.save_model(tmp_path / "model.safetensors", network, card)
    again = load(tmp_path / "model.safetensors", torch.device("cpu"), simulated=tiny)
    scores = probabilities(again.network, images, device=again.device, batch_size=2)
    assert torch.allclose(scores, logits.softmax(1)[:, 1], atol=1e-6)
    assert again.card.threshold == 0.4


@pytest.mark.parametrize(
    "card",
    [{}, {"recipe": "other", "model": "small_cnn", "input_size": 64, "classes": [], "threshold": 0.5}, {"recipe": "fundus.classify", "model": "small_cnn", "input_size": 64, "classes": [], "threshold": 2}],
)  # fmt: skip
def test_a_file_that_describes_no_classifier_is_bad_data(tmp_path: Path, card: dict[str, object]) -> None:
    checkpoint.save_model(tmp_path / "m.safetensors", build("small_cnn", dropout=0.0), card)
    with pytest.raises(BadData):
        load(tmp_path / "m.safetensors", torch.device("cpu"))


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(InvalidSpec):
        build("vit", dropout=0.0)


def test_the_samples_are_the_most_telling_ones() -> None:
    judged = [Judged(label, p, None) for label, p in ((1, 0.95), (0, 0.02), (1, 0.1), (0, 0.8), (1, 0.51), (0, 0.45), (1, 0.9), (0, 0.2))]
    chosen = samples.choose(judged, threshold=0.5, each=2)
    assert chosen == {"right": [0, 1], "wrong": [2, 3], "uncertain": [4, 5]}
    assert samples.choose(judged[:1], threshold=0.5, each=3) == {"right": [0], "wrong": [], "uncertain": [0]}
