"""What is behind the form of fundus.classify: frozen backbones, losses, networks of segmentation, folds, and what does not fit together.

That every choice trains, resumes and comes back is in `test_classify_matrix`, what is refused in `test_classify_bad_input`.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from safetensors.torch import save_file

from arc.core.errors import InvalidSpec
from arc.fundus import classify, pictures, segmenters, splits
from arc.fundus.classify_spec import ClassifyParams
from arc.fundus.losses import focal, loss_of, lovasz, weighted_bce
from arc.fundus.networks import build
from arc.kit import checkpoint
from arc.kit.sampler import Order
from tests.numerics.classify_runs import SMALL, attempt, comes_back
from tests.numerics.fundus_dataset import made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), patients=16)


@pytest.mark.parametrize(("weighted", "sites"), [(True, True), (True, False), (False, True)])
def test_classes_and_sites_are_drawn_equally_often(folder: Path, weighted: bool, sites: bool) -> None:
    split = pictures.load(folder / "dataset" / "train.csv", 32)
    rows = tuple(row.model_copy(update={"site": "abb"[at % 3]}) for at, row in enumerate(split.rows))
    params = ClassifyParams(weighted_sampling=weighted, balanced_sites=sites)
    weights = classify.sampling(params, replace(split, rows=rows))
    assert weights is not None
    order = Order(len(rows), seed=3, weights=weights, draws=4000).indices(0)
    drawn = Counter((rows[at].index, rows[at].site) for at in order.tolist())
    ill = sum(count for (index, _), count in drawn.items() if index) / 4000
    at_a = sum(count for (_, site), count in drawn.items() if site == "a") / 4000
    assert not weighted or ill == pytest.approx(0.5, abs=0.04)
    assert not sites or at_a == pytest.approx(0.5, abs=0.04)


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
