"""A training that is killed and resumed ends with the very numbers of one that was not."""

from pathlib import Path

import pytest
import torch

from arc.core.errors import BadData, BrokenCheckpoint, Cancelled
from arc.kit import checkpoint
from tests.numerics.kit_context import FolderContext
from tests.numerics.kit_training import train

STEPS = 18  # 3 epochs of 6


class Killed(Exception):
    """The process is gone."""


def killer(step: int):
    def kill(now: int) -> None:
        if now == step:
            raise Killed

    return kill


def interrupted(folder: Path, kills: list[int], **options):
    """The joined curve of attempts that die at the given steps and a last one that does not."""
    folder.mkdir(exist_ok=True)
    curve: dict[int, dict[str, float]] = {}
    for step in [*kills, None]:
        ctx = FolderContext(folder)
        try:
            model, result = train(ctx, on_step=killer(step) if step else None, **options)
        except Killed:
            result = None
        first = min(ctx.curve, default=1)
        # A later attempt's points take the place of earlier ones from its first step on.
        curve = {at: values for at, values in curve.items() if at < first} | ctx.curve
    return curve, model, result


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    ctx = FolderContext(tmp_path_factory.mktemp("whole"))
    model, result = train(ctx, checkpoint_every_s=1e-9)
    return ctx.curve, model, result


def same(one: tuple, other: tuple) -> None:
    curve, model, result = one
    curve_2, model_2, result_2 = other
    assert curve == curve_2
    assert result.history == result_2.history
    assert (result.best_epoch, result.best_value) == (result_2.best_epoch, result_2.best_value)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, model_2.state_dict()[name]), name


@pytest.mark.parametrize("kills", [[1], [5], [6], [7], [12], [17], [18], [3, 4, 9, 14]])
def test_killed_at_any_step_with_a_checkpoint_each_step(tmp_path, whole, kills):
    same(interrupted(tmp_path / "x", kills, checkpoint_every_s=1e-9), whole)


@pytest.mark.parametrize("kills", [[2], [8, 16], [11, 11]])
def test_killed_with_a_checkpoint_an_epoch(tmp_path, whole, kills):
    same(interrupted(tmp_path / "x", kills), whole)


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("adam", "plateau"), ("sgd", "step"), ("rmsprop", "plateau"), ("muon", "cosine"), ("adamw", "constant")]
)
def test_every_optimiser_and_schedule_comes_back_with_a_mean_of_the_weights(tmp_path, optimizer, schedule):
    options = {"optimizer": optimizer, "schedule": schedule, "checkpoint_every_s": 1e-9, "ema_decay": 0.9}
    straight = interrupted(tmp_path / "a", [], **options)
    same(interrupted(tmp_path / "b", [4, 13], **options), straight)


def test_accumulated_steps_come_back(tmp_path):
    options = {"accumulate": 4, "checkpoint_every_s": 1e-9}
    straight = interrupted(tmp_path / "a", [], **options)
    assert straight[2].steps == 6  # 6 batches make a group of 4 and one of 2
    same(interrupted(tmp_path / "b", [1, 3], **options), straight)


@pytest.mark.slow
def test_worker_processes_change_nothing(tmp_path, whole):
    same(interrupted(tmp_path / "x", [9], workers=2, checkpoint_every_s=1e-9), whole)


def test_asked_to_stop_it_checkpoints_there_and_goes_on_exactly(tmp_path, whole):
    ctx = FolderContext(tmp_path, stop_at=10)
    with pytest.raises(Cancelled, match="stop requested"):
        train(ctx)
    assert ctx.resume().name == "00000010.safetensors"
    again = FolderContext(tmp_path)
    model, result = train(again)
    assert result.resumed_from == 10
    same(({**{at: v for at, v in ctx.curve.items() if at <= 10}, **again.curve}, model, result), whole)


def test_a_finished_training_resumes_to_its_end(tmp_path, whole):
    interrupted(tmp_path / "x", [])
    ctx = FolderContext(tmp_path / "x")
    model, result = train(ctx)
    assert ctx.curve == {}
    assert result.history == whole[2].history
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, whole[1].state_dict()[name]), name


def test_early_stopping_is_remembered(tmp_path):
    options = {"direction": "max", "patience": 1, "min_delta": 100.0}  # nothing after the first epoch is better
    straight = interrupted(tmp_path / "a", [], **options)
    assert straight[2].stopped_early
    assert straight[2].epochs == 2
    same(interrupted(tmp_path / "b", [8], **options), straight)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    train(FolderContext(tmp_path))
    other = FolderContext(tmp_path, seed=1)
    with pytest.raises(BadData, match="other data"):
        train(other)


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 4096])
def test_a_checkpoint_that_cannot_be_loaded_is_said_to_be_one(tmp_path, content):
    train(FolderContext(tmp_path))
    FolderContext(tmp_path).resume().write_bytes(content)
    with pytest.raises(BrokenCheckpoint, match="cannot be loaded"):
        train(FolderContext(tmp_path))


def test_a_checkpoint_that_lacks_a_part_is_broken_too(tmp_path):
    train(FolderContext(tmp_path))
    newest = FolderContext(tmp_path).resume()
    state = checkpoint.load(newest)
    del state["optim"]
    checkpoint.save(newest, state)
    with pytest.raises(BrokenCheckpoint, match="optim"):
        train(FolderContext(tmp_path))
