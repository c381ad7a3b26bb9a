import json
import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.errors import InvalidSpec
from arc.stats import wilson


def cases() -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [  # by hand, and as Newcombe, Statistics in Medicine 17 (1998), table I, method 3 gives them
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(k: int, n: int, low: float, high: float) -> None:
    found = wilson(k, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_with_no_hits_the_upper_bound_is_the_closed_form() -> None:
    z = NormalDist().inv_cdf(0.995)
    assert wilson(0, 50, 0.99).high == pytest.approx(z**2 / (50 + z**2))


@given(cases(), st.floats(0.5, 0.999))
def test_the_bounds_are_where_the_score_test_turns(case: tuple[int, int], confidence: float) -> None:
    k, n = case
    found, z = wilson(k, n, confidence), NormalDist().inv_cdf((1 + confidence) / 2)
    assert 0 <= found.low <= found.value <= found.high <= 1
    for bound in (found.low, found.high):
        if 0 < bound < 1:
            assert abs(found.value - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / n), abs=1e-9)


@given(cases())
def test_hits_and_misses_mirror_each_other(case: tuple[int, int]) -> None:
    k, n = case
    hits, misses = wilson(k, n), wilson(n - k, n)
    assert (hits.low, hits.high) == (pytest.approx(1 - misses.high), pytest.approx(1 - misses.low))


def test_without_cases_there_is_no_number_and_a_reason() -> None:
    found = wilson(0, 0)
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
    assert found.note


@pytest.mark.parametrize(("k", "n", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (0, -1, 0.95), (1, 2, 1.0), (1, 2, 0.0), (1, 2, math.nan)])
def test_what_is_no_proportion_is_refused(k: int, n: int, confidence: float) -> None:
    with pytest.raises(InvalidSpec):
        wilson(k, n, confidence)


@given(cases())
def test_an_interval_survives_strict_json(case: tuple[int, int]) -> None:
    found = wilson(*case)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False)) == found.as_dict()
