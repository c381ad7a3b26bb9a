"""Randomness that can be put back, and orders that can be recomputed."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.errors import BadData, InvalidSpec
from arc.kit import checkpoint, seeding
from arc.kit.loader import Loader, TensorBatches
from arc.kit.sampler import Order, balanced_weights


def draw() -> list[float]:
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(1).item(), torch.randn(1).item()]


def test_the_same_seed_gives_the_same_numbers_and_another_others():
    draws = []
    for seed in (1, 1, 2):
        seeding.seed_all(seed)
        draws.append(draw())
    assert draws[0] == draws[1]
    assert not set(draws[0]) & set(draws[2])


def test_all_generators_come_back_from_a_file(tmp_path):
    seeding.seed_all(3)
    draw()  # leaves half of a pair of normal numbers waiting in python's and numpy's generators
    checkpoint.save(tmp_path / "rng", {"rng": seeding.rng_state()})
    expected = [draw() for _ in range(3)]
    seeding.seed_all(4)
    seeding.restore_rng(checkpoint.load(tmp_path / "rng")["rng"])
    assert [draw() for _ in range(3)] == expected


def test_a_damaged_state_is_bad_data():
    state = seeding.rng_state()
    for part in ("python", "numpy", "torch"):
        with pytest.raises(BadData, match="random state"):
            seeding.restore_rng({key: value for key, value in state.items() if key != part})
    with pytest.raises(BadData, match="random state"):
        seeding.restore_rng(state | {"torch": torch.zeros(3, dtype=torch.uint8)})


def test_derived_seeds_are_frozen():
    # A change here would make every run that is resumed after an upgrade see other data.
    assert seeding.derive(0, "order", 0) == 7955589716765508323
    assert Order(6, seed=0).indices(0).tolist() == [1, 5, 0, 2, 3, 4]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 200), seed=st.integers(0, 2**40), epoch=st.integers(0, 10_000))
def test_an_order_is_a_permutation_and_the_same_each_time(n, seed, epoch):
    order = Order(n, seed=seed).indices(epoch)
    assert sorted(order) == list(range(n))
    assert (Order(n, seed=seed).indices(epoch) == order).all()


def test_epochs_differ():
    order = Order(100, seed=0)
    assert (order.indices(0) != order.indices(1)).any()
    assert (Order(100, seed=1).indices(0) != order.indices(0)).any()
    assert Order(4, seed=0, shuffle=False).indices(7).tolist() == [0, 1, 2, 3]


def test_sites_come_equally_often_within_each_class() -> None:
    labels, sites = [0, 0, 0, 0, 1, 1, 1], ["a", "a", "a", "b", "a", "b", "b"]
    weights = balanced_weights(labels, within=sites)
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2, 1 / 2, 1 / 4, 1 / 4])


def test_balanced_draws_see_every_class_equally_often_and_never_what_has_no_weight():
    labels = np.array([0] * 900 + [1] * 100)
    order = Order(1000, seed=5, weights=balanced_weights(labels), draws=4000)
    drawn = labels[order.indices(3)]
    assert len(drawn) == len(order) == 4000
    assert abs(drawn.mean() - 0.5) < 0.04  # 5 standard deviations
    only = Order(3, seed=0, weights=[0, 1, 0]).indices(0)
    assert only.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Order(0, seed=0),
        lambda: Order(3, seed=0, weights=[1, 2]),
        lambda: Order(2, seed=0, weights=[1, -1]),
        lambda: Order(2, seed=0, weights=[0, 0]),
        lambda: Order(2, seed=0, weights=[1, float("nan")]),
        lambda: Order(2, seed=0, draws=5),
        lambda: balanced_weights([]),
        lambda: TensorBatches([torch.ones(3)], order=Order(2, seed=0), batch_size=1),
        lambda: TensorBatches([torch.ones(2)], order=Order(2, seed=0), batch_size=3, drop_last=True),
        lambda: Loader([1, 2, 3], order=Order(2, seed=0), batch_size=1),
        lambda: Loader([1, 2], order=Order(2, seed=0), batch_size=0),
    ],
)
def test_nonsense_is_refused(make):
    with pytest.raises(InvalidSpec):
        make()


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("start", [0, 1, 2])
def test_both_sources_start_anywhere_and_leave_the_global_generator_alone(drop_last, start):
    rows = torch.arange(10)
    order = Order(10, seed=1)
    sources = [
        Loader(rows, order=order, batch_size=4, drop_last=drop_last),
        TensorBatches([rows], order=order, batch_size=4, drop_last=drop_last),
    ]
    before = torch.get_rng_state()
    found = []
    for source in sources:
        batches = [batch[0] if isinstance(batch, tuple) else batch for batch in source.run(2, start=start)]
        assert len(batches) == len(source) - start
        found.append(torch.cat(batches).tolist() if batches else [])
    assert found[0] == found[1] == order.indices(2)[start * 4 : len(sources[0]) * 4].tolist()
    assert torch.equal(before, torch.get_rng_state())
    assert sources[0].fingerprint == sources[1].fingerprint
