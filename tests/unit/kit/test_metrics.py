"""Every number of an evaluation has an interval or says why not, and goes into JSON as it is."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.errors import BadData
from arc.kit.metrics import measure_binary
from arc.kit.operating_points import choose_threshold, threshold_at

FAST = {"resamples": 200}


def cases(n: int, *, seed: int = 0, strength: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    return labels, 1 / (1 + np.exp(-(random.normal(size=n) + strength * (labels - 0.5))))


def test_the_numbers_are_those_counted_by_hand():
    labels = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    scores = [0.9, 0.8, 0.7, 0.2, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    found = measure_binary(labels, scores, threshold=0.5, **FAST)
    assert found.confusion == [[4, 2], [1, 3]]
    values = {name: measure.interval.value for name, measure in found.measures.items()}
    assert values["accuracy"] == 0.7
    assert values["sensitivity"] == values["recall"] == 0.75
    assert values["specificity"] == pytest.approx(4 / 6)
    assert values["precision"] == 0.6
    assert values["f1"] == pytest.approx(2 / 3)
    assert values["auc"] == pytest.approx(19.5 / 24)
    assert values["brier"] == pytest.approx(np.mean((np.array(labels) - np.array(scores)) ** 2))
    assert found.measures["sensitivity"].method == "wilson"
    assert found.patients is None
    assert "auc_by_patient" not in found.measures
    assert any("not known" in note for note in found.notes)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1), st.integers(0, 5)), max_size=12),
    threshold=st.floats(0, 1),
    known=st.booleans(),
)
def test_any_cases_give_json_and_intervals_around_their_values(rows, threshold, known):
    labels, scores, patients = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    found = measure_binary(labels, scores, threshold=threshold, patients=patients if known else None, resamples=30)
    json.dumps(found.as_dict(), allow_nan=False)
    json.dumps(choose_threshold(labels, scores).as_dict(), allow_nan=False)
    for name, measure in found.measures.items():
        interval = measure.interval
        assert interval.value is not None or interval.note, name
        if interval.low is not None and measure.method.startswith(("wilson", "delong")):
            assert 0 <= interval.low <= interval.value + 1e-12, name
            assert interval.value - 1e-12 <= interval.high <= 1, name


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_only_is_answered_with_a_note(only):
    found = measure_binary([only] * 5, [0.1, 0.2, 0.6, 0.7, 0.8], patients=[1, 1, 2, 3, 4], **FAST)
    assert found.measures["auc"].as_dict()["value"] is None
    assert found.measures["auc"].as_dict()["note"]
    missing = "specificity" if only else "sensitivity"
    assert found.measures[missing].as_dict()["value"] is None
    assert found.measures["accuracy"].as_dict()["value"] is not None
    assert any("one class" in note for note in found.notes)
    assert choose_threshold([only] * 5, [0.1, 0.2, 0.6, 0.7, 0.8]).threshold == 0.5


def test_two_photographs_of_each_patient_are_not_twice_the_evidence():
    labels, scores = cases(60)
    twice = np.repeat(labels, 2), np.repeat(scores, 2)
    patients = np.repeat(np.arange(60), 2).tolist()
    single = measure_binary(labels, scores)
    naive = measure_binary(*twice)
    by_patient = measure_binary(*twice, patients=patients)
    assert by_patient.patients == 60

    def width(found, name):
        interval = found.measures[name].interval
        return interval.high - interval.low

    for name, other in (("sensitivity", "sensitivity"), ("auc_by_patient", "auc"), ("accuracy", "accuracy")):
        assert width(naive, other) < 0.8 * width(single, other)
        assert width(by_patient, name) == pytest.approx(width(single, other), rel=0.25)


def test_perfect_calls_are_not_certain():
    labels = np.repeat([0, 1], 10)
    found = measure_binary(labels, labels * 0.9 + 0.05, patients=np.repeat(np.arange(10), 2).tolist(), **FAST)
    sensitivity = found.measures["sensitivity"]
    assert sensitivity.interval.value == 1.0
    assert sensitivity.interval.low == pytest.approx(0.5655, abs=1e-3)  # Wilson, 5 of 5 patients
    assert sensitivity.method == "wilson by patient"


def test_one_photograph_a_patient_needs_no_resampling():
    labels, scores = cases(20)
    found = measure_binary(labels, scores, patients=[f"p{index}" for index in range(20)], **FAST)
    assert found.patients == 20
    assert found.measures["accuracy"].method == "wilson"


def test_equal_arguments_give_equal_numbers():
    labels, scores = cases(40)
    patients = [index // 3 for index in range(40)]
    one, two = (measure_binary(labels, scores, patients=patients, seed=3, **FAST).as_dict() for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("labels", "scores", "patients"),
    [
        ([0, 1], [0.5], None),
        ([0, 2], [0.5, 0.5], None),
        ([0, 1], [0.5, float("nan")], None),
        ([0, 1], [0.5, 1.5], None),
        ([0, 1], [0.5, 0.5], [1]),
        ([[0, 1]], [[0.5, 0.5]], None),
    ],
)
def test_what_means_nothing_is_refused(labels, scores, patients):
    with pytest.raises(BadData):
        measure_binary(labels, scores, patients=patients)


def test_the_chosen_threshold_is_the_best_there_is():
    labels, scores = cases(80)
    point = choose_threshold(labels, scores)

    def youden(threshold: float) -> float:
        called = scores >= threshold
        return float(called[labels == 1].mean() - called[labels == 0].mean())

    assert youden(point.threshold) == pytest.approx(max(youden(score) for score in scores))
    assert point.sensitivity + point.specificity - 1 == pytest.approx(youden(point.threshold))
    assert point.threshold not in scores


def test_separated_classes_are_parted_in_the_middle():
    assert choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]).threshold == pytest.approx(0.4)


def test_scores_that_know_nothing_leave_the_threshold_alone():
    point = choose_threshold([1, 0, 1, 0], [0.3, 0.3, 0.3, 0.3])
    assert point.threshold == 0.5
    assert "chance" in point.note


def test_an_f1_that_every_resample_agrees_on_is_not_certain():
    none_found = measure_binary([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.1, 0.2, 0.3, 0.1]).measures["f1"]
    assert none_found.interval.value == 0
    assert none_found.interval.high > 0.5
    all_found = measure_binary([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.1, 0.9, 0.8, 0.9]).measures["f1"]
    assert all_found.interval.value == 1
    assert all_found.interval.low < 0.7


@pytest.mark.parametrize("specificity", [0.85, 0.95])
def test_the_threshold_at_a_specificity_keeps_it_and_no_other_that_does_is_more_sensitive(specificity):
    labels, scores = cases(120, seed=5)
    point = threshold_at(labels, scores, specificity=specificity)
    assert point.specificity >= specificity
    kept = [score for score in scores if (scores[labels == 0] < score).mean() >= specificity]
    assert point.sensitivity == max((scores[labels == 1] >= score).mean() for score in kept)
    assert point.threshold not in scores
    found = measure_binary(labels, scores, **FAST).measures[f"sensitivity_at_specificity_{round(100 * specificity)}"]
    assert found.interval.value == pytest.approx(point.sensitivity)


def test_a_specificity_that_calls_nothing_is_said():
    point = threshold_at([0, 1, 0], [1.0, 0.4, 1.0], specificity=0.95)
    assert point.threshold == 1
    assert "nothing can be called positive" in point.note
    assert threshold_at([1, 1], [0.2, 0.3], specificity=0.9).note


def test_thresholds_chosen_elsewhere_are_measured_beside_the_main_one():
    labels, scores = cases(60)
    found = measure_binary(labels, scores, points={"chosen_85": 0.7}, **FAST).measures
    assert found["sensitivity_at_chosen_85"].interval.value == pytest.approx((scores[labels == 1] >= 0.7).mean())
    assert found["specificity_at_chosen_85"].method == "wilson"


def test_an_ability_that_every_draw_agrees_on_is_not_certain():
    labels = np.repeat([0, 1], 8)
    found = measure_binary(labels, labels * 0.8 + 0.1, **FAST).measures
    assert found["sensitivity_at_specificity_95"].interval.low < 0.8
    assert found["average_precision"].interval.low is None
    assert "every draw says the same" in found["average_precision"].interval.note
