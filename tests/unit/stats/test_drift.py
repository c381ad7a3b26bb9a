import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp

from arc.core.errors import BadData, InvalidSpec
from arc.stats.drift import LEAST_GROUPS, decile_edges, ks, ks_all, psi, psi_all, psi_of
from arc.stats.mmd import mmd

FEW = {"resamples": 99, "confidence": 0.95}
SAMPLES = st.integers(LEAST_GROUPS, 40).flatmap(lambda n: arrays(np.float64, n, elements=st.integers(-4, 4).map(float)))


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


# --- Kolmogorov-Smirnov -------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(SAMPLES, SAMPLES)
def test_the_statistic_is_that_of_scipy_ties_and_all(old: np.ndarray, new: np.ndarray) -> None:
    found = ks(old, new, **FEW)
    assert found.value == pytest.approx(ks_2samp(old, new, method="asymp").statistic)
    assert ks(new, old, **FEW).value == pytest.approx(found.value)
    assert 0 <= found.low <= found.value <= found.high <= 1


@settings(deadline=None, max_examples=40)
@given(SAMPLES, st.integers(1, 3))
def test_a_sample_is_where_it_is(old: np.ndarray, times: int) -> None:
    again = np.tile(old, times)
    (tested,) = ks_all(old[:, None], again[:, None], **FEW)
    assert (tested.interval.value, tested.interval.low, tested.p) == (0, 0, 1)
    index = psi(old, again, **FEW)
    assert (index.value, index.low) == (pytest.approx(0), pytest.approx(0))


@settings(deadline=None, max_examples=60)
@given(SAMPLES, SAMPLES, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_leaves_zero_out_exactly_when_p_says_so(old: np.ndarray, new: np.ndarray, confidence: float) -> None:
    (tested,) = ks_all(old[:, None], new[:, None], confidence=confidence, resamples=199)
    assert (tested.interval.low > 0) == (tested.p <= 1 - confidence + 1e-9)


def test_p_is_near_that_of_scipy_where_cases_are_independent() -> None:
    for seed, moved in enumerate((0.0, 0.2, 0.3)):
        old, new = normal(seed, 150), normal(seed + 50, 150) + moved
        (tested,) = ks_all(old[:, None], new[:, None], resamples=4000)
        assert tested.p == pytest.approx(ks_2samp(old, new).pvalue, abs=0.06)


def test_by_chance_hardly_ever_does_one_of_many_features_move() -> None:
    alarms = 0
    for seed in range(100):
        tested = ks_all(normal(seed, 60, 8), normal(seed + 1000, 60, 8), confidence=0.95, resamples=199, seed=seed)
        alarms += any(one.interval.low > 0 for one in tested)
    assert alarms <= 12  # 5 are expected, more than 12 once in 1,500


def test_cases_of_one_patient_do_not_count_as_many() -> None:
    patients = np.repeat(np.arange(20), 10)
    alarms = {"cases": 0, "patients": 0}
    for seed in range(40):
        old, new = normal(seed, 20)[patients], normal(seed + 1000, 20)[patients]
        alarms["cases"] += ks(old, new, resamples=199).low > 0
        alarms["patients"] += ks(old, new, reference_groups=patients, current_groups=patients, resamples=199).low > 0
    assert alarms["cases"] > 20
    assert alarms["patients"] <= 6


def test_one_seed_gives_one_interval() -> None:
    old, new = normal(1, 40), normal(2, 40) + 1
    assert ks(old, new, seed=3) == ks(old, new, seed=3)
    assert psi(old, new, seed=3) == psi(old, new, seed=3)
    assert psi(old, new, seed=3) != psi(old, new, seed=4)


# --- population stability index -----------------------------------------------------------------

COUNTS = st.lists(st.integers(0, 50), min_size=3, max_size=3)


def test_the_index_of_two_rows_of_counts_is_the_closed_form() -> None:
    assert psi_of([50, 50], [20, 80]) == pytest.approx((0.2 - 0.5) * math.log(0.4) + (0.8 - 0.5) * math.log(1.6))
    assert psi_of([10, 0], [0, 10]) == pytest.approx(2 * 0.95 * math.log(20))  # half a case where there is none


@given(COUNTS.filter(any), COUNTS.filter(any))
def test_the_index_is_the_same_both_ways_and_never_below_zero(old: list[int], new: list[int]) -> None:
    assert psi_of(old, new) == pytest.approx(psi_of(new, old))
    assert psi_of(old, new) >= 0
    assert psi_of(old, [3 * count for count in old]) == pytest.approx(0)


def test_over_deciles_it_is_the_integral_of_the_two_normal_curves() -> None:
    """For N(0, 1) and N(d, 1) the divergence is d squared; ten bins lose a little of it."""
    found = psi(normal(1, 100_000), normal(2, 100_000) + 0.5, resamples=50, confidence=0.9)
    assert 0.22 < found.value < 0.25
    assert found.low < found.value <= found.high


@settings(deadline=None, max_examples=60)
@given(SAMPLES, SAMPLES)
def test_bounds_hold_the_value(old: np.ndarray, new: np.ndarray) -> None:
    found = psi(old, new, **FEW)
    assert 0 <= found.low <= found.value <= found.high


def test_what_chance_gives_two_samples_is_taken_off() -> None:
    found = psi(normal(1, 100), normal(2, 100))
    assert found.value > 0.1
    assert found.low == 0


@settings(deadline=None, max_examples=60)
@given(SAMPLES)
def test_a_frequent_value_has_a_bin_of_its_own(values: np.ndarray) -> None:
    edges = decile_edges(values)
    assert (np.diff(edges) > 0).all()
    for value, count in zip(*np.unique(values, return_counts=True), strict=True):
        if count >= 0.2 * len(values) + 1:  # at least two deciles lie on it
            assert {value, np.nextafter(value, -np.inf)} <= set(edges.tolist())


@pytest.mark.parametrize("now", [320.0, 1024.0])
def test_one_size_that_becomes_another_is_seen(now: float) -> None:
    before, after = np.full(50, 640.0), np.full(50, now)
    assert psi(before, after).low > 1
    assert ks(before, after).low > 0.5


# --- maximum mean discrepancy -------------------------------------------------------------------


def test_the_discrepancy_is_that_of_its_definition() -> None:
    old, new = normal(1, 11, 2), normal(2, 13, 2) + 1
    both = np.concatenate([old, new])
    away = np.linalg.norm(both[:, None] - both, axis=2)
    kernel = np.exp(-(away**2) / (2 * np.median(away[np.triu_indices(24, 1)]) ** 2))
    pairs = [sum(kernel[i, j] for i in part for j in part if i != j) / (len(part) * (len(part) - 1)) for part in (range(11), range(11, 24))]
    tested, chance = mmd(old, new, permutations=99)
    assert tested.interval.value == pytest.approx(sum(pairs) - 2 * kernel[:11, 11:].mean())
    assert chance < tested.interval.value
    assert tested.p == 0.01


def test_by_chance_p_is_spread_evenly() -> None:
    found = [mmd(normal(seed, 30, 5), normal(seed + 500, 30, 5), permutations=99)[0].p for seed in range(100)]
    assert sum(p <= 0.1 for p in found) <= 20
    assert sum(p > 0.5 for p in found) >= 35


def test_patients_are_exchanged_whole() -> None:
    patients = np.repeat(np.arange(15), 8)
    alarms = 0
    for seed in range(30):
        old, new = (normal(side + seed, 15, 3)[patients] for side in (0, 1000))
        alarms += mmd(old, new, reference_groups=patients, current_groups=patients, permutations=99)[0].p <= 0.05
    assert alarms <= 6


def test_all_the_same_is_no_distance() -> None:
    tested, _ = mmd(np.zeros((12, 3)), np.zeros((12, 3)), permutations=99)
    assert (tested.interval.value, tested.p) == (pytest.approx(0), 1)


# --- what cannot be said ------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [ks, psi])
def test_few_patients_give_a_value_and_no_interval(measure: Any) -> None:
    old, new = normal(1, 40), normal(2, 40)
    found = measure(old, new, current_groups=np.arange(40) % (LEAST_GROUPS - 1))
    assert found.value > 0
    assert (found.low, found.high) == (None, None)
    assert "not enough" in found.note


def test_few_patients_give_no_test() -> None:
    tested, chance = mmd(normal(1, 5, 2), normal(2, 50, 2), permutations=99)
    assert tested.interval.value is not None
    assert (tested.p, chance) == (None, None)
    assert mmd(normal(1, 1, 2), normal(2, 50, 2), permutations=99)[0].interval.value is None


@pytest.mark.parametrize("measure", [ks_all, psi_all])
@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        (np.ones((3, 2)), np.ones((3, 3)), {}),
        (np.ones((0, 2)), np.ones((3, 2)), {}),
        (np.ones(3), np.ones(3), {}),
        (np.full((3, 1), math.nan), np.ones((3, 1)), {}),
        (np.ones((3, 1)), np.ones((3, 1)), {"current_groups": ["a"]}),
    ],
)
def test_what_are_no_two_samples_is_refused(measure: Any, old: np.ndarray, new: np.ndarray, more: dict[str, Any]) -> None:
    with pytest.raises(BadData):
        measure(old, new, **more)


def test_too_few_draws_for_the_confidence_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="99 are needed"):
        ks(normal(1, 20), normal(2, 20), confidence=0.99, resamples=98)
    with pytest.raises(InvalidSpec, match="permutations"):
        mmd(normal(1, 20, 2), normal(2, 20, 2), confidence=0.99, permutations=50)
    with pytest.raises(BadData):
        psi_of([1, 2], [0, 0])
