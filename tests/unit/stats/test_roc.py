"""The fast forms against the definitions: every pair compared, every threshold tried."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arc.core.errors import BadData
from arc.stats import auc, delong, roc_points, wilson

Case = tuple[list[int], list[float]]


def cases() -> st.SearchStrategy[Case]:
    """Labels and scores; few distinct scores, so that ties are common."""
    score = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(-1e6, 1e6))
    return st.lists(st.tuples(st.integers(0, 1), score), min_size=1, max_size=40).map(
        lambda pairs: ([a for a, _ in pairs], [b for _, b in pairs])
    )


def by_pairs(case: Case, confidence: float) -> tuple[float, float]:
    """AUC and DeLong's standard error from all pairs, as in the paper of 1988."""
    labels, scores = np.array(case[0]), np.array(case[1])
    x, y = scores[labels == 1], scores[labels == 0]
    psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    theta = float(psi.mean())
    s10 = sum((float(row.mean()) - theta) ** 2 for row in psi) / (len(x) - 1)
    s01 = sum((float(column.mean()) - theta) ** 2 for column in psi.T) / (len(y) - 1)
    return theta, NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(s10 / len(x) + s01 / len(y))


@given(cases(), st.floats(0.5, 0.999))
def test_delong_is_what_comparing_all_pairs_gives(case: Case, confidence: float) -> None:
    positives = sum(case[0])
    assume(2 <= positives <= len(case[0]) - 2)
    theta, half = by_pairs(case, confidence)
    found = delong(*case, confidence)
    assert found.value == pytest.approx(theta, abs=1e-12)
    assert found.n == len(case[0])
    if half > 1e-9:
        assert (found.low, found.high) == (pytest.approx(max(0, theta - half), abs=1e-9), pytest.approx(min(1, theta + half), abs=1e-9))
        assert not found.note
    else:
        assert found.note


@given(cases())
def test_auc_is_the_chance_that_a_positive_scores_higher(case: Case) -> None:
    labels, scores = case
    assume(0 < sum(labels) < len(labels))
    pairs = [(x, y) for x, a in zip(scores, labels, strict=True) if a for y, b in zip(scores, labels, strict=True) if not b]
    assert auc(*case) == pytest.approx(sum((x > y) + (x == y) / 2 for x, y in pairs) / len(pairs), abs=1e-12)
    assert auc([1 - label for label in case[0]], case[1]) == pytest.approx(1 - auc(*case), abs=1e-12)


@given(cases())
def test_the_curve_is_what_every_threshold_gives(case: Case) -> None:
    labels, scores = case
    assume(0 < sum(labels) < len(labels))
    points = roc_points(*case)
    assert (points.fpr[0], points.tpr[0], points.thresholds[0]) == (0, 0, None)
    assert (points.fpr[-1], points.tpr[-1]) == (1, 1)
    for fpr, tpr, threshold in list(zip(points.fpr, points.tpr, points.thresholds, strict=True))[1:]:
        called = [score >= threshold for score in scores]
        assert tpr == pytest.approx(sum(c for c, label in zip(called, labels, strict=True) if label) / sum(labels))
        assert fpr == pytest.approx(sum(c for c, label in zip(called, labels, strict=True) if not label) / (len(labels) - sum(labels)))
    area = np.trapezoid(points.tpr, points.fpr)
    assert area == pytest.approx(auc(*case), abs=1e-9), "no corner is left out"


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    truth = NormalDist().cdf(1 / math.sqrt(2))  # positives shifted by one standard deviation
    labels = np.repeat([0, 1], 60)
    hits = 0
    for _ in range(400):
        found = delong(labels, random.normal(size=120) + labels, 0.9)
        hits += found.low <= truth <= found.high
    share = wilson(hits, 400, 0.9999)
    assert share.low <= 0.9 <= share.high


def test_classes_that_are_fully_apart_still_leave_doubt() -> None:
    found = delong([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6])
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low < 0.9
    assert "Wilson" in found.note


@pytest.mark.parametrize(("labels", "n"), [([], 0), ([1, 1], 2), ([0, 0, 0], 3)])
def test_with_one_class_there_is_no_area_and_a_reason(labels: list[int], n: int) -> None:
    scores = [0.5] * len(labels)
    found = delong(labels, scores)
    assert (found.value, found.low, found.high, found.n) == (None, None, None, n)
    assert found.note
    assert math.isnan(auc(labels, scores))
    assert roc_points(labels, scores).fpr == []


def test_with_a_single_positive_there_is_an_area_without_bounds() -> None:
    found = delong([1, 0, 0], [0.5, 0.1, 0.9])
    assert (found.value, found.low, found.high) == (0.5, None, None)
    assert found.note


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([0, 1], [0.1]), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1, math.nan]), ([0, 1], [0.1, math.inf]), ([[0, 1]], [[0.1, 0.2]])],
)
def test_what_are_no_labels_and_scores_is_refused(labels: Any, scores: Any) -> None:
    for function in (auc, delong, roc_points):
        with pytest.raises(BadData):
            function(labels, scores)
