"""Evidence: races, the test on fresh seeds, and the statistics below them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from arc.core.errors import BadData
from arc.research import evidence
from arc.stats.alpha import Wealth
from arc.stats.permutation import sign_flip

SEEDS = dict(enumerate([0.80, 0.81, 0.79, 0.80, 0.82, 0.80, 0.81]))
BETTER = {seed: value + 0.03 + 0.001 * (seed % 3) for seed, value in SEEDS.items()}


def test_better_takes_bound_p_and_gain() -> None:
    found = evidence.compare(BETTER, SEEDS, level=0.025, sigma=0.01, minimum_effect=0.0)
    assert (found.verdict, found.n, found.p) == ("better", 7, 1 / 128)
    assert found.gain == pytest.approx(0.031, abs=1e-3)


@pytest.mark.parametrize(
    ("level", "sigma", "effect", "missing"),
    [(0.005, 0.01, 0.0, "is not below the level"), (0.025, 0.05, 0.0, "that counts"), (0.025, 0.01, 0.04, "that counts")],
)
def test_one_that_is_missing_is_enough_and_is_named(level: float, sigma: float, effect: float, missing: str) -> None:
    found = evidence.compare(BETTER, SEEDS, level=level, sigma=sigma, minimum_effect=effect)
    assert found.verdict != "better"
    assert missing in found.why


def test_a_gain_that_is_surely_too_small_is_not_better_and_a_wide_one_is_not_known_yet() -> None:
    same = {seed: value + 0.0001 * (-1) ** seed for seed, value in SEEDS.items()}
    assert evidence.compare(same, SEEDS, level=0.025, sigma=0.01, minimum_effect=0.0).verdict == "not better"
    wide = {seed: value + 0.05 * (-1) ** seed for seed, value in SEEDS.items()}
    assert evidence.compare(wide, SEEDS, level=0.025, sigma=0.01, minimum_effect=0.0).verdict == "not known yet"


def test_seeds_that_only_one_has_do_not_count() -> None:
    found = evidence.compare(BETTER | {99: 5.0}, {0: 0.8, 1: 0.81, 98: 0.1}, level=0.025, sigma=0.01, minimum_effect=0.0)
    assert (found.n, found.verdict) == (2, "not known yet")


def test_a_race_drops_losers_early_goes_on_while_it_may_matter_and_ends_in_a_test() -> None:
    incumbent = [0.80, 0.81, 0.79, 0.80, 0.80]

    def step(values: list[float]) -> str:
        return evidence.race(values, incumbent, sigma=0.01, gain=0.01, rungs=(1, 3, 6, 10))

    assert step([0.79]) == "drop"
    assert step([0.815]) == "next"
    assert step([0.82, 0.815, 0.812]) == "confirm"
    assert step([0.804, 0.803, 0.803]) == "next"
    assert step([0.803] * 10) == "drop"


def test_the_bound_of_the_noise_is_that_of_chi_squared() -> None:
    found = evidence.noise([0.80, 0.81, 0.79, 0.82, 0.80])
    exact = found.sd * math.sqrt(4 / reference.chi2.ppf(0.1, 4))
    assert found.sd_high == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("tried", [2, 5, 20, 100])
def test_inflation_is_the_mean_of_the_best_of_equals(tried: int) -> None:
    drawn = np.random.default_rng(0).standard_normal((20_000, tried)).max(axis=1).mean()
    assert evidence.inflation(2.0, tried) == pytest.approx(2.0 * drawn, rel=0.05)


def test_sign_flip_is_that_of_scipy_and_of_counting() -> None:
    differences = np.array([0.3, -0.1, 0.2, 0.4, -0.05])
    counted = sum(np.dot(signs, differences) >= differences.sum() - 1e-12 for signs in itertools.product((1, -1), repeat=5)) / 32
    assert sign_flip(differences) == counted
    theirs = reference.permutation_test((differences,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf)
    assert sign_flip(differences) == pytest.approx(theirs.pvalue)


def test_sign_flip_of_many_is_drawn_and_near_the_truth() -> None:
    differences = np.random.default_rng(1).normal(0.3, 1.0, 40)
    theirs = reference.ttest_1samp(differences, 0, alternative="greater")
    assert sign_flip(differences) == pytest.approx(theirs.pvalue, abs=0.01)
    assert sign_flip(differences) == sign_flip(differences)


@pytest.mark.parametrize("wrong", [[], [float("nan")], [[1.0]]])
def test_sign_flip_refuses_what_is_no_list_of_numbers(wrong: list[float]) -> None:
    with pytest.raises(BadData):
        sign_flip(wrong)


@given(st.floats(0.001, 0.4), st.integers(1, 60))
def test_tests_that_find_nothing_spend_less_than_alpha_together(alpha: float, tests: int) -> None:
    wealth, spent = Wealth.begin(alpha), 0.0
    for _ in range(tests):
        level = wealth.offer
        assert 0 < level < alpha
        spent += level
        wealth = wealth.after(level=level, found=False)
    assert spent < alpha


def test_a_discovery_earns_wealth() -> None:
    wealth = Wealth.begin(0.05)
    assert wealth.after(level=wealth.offer, found=True).left == pytest.approx(0.075)


@given(st.floats(1e-4, 0.5))
def test_enough_pairs_are_asked_for_that_a_test_can_find_anything(level: float) -> None:
    assert 2.0 ** -evidence.pairs_needed(level, 3) < level
