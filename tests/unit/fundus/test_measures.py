"""What an evaluation measures: two eyes of a patient are not two patients, and everything is JSON."""

import json

import numpy as np
import pytest

from arc.fundus.measures import Judged, flat, measure


def crowd(patients: int, *, eyes: int, known: bool = True, seed: int = 0) -> list[Judged]:
    random = np.random.default_rng(seed)
    found = []
    for number in range(patients):
        label, own = number % 2, random.normal()
        for _ in range(eyes):
            score = 1 / (1 + np.exp(-(1.2 * label - 0.6 + own + 0.1 * random.normal())))
            found.append(Judged(label, float(score), f"P{number}" if known else None, f"site-{number % 3}"))
    return found


def test_the_leading_auc_counts_patients_and_delong_stands_beside_it() -> None:
    metrics = measure(crowd(80, eyes=2), threshold=0.5, confidence=0.95, seed=0)["metrics"]
    width = {name: metrics[name]["high"] - metrics[name]["low"] for name in ("auc", "auc_delong")}
    assert metrics["auc"]["value"] == pytest.approx(metrics["auc_delong"]["value"])
    assert width["auc"] > 1.15 * width["auc_delong"]  # two alike eyes: about the square root of 2


def test_one_photograph_a_patient_has_delongs_interval() -> None:
    for known in (True, False):
        metrics = measure(crowd(60, eyes=1, known=known), threshold=0.5, confidence=0.95, seed=0)["metrics"]
        assert metrics["auc"] == metrics["auc_delong"]


def test_everything_is_json_and_the_confusion_adds_up() -> None:
    found = measure(crowd(40, eyes=2), threshold=0.4, confidence=0.9, seed=0)
    json.dumps(found, allow_nan=False)
    (tn, fp), (fn, tp) = found["confusion"]
    assert tn + fp + fn + tp == found["n"] == 80
    assert found["metrics"]["sensitivity"]["value"] == pytest.approx(tp / (tp + fn))
    assert set(found["per_site"]) == {"site-0", "site-1", "site-2"}
    assert {"auc", "auc_low", "auc_high", "f1_high"} <= set(flat(found["metrics"]))


def test_one_class_alone_has_no_area_and_says_so() -> None:
    found = measure([Judged(1, 0.3, f"P{number}") for number in range(5)], threshold=0.5, confidence=0.95, seed=0)
    assert found["metrics"]["auc"]["value"] is None
    assert found["metrics"]["auc"]["note"]
    assert found["per_site"] == {}


def test_classes_wholly_apart_are_not_called_certain() -> None:
    judged = [Judged(number % 2, 0.9 if number % 2 else 0.1, f"P{number}", f"site-{number // 8}") for number in range(16) for _ in range(2)]
    found = measure(judged, threshold=0.5, confidence=0.95, seed=0)
    for area in (found["metrics"]["auc"], *found["per_site"].values()):
        assert area["value"] == 1
        assert area["low"] < 0.95
