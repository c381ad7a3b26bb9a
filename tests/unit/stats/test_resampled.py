"""Many statistics from one set of draws agree with the bootstrap that takes them one by one."""

import numpy as np
import pytest

from arc.core.errors import BadData, InvalidSpec
from arc.stats import bootstrap, resample

VALUES = np.random.default_rng(2).gamma(2.0, size=80)
PATIENTS = np.arange(80) // 2


def moments(weights: np.ndarray) -> np.ndarray:
    mean = weights @ VALUES / weights.sum(axis=1)
    return np.column_stack([mean, weights @ VALUES**2 / weights.sum(axis=1) - mean**2])


@pytest.mark.parametrize("groups", [None, PATIENTS])
@pytest.mark.parametrize("method", ["bca", "percentile", "basic"])
def test_each_statistic_has_the_interval_that_bootstrap_gives_it(groups, method):
    found = resample(moments, 80, groups=groups, resamples=8000)
    for at, alone in enumerate((np.mean, np.var)):
        one = bootstrap(lambda drawn, of=alone: float(of(drawn)), VALUES, groups=groups, resamples=8000, seed=1, method=method)
        many = found.interval(at, method=method)
        width = one.high - one.low
        assert many.value == pytest.approx(one.value)
        assert (many.low, many.high) == (pytest.approx(one.low, abs=0.06 * width), pytest.approx(one.high, abs=0.06 * width))


def test_the_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    whole = resample(moments, 80, groups=PATIENTS, resamples=50, seed=3)
    monkeypatch.setattr("arc.stats.resampled._AT_ONCE", 400)
    parts = resample(moments, 80, groups=PATIENTS, resamples=50, seed=3)
    np.testing.assert_allclose(parts.draws, whole.draws, rtol=1e-12)
    np.testing.assert_allclose(parts.left_out, whole.left_out, rtol=1e-12)


def test_the_reflected_interval_of_a_distance_is_never_below_it_on_top():
    values = np.array([-1.0, 1.0] * 20)  # the distance of their mean from zero is 0, that of every draw is more
    found = resample(lambda w: np.abs(w @ values / w.sum(axis=1))[:, None], 40, resamples=500).interval(0, method="basic")
    assert found.value == 0
    assert found.low < 0 <= found.high


def test_one_group_alone_and_what_is_never_defined_have_no_bounds_and_a_reason():
    alone = resample(moments, 80, groups=[7] * 80).interval(0)
    assert alone.low is None
    assert alone.note
    never = resample(lambda w: np.full((len(w), 1), np.nan), 5, resamples=20).interval(0)
    assert never.value is None
    assert never.note


def test_wrong_numbers_are_refused():
    with pytest.raises(InvalidSpec):
        resample(moments, 0)
    with pytest.raises(InvalidSpec):
        resample(moments, 80, resamples=1)
    with pytest.raises(BadData):
        resample(moments, 80, groups=[1, 2])
