import json
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.errors import BadData, InvalidSpec
from arc.stats import auc, bootstrap


def mean(values: np.ndarray) -> float:
    return float(values.mean())


def test_for_a_mean_it_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(size=400)
    half = NormalDist().inv_cdf(0.975) * values.std() / math.sqrt(400)
    for method in ("bca", "percentile"):
        found = bootstrap(mean, values, method=method, resamples=4000)
        assert found.value == pytest.approx(values.mean())
        assert (found.low, found.high) == (pytest.approx(values.mean() - half, abs=0.01), pytest.approx(values.mean() + half, abs=0.01))


def test_bca_leans_the_way_the_data_lean() -> None:
    values = np.random.default_rng(2).exponential(size=40)
    plain, corrected = (bootstrap(mean, values, method=method, resamples=4000) for method in ("percentile", "bca"))
    assert corrected.low > plain.low
    assert corrected.high > plain.high


def test_bca_is_exact_about_a_known_case() -> None:
    """Efron & Tibshirani, An Introduction to the Bootstrap, table 14.1: spatial data A, biased variance, 90 %: (115.8, 259.6)."""
    a = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]
    found = bootstrap(lambda values: float(values.var()), np.array(a), confidence=0.9, resamples=20_000)
    assert found.value == pytest.approx(171.5, abs=0.1)
    assert (found.low, found.high) == (pytest.approx(115.8, abs=2.5), pytest.approx(259.6, abs=5))


def test_cases_of_one_patient_do_not_count_as_many_patients() -> None:
    random = np.random.default_rng(3)
    patients = np.repeat(np.arange(30), 10)
    values = random.normal(size=30)[patients]  # ten equal images of each patient
    alone, together = bootstrap(mean, values), bootstrap(mean, values, groups=patients)
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_one_seed_gives_one_interval() -> None:
    values = np.arange(20.0)
    assert bootstrap(mean, values, seed=5) == bootstrap(mean, values, seed=5)
    assert bootstrap(mean, values, seed=5) != bootstrap(mean, values, seed=6)


def test_draws_of_one_class_are_counted_and_left_out() -> None:
    found = bootstrap(auc, [0, 0, 0, 1, 1], [0.1, 0.4, 0.3, 0.35, 0.9], resamples=500)
    assert found.low is not None
    assert "draws were not defined" in found.note


def test_mostly_undefined_draws_give_no_bounds() -> None:
    found = bootstrap(lambda v: float(v[0]) if len(np.unique(v)) == len(v) else math.nan, np.arange(30.0), resamples=100)
    assert (found.value, found.low) == (0.0, None)
    assert "0 of 100" in found.note


def test_where_nothing_varies_the_interval_is_a_point_and_says_how() -> None:
    found = bootstrap(mean, np.ones(10), resamples=50)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert "percentile" in found.note


@pytest.mark.parametrize("values", [[], [2.0]])
def test_too_few_observations_give_no_bounds_and_a_reason(values: list[float]) -> None:
    found = bootstrap(mean, values)
    assert (found.low, found.high, found.n) == (None, None, len(values))
    assert found.note


@settings(max_examples=25)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12), st.integers(1, 4), st.floats(0.5, 0.99))
def test_the_bounds_lie_in_order_among_what_can_be_drawn(values: list[float], patients: int, confidence: float) -> None:
    found = bootstrap(mean, values, groups=[i % patients for i in range(len(values))], resamples=60, confidence=confidence)
    json.dumps(found.as_dict(), allow_nan=False)
    if found.low is not None:
        slack = 1e-9 * (1 + max(map(abs, values)))
        assert min(values) - slack <= found.low <= found.high <= max(values) + slack


def test_lists_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(BadData):
        bootstrap(auc, [0, 1], [0.5])
    with pytest.raises(BadData):
        bootstrap(mean, [1.0, 2.0], groups=["a"])
    with pytest.raises(BadData):
        bootstrap(mean)
    with pytest.raises(InvalidSpec):
        bootstrap(mean, [1.0, 2.0], resamples=1)
