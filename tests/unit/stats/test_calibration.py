import json
from dataclasses import asdict
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.errors import BadData, InvalidSpec
from arc.stats import brier, calibration_bins, calibration_error

Case = tuple[list[int], list[float]]


def cases(min_size: int = 0) -> st.SearchStrategy[Case]:
    probability = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), st.floats(0, 1))
    pairs = st.lists(st.tuples(st.integers(0, 1), probability), min_size=min_size, max_size=60)
    return pairs.map(lambda found: ([a for a, _ in found], [b for _, b in found]))


@given(cases(), st.integers(1, 20), st.sampled_from(["width", "count"]))
def test_every_case_is_in_exactly_one_bin_and_within_it(case: Case, bins: int, by: Literal["width", "count"]) -> None:
    found = calibration_bins(*case, bins=bins, by=by)
    assert sum(each.observed.n for each in found) == len(case[0])
    assert [each.low for each in found[1:]] == [each.high for each in found[:-1]]
    for each in found:
        assert each.predicted is None if each.observed.n == 0 else each.low - 1e-12 <= each.predicted <= each.high + 1e-12
    json.dumps([asdict(each) for each in found], allow_nan=False)


@given(cases(min_size=1), st.integers(1, 20))
def test_the_error_is_the_mean_gap_over_the_bins(case: Case, bins: int) -> None:
    labels, probabilities = np.array(case[0]), np.array(case[1])
    edges, gap = np.linspace(0, 1, bins + 1), 0.0
    for i in range(bins):
        last = i == bins - 1
        here = (probabilities >= edges[i]) & ((probabilities <= edges[i + 1]) if last else (probabilities < edges[i + 1]))
        if here.any():
            gap += abs(labels[here].mean() - probabilities[here].mean()) * here.sum() / len(labels)
    assert calibration_error(calibration_bins(*case, bins=bins)) == pytest.approx(gap, abs=1e-12)


def test_brier_is_the_mean_squared_distance() -> None:
    assert brier([1, 0, 1], [0.9, 0.2, 0.5]) == pytest.approx((0.01 + 0.04 + 0.25) / 3)


def test_without_cases_nothing_is_claimed() -> None:
    found = calibration_bins([], [])
    assert all(each.predicted is None and each.observed.value is None for each in found)
    assert calibration_error(found) is None
    assert brier([], []) is None


@pytest.mark.parametrize("probability", [-0.01, 1.01])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(BadData):
        calibration_bins([0, 1], [0.5, probability])
    with pytest.raises(BadData):
        brier([0, 1], [0.5, probability])


def test_no_bins_are_refused() -> None:
    with pytest.raises(InvalidSpec):
        calibration_bins([0, 1], [0.5, 0.6], bins=0)
