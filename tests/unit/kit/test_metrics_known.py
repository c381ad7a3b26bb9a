"""The numbers are those of independent implementations (scikit-learn, MONAI) and of published tables."""

import numpy as np
import pytest
import torch
from monai.metrics import compute_roc_auc, get_confusion_matrix
from monai.metrics.confusion_matrix import compute_confusion_matrix_metric
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from arc.kit import metrics_weighted as weighted
from arc.kit.metrics import measure_binary
from arc.kit.metrics_weighted import CALLS, PROBABILITY, RANKING, Cases
from arc.stats import delong

FAST = {"resamples": 20}


def cases(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities; every second set has many ties."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    scores = 1 / (1 + np.exp(-(random.normal(size=n) * 1.5 + labels - 0.5)))
    return labels, np.round(scores, 1) if seed % 2 else scores


@pytest.mark.parametrize("seed", range(4))
def test_scikit_learn_says_the_same(seed):
    labels, scores = cases(seed)
    found = {name: one.interval.value for name, one in measure_binary(labels, scores, threshold=0.45, **FAST).measures.items()}
    called = scores >= 0.45
    fpr, tpr, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    expected = {
        "auc": reference.roc_auc_score(labels, scores),
        "average_precision": reference.average_precision_score(labels, scores),
        "accuracy": reference.accuracy_score(labels, called),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, called),
        "sensitivity": reference.recall_score(labels, called),
        "specificity": reference.recall_score(labels, called, pos_label=0),
        "precision": reference.precision_score(labels, called),
        "f1": reference.f1_score(labels, called),
        "brier": reference.brier_score_loss(labels, scores),
        "log_loss": reference.log_loss(labels, scores.clip(1e-7, 1 - 1e-7)),
        "sensitivity_at_specificity_85": tpr[fpr <= 0.15 + 1e-12].max(),
        "sensitivity_at_specificity_95": tpr[fpr <= 0.05 + 1e-12].max(),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("seed", [0, 2])
def test_the_bins_of_the_reliability_plot_are_those_of_scikit_learn(seed):
    labels, scores = cases(seed)
    observed, predicted = calibration_curve(labels, scores, n_bins=8)
    found = measure_binary(labels, scores, bins=8, **FAST)
    filled = [each for each in found.calibration if each.observed.n]
    assert [each.predicted for each in filled] == pytest.approx(predicted)
    assert [each.observed.value for each in filled] == pytest.approx(observed)
    gap = sum(each.observed.n * abs(each.observed.value - each.predicted) for each in filled) / len(labels)
    assert found.measures["calibration_error"].interval.value == pytest.approx(gap)


@pytest.mark.parametrize("seed", range(2))
def test_monai_says_the_same(seed):
    labels, scores = cases(seed)
    found = measure_binary(labels, scores, **FAST)
    assert found.measures["auc"].interval.value == pytest.approx(compute_roc_auc(torch.tensor(scores), torch.tensor(labels)))
    one_hot = torch.nn.functional.one_hot(torch.tensor(np.stack([scores >= 0.5, labels]).astype(int)), 2)
    counts = get_confusion_matrix(one_hot[0], one_hot[1]).sum(dim=0)[1]
    for ours, theirs in (("sensitivity", "sensitivity"), ("specificity", "specificity"), ("precision", "precision"), ("f1", "f1 score")):
        assert found.measures[ours].interval.value == pytest.approx(float(compute_confusion_matrix_metric(theirs, counts)))


@pytest.mark.parametrize("seed", range(3))
def test_a_weight_of_two_is_the_same_case_twice(seed):
    labels, scores = cases(seed, 60)
    weights = np.random.default_rng(seed).integers(0, 3, (1, 60)).astype(float)
    rows = np.repeat(np.arange(60), weights[0].astype(int))
    made = {  # the deviation of the calibration is from the cases themselves, so it is 0 for those that are repeated
        "ranking": (weighted.ranking, len(RANKING)),
        "calls": (lambda them: weighted.calls(them, 0.5), len(CALLS)),
        "probability": (lambda them: weighted.probability(them, 8), len(PROBABILITY) - 1),
        "net benefit": (lambda them: weighted.net_benefit(them, [0.2, 0.7]), 2),
    }
    for name, (make, columns) in made.items():
        drawn = make(Cases.of(labels, scores))(weights)[:, :columns]
        repeated = make(Cases.of(labels[rows], scores[rows]))(np.ones((1, len(rows))))[:, :columns]
        np.testing.assert_allclose(drawn, repeated, err_msg=name)


def test_the_curve_of_hanley_and_mcneil():
    """109 computed tomographs rated 1 to 5: Hanley & McNeil, Radiology 143 (1982), table I; area .893.

    Stata's manual prints for the same data, by DeLong, the area .8932 with standard error .0307 and .83295 to .95339 (`roctab`).
    """
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    ratings = np.repeat([1, 2, 3, 4, 5] * 2, normal + abnormal)
    found = delong(np.repeat([0, 1], [58, 51]), ratings)
    assert (found.value, found.low, found.high) == pytest.approx((0.8932, 0.83295, 0.95339), abs=5e-5)


def test_the_decision_curve_of_the_authors():
    """Family history as the test for cancer in 750 men, of whom 105 have it: 24 of them and 91 others have the history.

    Net benefits as the authors' own program (dcurves for R, example `cancer ~ famhistory`) prints them; the
    formula is that of Vickers & Elkin, Med Decis Making 26 (2006).
    """
    labels = np.repeat([1, 1, 0, 0], [24, 81, 91, 554])
    history = np.repeat([1.0, 0.0, 1.0, 0.0], [24, 81, 91, 554])
    printed = {  # threshold: (everyone, by history)
        0.05: (0.09473684210526317, 0.025614035087719297),
        0.10: (0.04444444444444445, 0.018518518518518517),
        0.14: (0.0, 0.012248062015503873),
        0.20: (-0.075, 0.0016666666666666635),
        0.35: (-0.32307692307692315, -0.03333333333333335),
    }
    curve = measure_binary(labels, history, benefit_at=list(printed), **FAST).decision
    for point in curve:
        assert (point.everyone, point.model.interval.value) == pytest.approx(printed[point.threshold], abs=1e-12)
        assert point.model.interval.low < point.model.interval.value < point.model.interval.high


def test_the_interval_of_the_calibration_error_holds_the_truth_also_where_it_is_zero():
    """A model that is right about how sure it is: the error on 200 cases is never 0, and its interval must reach there."""
    reached = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        scores = random.random(200)
        found = measure_binary((random.random(200) < scores).astype(int), scores, resamples=200).measures["calibration_error"].interval
        reached += found.low == 0
    assert reached >= 34
