"""The running mean of the weights: what it is, what is judged with it, and what ends in the model."""

import pytest
import torch
from torch import nn

from arc.core.errors import BadData, BrokenCheckpoint
from arc.kit.ema import Ema
from tests.numerics.kit_context import FolderContext
from tests.numerics.kit_training import train


def test_it_is_the_mean_of_the_formula_and_leaves_the_model_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    ema = Ema(model, decay=0.5)
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for step in range(1, 12):
        with torch.no_grad():
            model[0].weight.add_(1.0)
            model[1].num_batches_tracked.add_(1)
        decay = min(0.5, (1 + step) / (10 + step))
        expected["0.weight"] = decay * expected["0.weight"] + (1 - decay) * model[0].weight.detach()
        ema.update(model, step)
    assert torch.allclose(ema.weights["0.weight"], expected["0.weight"], atol=1e-5)
    assert ema.weights["1.num_batches_tracked"] == 11
    own = model[0].weight.detach().clone()
    with ema.inside(model):
        assert torch.equal(model[0].weight, ema.weights["0.weight"])
    assert torch.equal(model[0].weight, own)


def test_the_mean_is_judged_and_ends_in_the_model(tmp_path) -> None:
    plain, averaged = tmp_path / "plain", tmp_path / "averaged"
    for folder in (plain, averaged):
        folder.mkdir()
    one, result = train(FolderContext(plain), restore_best=False)
    other, result_2 = train(FolderContext(averaged), restore_best=False, ema_decay=0.9)
    assert [row["train_loss"] for row in result.history] == pytest.approx([row["train_loss"] for row in result_2.history])
    assert [row["val_loss"] for row in result.history] != [row["val_loss"] for row in result_2.history]
    assert not torch.equal(one[0].weight, other[0].weight)


def test_a_checkpoint_without_it_is_refused(tmp_path) -> None:
    train(FolderContext(tmp_path))
    with pytest.raises(BrokenCheckpoint, match="ema_decay") as caught:
        train(FolderContext(tmp_path), ema_decay=0.9)
    assert isinstance(caught.value.__cause__, BadData)
