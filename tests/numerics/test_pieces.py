"""After running out of memory a batch is worked on in pieces: less at once, the same step."""

import pytest
import torch
from torch import nn

from arc.core.errors import Cancelled
from arc.kit import optim
from arc.kit.loader import TensorBatches
from arc.kit.loop import fit
from arc.kit.pieces import size, split
from arc.kit.sampler import Order
from arc.kit.seeding import seed_all
from arc.kit.spec import LoopSettings
from tests.numerics.kit_context import FolderContext


def losses(ctx: FolderContext, *, shrink: int, seen: list[int] | None = None) -> dict[int, float]:
    torch.set_num_threads(1)
    seed_all(0)
    ctx.shrink = shrink
    ctx.root.mkdir(exist_ok=True)
    rows = torch.randn(22, 5)
    labels = (rows[:, 0] > 0).long()
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))

    def loss_fn(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        if seen is not None:
            seen.append(len(batch[0]))
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    fit(
        ctx,
        model=model,
        optimizer=optim.build(model, name="sgd", lr=0.1),
        loss_fn=loss_fn,
        batches=TensorBatches([rows, labels], order=Order(22, seed=0), batch_size=8),
        settings=LoopSettings(epochs=3, checkpoint_every_s=1e-9),
    )
    return {step: values["loss"] for step, values in ctx.curve.items() if "loss" in values}


def test_pieces_make_the_same_steps_with_less_at_once(tmp_path):
    seen: list[int] = []
    whole = losses(FolderContext(tmp_path / "a"), shrink=0)
    pieces = losses(FolderContext(tmp_path / "b"), shrink=2, seen=seen)
    assert max(seen) == 2
    assert pieces == pytest.approx(whole, rel=1e-4)


def test_pieces_resume_exactly(tmp_path):
    whole = losses(FolderContext(tmp_path / "a"), shrink=1)
    first = FolderContext(tmp_path / "b", stop_at=5)
    with pytest.raises(Cancelled):
        losses(first, shrink=1)
    rest = losses(FolderContext(tmp_path / "b"), shrink=1)
    assert {step: values["loss"] for step, values in first.curve.items() if step <= 5} | rest == whole


@pytest.mark.parametrize("parts", [1, 2, 3, 16])
def test_every_sample_is_in_one_piece(parts):
    batch = {"x": torch.arange(10).reshape(5, 2), "y": (torch.arange(5), ["word"])}
    pieces = split(batch, parts)
    assert len(pieces) == min(parts, 5)
    assert torch.equal(torch.cat([piece["x"] for piece in pieces]), batch["x"])
    assert torch.equal(torch.cat([piece["y"][0] for piece in pieces]), batch["y"][0])
    assert sum(size(piece) for piece in pieces) == size(batch) == 5
    assert all(piece["y"][1] == ["word"] for piece in pieces)
