"""One temperature mends what is too sure of itself, changes no ranking, and is not invented where nothing can be fitted."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from arc.core.errors import BadData
from arc.kit.temperature import BOUNDS, fit_temperature


def cases(n: int, *, heat: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels that come true as the log-odds divided by `heat` say."""
    random = np.random.default_rng(seed)
    odds = random.normal(scale=2, size=n)
    return (random.random(n) < 1 / (1 + np.exp(-odds))).astype(int), odds * heat


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found_again(heat):
    found = fit_temperature(*cases(20_000, heat=heat))
    assert found.value == pytest.approx(heat, rel=0.05)
    assert found.after <= found.before + 1e-12


def test_it_is_the_slope_of_a_logistic_regression_without_intercept():
    labels, odds = cases(300, heat=2.5, seed=4)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(odds[:, None], labels)
    assert fit_temperature(labels, odds).value == pytest.approx(1 / float(model.coef_[0, 0]), rel=1e-4)


def test_a_model_that_is_the_wrong_way_round_ends_at_the_bound_and_says_so():
    labels, odds = cases(500, heat=1.0)
    found = fit_temperature(labels, -odds)
    assert found.value == pytest.approx(BOUNDS[1])
    assert found.note


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 1, 1]])
def test_where_nothing_can_be_fitted_it_is_one_and_says_why(labels):
    found = fit_temperature(labels, [-1.0, 2.0, 3.0])
    assert found.value == 1
    assert found.note


@pytest.mark.parametrize(("labels", "odds"), [([0, 1], [1.0]), ([0, 2], [1.0, 2.0]), ([0, 1], [1.0, float("inf")])])
def test_what_means_nothing_is_refused(labels, odds):
    with pytest.raises(BadData):
        fit_temperature(labels, odds)
