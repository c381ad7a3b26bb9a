"""What a recipe's author notices of the loop: errors, stopping, progress, the best weights."""

import math

import pytest
import torch
from torch import nn

from arc.core.errors import BadData, Cancelled, InvalidSpec, OutOfMemory, PermanentError
from arc.kit import checkpoint, loop
from arc.kit.loader import TensorBatches
from arc.kit.losses import LossWatch, NotFinite, check_weights
from arc.kit.precision import Precision
from arc.kit.sampler import Order
from arc.kit.spec import LoopSettings
from tests.numerics.kit_context import FolderContext
from tests.numerics.kit_training import loss_of, train


def poisoned(at: int, value: float):
    calls = {"n": 0}

    def loss(model: nn.Module, batch: object) -> torch.Tensor:
        calls["n"] += 1
        found = loss_of(model, batch)
        return found * value if calls["n"] == at else found

    return loss


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run_and_leaves_a_good_checkpoint(tmp_path, value):
    ctx = FolderContext(tmp_path)
    with pytest.raises(NotFinite, match="step 9") as caught:
        train(ctx, loss_fn=poisoned(9, value), checkpoint_every_s=1e-9)
    assert isinstance(caught.value, PermanentError)
    assert caught.value.failure_class == "nan"
    assert ctx.resume().name == "00000008.safetensors"
    checkpoint.load(ctx.resume(), finite=True)


def test_a_late_look_still_finds_the_first_bad_step_and_no_checkpoint_after_it(tmp_path):
    ctx = FolderContext(tmp_path)
    with pytest.raises(NotFinite, match="step 9"):
        train(ctx, loss_fn=poisoned(9, math.nan), watch_every_steps=5)
    assert ctx.resume().name == "00000006.safetensors"


def test_looking_rarely_gives_the_same_curve(tmp_path):
    often, rarely = FolderContext(tmp_path / "a"), FolderContext(tmp_path / "b")
    for ctx, every in ((often, 1), (rarely, 4)):
        ctx.root.mkdir()
        train(ctx, watch_every_steps=every)
    assert often.curve == rarely.curve


def test_weights_that_are_no_numbers_are_named():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    check_weights(model)
    model[0].weight.data.fill_(3e38)  # large, but numbers
    check_weights(model)
    model[1].bias.data[1] = math.inf
    with pytest.raises(NotFinite, match=r"1\.bias"):
        check_weights(model)


class Masked(nn.Module):
    """A layer with a mask of attention: infinity in a buffer that no training changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.triu(torch.full((3, 3), -math.inf), 1))
        self.learned = nn.Linear(3, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.learned(self.mask.softmax(dim=1) @ rows)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_mask_of_attention_is_no_broken_weight(tmp_path, ema_decay):
    model = Masked()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = TensorBatches((torch.ones(4, 3, 3),), order=Order(4, seed=0), batch_size=2)
    settings = LoopSettings(epochs=2, monitor="train_loss", ema_decay=ema_decay)
    loop.fit(
        FolderContext(tmp_path), model=model, optimizer=optimizer, loss_fn=lambda m, batch: m(batch[0]).square().mean(),
        batches=data, settings=settings,
    )  # fmt: skip
    checkpoint.save_model(tmp_path / "model", model, {})
    weights = checkpoint.load_model_weights(tmp_path / "model", finite=False)
    fresh = Masked()
    checkpoint.put_weights(fresh, weights.tensors, finite=True)
    assert torch.equal(fresh.mask, Masked().mask)
    with pytest.raises(NotFinite, match="mask"):
        check_weights(model)
    weights.tensors["mask"] = torch.full((3, 3), -math.inf)
    with pytest.raises(BadData, match="mask"):
        checkpoint.put_weights(fresh, weights.tensors, finite=True)


def test_only_every_nth_step_is_reported():
    seen = []
    watch = LossWatch(lambda step, values: seen.append(step), every=2, report_every=3)
    for step in range(1, 8):
        watch.add(step, torch.tensor(float(step)), 0.1)
    watch.flush()
    assert seen == [3, 6]
    assert watch.mean == 4.0


def test_it_ends_with_the_weights_of_the_best_epoch(tmp_path):
    ctx = FolderContext(tmp_path)
    model, result = train(ctx)
    last, last_result = train(FolderContext(tmp_path), restore_best=False)
    assert result.best_epoch is not None
    assert result.best_value == min(row["val_loss"] for row in result.history)
    assert ctx.best[-1] == 6 * result.best_epoch
    if result.best_epoch != last_result.epochs:
        assert not torch.equal(model[0].weight, last[0].weight)


def test_the_history_has_a_row_an_epoch_with_what_evaluate_said(tmp_path):
    ctx = FolderContext(tmp_path)
    _, result = train(ctx)
    assert [row["epoch"] for row in result.history] == [1, 2, 3]
    assert [row["step"] for row in result.history] == [6, 12, 18]
    assert all(row["nothing"] is None for row in result.history)
    assert result.history[0]["train_loss"] == pytest.approx(sum(ctx.curve[step]["loss"] for step in range(1, 7)) / 6)
    assert "nothing" not in ctx.curve[6]
    assert ctx.curve[6]["epoch"] == 1.0


def test_progress_says_epochs_and_the_time_left(tmp_path):
    ctx = FolderContext(tmp_path)
    train(ctx)
    said = [entry for entry in ctx.said if "done" in entry]
    assert said[-1]["done"] == said[-1]["of"] == 3
    assert said[-1]["eta_s"] == 0
    assert all(entry["eta_s"] > 0 for entry in said[:-1])
    assert ctx.phases[0] == "train"
    assert "evaluate" in ctx.phases


def test_an_unknown_metric_to_monitor_is_named_with_those_there_are(tmp_path):
    with pytest.raises(InvalidSpec, match=r"'auc'.*train_loss, val_loss"):
        train(FolderContext(tmp_path), monitor="auc")


def test_a_metric_that_is_never_a_number_leaves_no_best_and_ends_by_patience(tmp_path):
    _, result = train(FolderContext(tmp_path), monitor="nothing", patience=2)
    assert result.best_epoch is None
    assert result.stopped_early
    assert result.epochs == 2


def test_asked_to_stop_at_the_end_of_an_epoch_it_keeps_that_epoch(tmp_path):
    ctx = FolderContext(tmp_path, stop_at=6)
    with pytest.raises(Cancelled):
        train(ctx)
    assert ctx.resume().name == "00000006.safetensors"


def test_bf16_on_a_cpu_trains(tmp_path):
    _, result = train(FolderContext(tmp_path), precision="bf16")
    assert result.steps == 18


def test_the_gpu_running_out_of_memory_is_worth_another_try(tmp_path):
    def loss(model: nn.Module, batch: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(OutOfMemory, match="Tried to allocate") as caught:
        train(FolderContext(tmp_path), loss_fn=loss)
    assert caught.value.decision == "retry"


def test_half_precision_with_a_scaler_comes_back_exactly(tmp_path, monkeypatch):
    # fp16 is refused on a CPU, but the way through scaler, clipping and checkpoint is the same there.
    monkeypatch.setattr(loop, "choose", lambda name, device: Precision("fp16", "cpu", torch.float16))
    whole, first, second = (FolderContext(tmp_path / name, stop_at=at) for name, at in (("a", None), ("b", 7), ("b", None)))
    for ctx in (whole, first):
        ctx.root.mkdir()
    model, _ = train(whole)
    with pytest.raises(Cancelled):
        train(first)
    again, result = train(second)
    assert checkpoint.load(whole.resume())["scaler"]["scale"] > 0
    assert result.resumed_from == 7
    assert {**{step: values for step, values in first.curve.items() if step <= 7}, **second.curve} == whole.curve
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_in_mixed_precision_and_resumes(tmp_path):
    ctx = FolderContext(tmp_path, stop_at=7)
    with pytest.raises(Cancelled):
        train(ctx, device="cuda")
    _, result = train(FolderContext(tmp_path), device="cuda")
    assert result.resumed_from == 7
    assert result.steps == 18
