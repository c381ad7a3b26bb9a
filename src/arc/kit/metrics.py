"""How good a binary classifier is, each number with its interval, all of it fit for JSON.

Two photographs of one patient are not two independent observations. Where patient ids are given and a patient
has several photographs, proportions are resampled by patient (BCa bootstrap); else they have Wilson's interval.
The AUC has DeLong's interval, which knows no patients, and beside it one by patient.

What cannot be computed (one class only, no positive call) is None with a note, not an exception; scores that are no
probabilities are BadData, because no number about them would mean anything.

Not covered: more than two classes, and intervals of the calibration error, which is biased upwards for few cases.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from arc.core.errors import BadData
from arc.stats import (
    CalibrationBin,
    Interval,
    RocPoints,
    auc,
    bootstrap,
    calibration_bins,
    calibration_error,
    delong,
    roc_points,
    wilson,
)

Floats = npt.NDArray[np.float64]
_TN, _FP, _FN, _TP = range(4)
# name -> the cells counted above and below the line of a proportion
_PROPORTIONS = {
    "accuracy": ((_TN, _TP), (_TN, _FP, _FN, _TP)),
    "sensitivity": ((_TP,), (_TP, _FN)),
    "specificity": ((_TN,), (_TN, _FP)),
    "precision": ((_TP,), (_TP, _FP)),
    "recall": ((_TP,), (_TP, _FN)),
}
_UNDEFINED = {
    "sensitivity": "no positives",
    "recall": "no positives",
    "specificity": "no negatives",
    "precision": "nothing is called positive",
}


@dataclass(frozen=True)
class Measure:
    """One number, its interval, and how that was found."""

    interval: Interval
    method: str  # wilson, bootstrap, bootstrap by patient, delong, none

    def as_dict(self) -> dict[str, Any]:
        """value, low, high, n, confidence, note, method."""
        return self.interval.as_dict() | {"method": self.method}


@dataclass(frozen=True)
class BinaryMetrics:
    """All that is measured of a classifier on one set of cases."""

    threshold: float
    confidence: float
    n: int
    positives: int
    patients: int | None  # None when patients are not known
    measures: dict[str, Measure]  # auc, auc_by_patient (when known), accuracy, sensitivity, ..., brier, calibration_error
    confusion: list[list[int]]  # [[tn, fp], [fn, tp]]: a row a true class
    roc: RocPoints
    calibration: list[CalibrationBin]
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Everything by name, fit for JSON."""
        return {
            "threshold": self.threshold,
            "confidence": self.confidence,
            "n": self.n,
            "positives": self.positives,
            "negatives": self.n - self.positives,
            "patients": self.patients,
            "measures": {name: measure.as_dict() for name, measure in self.measures.items()},
            "confusion": self.confusion,
            "roc": asdict(self.roc),
            "calibration": [asdict(each) for each in self.calibration],
            "notes": self.notes,
        }


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it gave on the cases it was chosen on."""

    threshold: float
    sensitivity: float | None
    specificity: float | None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, fit for JSON."""
        return vars(self).copy()


def measure_binary(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    patients: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    bins: int = 10,
    seed: int = 0,
) -> BinaryMetrics:
    """Judge probabilities of the positive class, shape (n,), against labels 0 or 1, shape (n,).

    A case is called positive from the threshold on. `patients` are n ids of any kind. Equal arguments give equal
    numbers. BadData when shapes differ, a label is not 0 or 1 or a score is not a probability.
    """
    truth, said = _checked(labels, scores, patients)
    groups = None if patients is None else _numbered(patients)
    clustered = groups is not None and len(np.unique(groups)) < len(truth)
    cells = _cells(truth, said >= threshold)
    rows = _by_group(cells, groups) if clustered and groups is not None else cells
    options = _Options(confidence, resamples, seed, "bootstrap by patient" if clustered else "bootstrap")
    measures = {"auc": Measure(delong(truth, said, confidence), "delong")}
    if clustered:
        measures["auc_by_patient"] = Measure(options.bootstrap(auc, truth, said, groups=groups), options.method)
    for name in _PROPORTIONS:
        measures[name] = _proportion(name, cells, rows, options, clustered=clustered)
    measures["f1"] = _f1_measure(cells, rows, options)
    measures["brier"] = _brier(truth, said, groups if clustered else None, options)
    calibration = calibration_bins(truth, said, bins=bins, confidence=confidence)
    note = f"{bins} bins; biased upwards for few cases"
    measures["calibration_error"] = Measure(Interval(calibration_error(calibration), None, None, len(truth), confidence, note), "none")
    table = cells.sum(axis=0)
    return BinaryMetrics(
        threshold=threshold,
        confidence=confidence,
        n=len(truth),
        positives=int(truth.sum()),
        patients=None if groups is None else len(np.unique(groups)),
        measures=measures,
        confusion=[[int(table[_TN]), int(table[_FP])], [int(table[_FN]), int(table[_TP])]],
        roc=roc_points(truth, said),
        calibration=calibration,
        notes=_notes(truth, clustered=clustered, known=groups is not None),
    )


def choose_threshold(labels: npt.ArrayLike, scores: npt.ArrayLike) -> OperatingPoint:
    """The threshold with the largest sensitivity + specificity − 1 (Youden, Cancer 3 (1950)); of equals the more sensitive.

    It lies midway between the last score that is called positive and the next, so that it does not hang on one case.
    Choose it on validation cases, never on those it is judged by. 0.5 with a note when no threshold beats chance.
    """
    truth, said = _checked(labels, scores, None)
    curve = roc_points(truth, said)
    if not curve.thresholds:
        return OperatingPoint(0.5, None, None, "only one class: the threshold was not chosen but is 0.5")
    gain = np.array(curve.tpr) - np.array(curve.fpr)
    best = int(np.flatnonzero(gain >= gain.max() - 1e-12)[-1])
    at = curve.thresholds[best]
    if at is None or gain[best] <= 1e-12:
        return OperatingPoint(0.5, *_rates(truth, said >= 0.5), "no threshold is better than chance; 0.5 was taken")
    threshold = (at + said[said < at].max()) / 2  # there is one below: with none, nothing would be gained
    return OperatingPoint(float(threshold), *_rates(truth, said >= threshold))


@dataclass(frozen=True)
class _Options:
    confidence: float
    resamples: int
    seed: int
    method: str

    def bootstrap(
        self, statistic: Callable[..., float], *columns: npt.NDArray[Any], groups: npt.NDArray[np.int64] | None = None
    ) -> Interval:
        return bootstrap(statistic, *columns, groups=groups, seed=self.seed, resamples=self.resamples, confidence=self.confidence)


def _checked(labels: npt.ArrayLike, scores: npt.ArrayLike, patients: Sequence[Hashable] | None) -> tuple[npt.NDArray[np.int64], Floats]:
    truth, said = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != said.shape:
        raise BadData(f"labels of shape {truth.shape} and scores of shape {said.shape} do not belong together", field="scores")
    if patients is not None and len(patients) != len(truth):
        raise BadData(f"there are {len(patients)} patient ids for {len(truth)} cases", field="patients")
    if not np.isin(truth, (0, 1)).all():
        raise BadData("a label is neither 0 nor 1", field="labels")
    wrong = int((~((said >= 0) & (said <= 1))).sum())  # counts NaN too
    if wrong:
        raise BadData(f"{wrong} of {len(said)} scores are not probabilities from 0 to 1", field="scores")
    return truth.astype(np.int64), said


def _numbered(patients: Sequence[Hashable]) -> npt.NDArray[np.int64]:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(patient, len(numbers)) for patient in patients], dtype=np.int64)


def _cells(truth: npt.NDArray[np.int64], called: npt.NDArray[np.bool_]) -> Floats:
    """One row a case with a 1 in its cell of the confusion matrix, shape (n, 4)."""
    return np.eye(4)[truth * 2 + called]


def _by_group(rows: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """The sum of the rows of each group, shape (groups, columns)."""
    summed = np.zeros((int(groups.max()) + 1, rows.shape[1]))
    np.add.at(summed, groups, rows)
    return summed


def _proportion(name: str, cells: Floats, rows: Floats, options: _Options, *, clustered: bool) -> Measure:
    above, below = (list(part) for part in _PROPORTIONS[name])
    k, n = int(cells[:, above].sum()), int(cells[:, below].sum())
    if n == 0:
        return Measure(Interval(None, None, None, 0, options.confidence, _UNDEFINED.get(name, "no cases")), "none")
    if not clustered:
        return Measure(wilson(k, n, options.confidence), "wilson")
    if k in (0, n):
        # Every resample says the same, which is no certainty: Wilson's interval, each patient counting once.
        patients = int((rows[:, below].sum(axis=1) > 0).sum())
        found = wilson(0 if k == 0 else patients, patients, options.confidence)
        return Measure(Interval(found.value, found.low, found.high, found.n, options.confidence, "all cases alike"), "wilson by patient")

    def share(drawn: Floats) -> float:
        total = drawn[:, below].sum()
        return float(drawn[:, above].sum() / total) if total else math.nan

    return Measure(options.bootstrap(share, rows), options.method)


def _f1_measure(cells: Floats, rows: Floats, options: _Options) -> Measure:
    """F1 by bootstrap; when every resample says the same, which is no certainty, by Wilson's interval.

    TP / (TP + FP + FN) is a proportion J of the cases that were called or are positive, and F1 = 2J / (1 + J) grows
    with it, so the bounds of J give those of F1.
    """
    found = options.bootstrap(_f1, rows)
    table = cells.sum(axis=0)
    hits, involved = int(table[_TP]), int(table[_TP] + table[_FP] + table[_FN])
    if found.low is None or found.low != found.high or not involved:
        return Measure(found, options.method)
    share = wilson(hits, involved, options.confidence)
    low, high = (None if bound is None else 2 * bound / (1 + bound) for bound in (share.low, share.high))
    return Measure(Interval(found.value, low, high, found.n, options.confidence, found.note), "wilson")


def _f1(rows: Floats) -> float:
    _, fp, fn, tp = rows.sum(axis=0)
    return float(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn else math.nan


def _brier(truth: npt.NDArray[np.int64], said: Floats, groups: npt.NDArray[np.int64] | None, options: _Options) -> Measure:
    """Mean squared error of the probabilities (Brier 1950); resampled as sums by patient when there are groups."""
    errors = np.column_stack([(truth - said) ** 2, np.ones(len(truth))])
    rows = errors if groups is None else _by_group(errors, groups)
    return Measure(options.bootstrap(lambda drawn: float(drawn[:, 0].sum() / drawn[:, 1].sum()), rows), options.method)


def _rates(truth: npt.NDArray[np.int64], called: npt.NDArray[np.bool_]) -> tuple[float | None, float | None]:
    tn, fp, fn, tp = _cells(truth, called).sum(axis=0)
    return (float(tp / (tp + fn)) if tp + fn else None), (float(tn / (tn + fp)) if tn + fp else None)


def _notes(truth: npt.NDArray[np.int64], *, clustered: bool, known: bool) -> list[str]:
    found = []
    if len(np.unique(truth)) < 2:
        found.append("no cases" if len(truth) == 0 else "only one class occurs, so ranking cannot be judged")
    if not known:
        found.append("patients are not known: every photograph counts as independent")
    elif clustered:
        found.append("DeLong's interval of the AUC counts every photograph as independent; see the AUC by patient")
    return found
