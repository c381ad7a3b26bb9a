"""Shortcuts: features that give the label away are told from features that do not."""

import numpy as np
import pytest

from arc.core.errors import BadData
from arc.data.shortcuts import SIDE, auc_by, tiny

LABELS = [0, 1] * 60
PATIENTS = [f"P{place // 2 // 2}-{place % 2}" for place in range(120)]  # each has one label and two photographs


def test_a_size_that_gives_the_label_away_is_seen() -> None:
    sizes = [[2000 + 400 * label, 1500] for label in LABELS]
    found = auc_by(sizes, LABELS, PATIENTS, seed=1)
    assert found.value is not None
    assert found.value > 0.99


def test_noise_tells_nothing_and_its_interval_holds_one_half() -> None:
    noise = np.random.default_rng(4).normal(size=(120, 5))
    found = auc_by(noise, LABELS, PATIENTS, seed=1)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high


def test_what_tells_the_patient_does_not_tell_the_label() -> None:
    """A feature that names the patient would be learnt by heart if a patient were in two folds."""
    rng = np.random.default_rng(7)
    names = sorted(set(PATIENTS))
    marks = {name: rng.normal(size=60) for name in names}
    label = {name: int(rng.random() < 0.5) for name in names}
    found = auc_by([marks[name] for name in PATIENTS], [label[name] for name in PATIENTS], PATIENTS, seed=2)
    assert found.value is not None
    assert 0.25 < found.value < 0.75


def test_the_same_seed_gives_the_same_answer() -> None:
    noise = np.random.default_rng(4).normal(size=(120, 3))
    assert auc_by(noise, LABELS, PATIENTS, seed=3) == auc_by(noise, LABELS, PATIENTS, seed=3)


def test_a_feature_that_never_varies_is_no_error() -> None:
    found = auc_by(np.ones((120, 2)), LABELS, PATIENTS, seed=1)
    assert found.value == 0.5


@pytest.mark.parametrize(
    ("labels", "reason"), [([0, 0, 0, 0], "one class only"), ([1, 0, 0, 0], "one patient only"), ([], "one class only")]
)
def test_too_little_has_a_reason_and_no_value(labels: list[int], reason: str) -> None:
    found = auc_by(np.zeros((len(labels), 2)), labels, [str(place) for place in range(len(labels))], seed=1)
    assert found.value is found.low is found.high is None
    assert reason in found.note


def test_few_patients_get_fewer_folds() -> None:
    found = auc_by([[0.0], [1.0]] * 3, [0, 1] * 3, list("abcdef"), seed=1)
    assert found.value == 1.0


def test_patients_with_both_labels_are_no_error() -> None:
    noise = np.random.default_rng(1).normal(size=(8, 2))
    assert auc_by(noise, [0, 1] * 4, list("aabbccdd"), seed=1).value is not None


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadData, match="same photographs"):
        auc_by([[1.0], [2.0]], [0, 1], ["a"], seed=1)
    with pytest.raises(BadData, match="neither 0 nor 1"):
        auc_by([[1.0], [2.0]], [0, 2], ["a", "b"], seed=1)


def test_a_tiny_photograph_has_so_many_features() -> None:
    features = tiny(np.full((40, 60, 3), 255, np.uint8))
    assert features.shape == (SIDE * SIDE * 3,)
    assert set(features.tolist()) == {1.0}
