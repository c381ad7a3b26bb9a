"""Optimisers, schedules, early stopping, devices and precision: what was asked for is what is built."""

import math

import pytest
import torch
from torch import nn

from arc.core.errors import BadData, InvalidSpec
from arc.kit import device, optim, precision
from arc.kit.early_stopping import EarlyStopping
from arc.kit.schedule import Schedule


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))


@pytest.mark.parametrize(
    ("name", "cls"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD), ("rmsprop", torch.optim.RMSprop)]
)
def test_norms_and_biases_do_not_decay(name, cls):
    made = optim.build(model(), name=name, lr=0.1, weight_decay=0.3)
    assert type(made) is cls
    decayed, plain = made.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert [parameter.ndim for parameter in decayed["params"]] == [4, 2]
    assert all(parameter.ndim == 1 for parameter in plain["params"])
    assert len(plain["params"]) == 4


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "lion"}, "optimizer"),
        ({"lr": 0.0}, "lr"),
        ({"lr": math.nan}, "lr"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"momentum": 1.0}, "momentum"),
        ({"backbone_lr_factor": 0.0}, "backbone_lr_factor"),
    ],
)
def test_a_wrong_field_is_named(given, field):
    with pytest.raises(InvalidSpec) as caught:
        optim.build(model(), **({"name": "sgd", "lr": 0.1} | given))
    assert caught.value.field == field


def test_a_backbone_learns_at_its_share_of_the_rate_and_the_schedule_keeps_the_share():
    network = model()
    made = optim.build(network, name="adamw", lr=0.1, weight_decay=0.3, backbone=list(network[0].parameters()), backbone_lr_factor=0.2)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.1, 0.1, 0.02, 0.02])
    assert [len(group["params"]) for group in made.param_groups] == [1, 3, 1, 1]
    Schedule("constant", warmup_steps=2, total_steps=4).apply(made, 0)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.05, 0.05, 0.01, 0.01])


def test_muon_moves_matrices_as_torch_does_and_all_else_as_adamw():
    network, twin = model(), model()
    twin.load_state_dict(network.state_dict())
    made = optim.build(network, name="muon", lr=0.01, weight_decay=0.1)
    matrix = [parameter for parameter in twin.parameters() if parameter.ndim == 2]
    kernel = [parameter for parameter in twin.parameters() if parameter.ndim == 4]
    plain = [parameter for parameter in twin.parameters() if parameter.ndim == 1]
    peers = [
        torch.optim.Muon(matrix, lr=0.01, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([{"params": kernel, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=0.01),
    ]
    for step in range(3):
        images = torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(step))
        for one, movers in ((network, [made]), (twin, peers)):
            one(images).square().sum().backward()
            for mover in movers:
                mover.step()
                mover.zero_grad()
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), twin.parameters(), strict=True))
    with pytest.raises(InvalidSpec, match="two-dimensional"):
        optim.build(nn.Conv2d(1, 2, 3), name="muon", lr=0.1)


def test_a_model_without_parameters_is_refused():
    with pytest.raises(InvalidSpec, match="no parameters"):
        optim.build(nn.ReLU(), name="adam", lr=0.1)


def test_cosine_warms_up_peaks_and_ends_at_the_floor():
    schedule = Schedule("cosine", total_steps=101, warmup_steps=10, floor=0.1)
    assert schedule.factor(0) == pytest.approx(0.1)
    assert schedule.factor(9) == schedule.factor(10) == 1.0
    assert schedule.factor(55) == pytest.approx(0.55)
    assert schedule.factor(100) == schedule.factor(10**6) == pytest.approx(0.1)
    factors = [schedule.factor(step) for step in range(10, 101)]
    assert factors == sorted(factors, reverse=True)


def test_plateau_halves_after_patience_and_knows_the_better_direction():
    schedule = Schedule("plateau", patience=2, direction="max", floor=0.2)
    told = [0.5, 0.6, 0.6, None, 0.7, 0.1, 0.1, 0.1, 0.1]
    factors = []
    for value in told:
        schedule.observe(value)
        factors.append(schedule.factor(5))
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2]


def test_step_multiplies_after_every_so_many_steps_down_to_the_floor():
    schedule = Schedule("step", total_steps=20, warmup_steps=2, factor=0.5, every_steps=3, floor=0.2)
    assert [schedule.factor(step) for step in range(12)] == [0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2]


def test_each_group_keeps_its_own_base_rate():
    optimizer = torch.optim.SGD([{"params": [nn.Parameter(torch.ones(1))], "lr": rate} for rate in (0.1, 0.01)])
    schedule = Schedule("cosine", total_steps=3)
    for step in range(3):
        schedule.apply(optimizer, step)
    schedule.apply(optimizer, 1)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.005])


@pytest.mark.parametrize(
    "wrong",
    [{"name": "steps"}, {"total_steps": 0}, {"warmup_steps": -1}, {"floor": 2}, {"factor": 1}, {"patience": 0}, {"every_steps": 0}],
)
def test_a_wrong_schedule_is_refused(wrong):
    with pytest.raises(InvalidSpec):
        Schedule(**wrong)


def test_states_of_another_kind_are_refused():
    with pytest.raises(BadData):
        Schedule("cosine").load_state_dict(Schedule("plateau").state_dict())
    with pytest.raises(BadData):
        EarlyStopping(direction="min").load_state_dict(EarlyStopping(direction="max").state_dict())


def test_early_stopping_counts_only_real_improvements():
    stopping = EarlyStopping(direction="min", patience=2, min_delta=0.1)
    improved = [stopping.observe(value, epoch=epoch) for epoch, value in enumerate([1.0, 0.95, 0.8, math.nan, 0.75], 1)]
    assert improved == [True, False, True, False, False]
    assert stopping.stopped
    assert (stopping.best, stopping.best_epoch) == (0.8, 3)


def test_devices_and_precisions_are_what_was_asked_for_or_an_error():
    assert device.pick("cpu").type == "cpu"
    assert device.pick("auto").type in ("cpu", "cuda")
    for wrong in ("tpu", "cuda:99", "cuda:-1", ""):
        with pytest.raises(InvalidSpec):
            device.pick(wrong)
    assert device.describe(torch.device("cpu"))["type"] == "cpu"
    cpu = torch.device("cpu")
    assert precision.choose("auto", cpu).name == "fp32"
    assert precision.choose("bf16", cpu).dtype is torch.bfloat16
    for wrong in ("fp16", "fp8"):
        with pytest.raises(InvalidSpec):
            precision.choose(wrong, cpu)


def test_a_batch_of_any_nest_is_moved():
    moved = device.to_device({"a": [torch.ones(1), "text"], "b": (torch.ones(2), 3)}, torch.device("meta"))
    assert moved["a"][0].device.type == moved["b"][0].device.type == "meta"
    assert moved["a"][1] == "text"


def test_repeatable_algorithms_can_be_asked_for_and_given_back():
    try:
        precision.repeatable(True, strict=True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        precision.repeatable(False)
    assert not torch.are_deterministic_algorithms_enabled()
