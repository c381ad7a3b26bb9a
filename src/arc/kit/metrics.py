"""How good a binary classifier is, each number with its interval, all of it fit for JSON.

Two photographs of one patient are not two independent observations. Where patient ids are given and a patient
has several photographs, every number is resampled by patient; else shares have Wilson's interval and the rest is resampled
by photograph. The AUC has DeLong's interval, which knows no patients, and beside it one by patient. All numbers share their
draws (`arc.stats.resampled`). The interval is BCa but for two: the sensitivity at a specificity, which is no smooth function of
the cases, has percentiles, and the calibration error, which is biased upwards and its draws more so, its own (`_calibration`).

The sensitivity at a specificity is read off the curve of the judged cases, with the choice drawn anew each time. What a
threshold that was chosen elsewhere gives stands under `points`: that one is the promise, the other the ability.

What cannot be computed (one class only, no positive call) is None with a note, not an exception; scores that are no
probabilities are BadData, because no number about them would mean anything.

Not covered: more than two classes; intervals of the decision curve that hold for all thresholds at once.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from arc.core.errors import BadData
from arc.kit import metrics_weighted as weighted
from arc.kit.metrics_weighted import CALLS, FN, FP, PROBABILITY, RANKING, SPECIFICITIES, TN, TP, Cases
from arc.stats import CalibrationBin, Interval, Resampled, RocPoints, calibration_bins, delong, resample, roc_points, wilson
from arc.stats.bootstrap import Method
from arc.stats.resampled import Statistics

# name -> the cells counted above and below the line of a proportion
_PROPORTIONS: Final = {
    "accuracy": ((TN, TP), (TN, FP, FN, TP)),
    "sensitivity": ((TP,), (TP, FN)),
    "specificity": ((TN,), (TN, FP)),
    "precision": ((TP,), (TP, FP)),
}
_UNDEFINED: Final = {"sensitivity": "no positives", "specificity": "no negatives", "precision": "nothing is called positive"}
_POINT: Final = ("sensitivity", "specificity")  # what is measured at a threshold beside the main one
_OFF_THE_CURVE: Final = "read off the curve of the judged cases"


@dataclass(frozen=True)
class Measure:
    """One number, its interval, and how that was found."""

    interval: Interval
    method: str  # wilson, bootstrap, each perhaps by patient; delong, none

    def as_dict(self) -> dict[str, Any]:
        """value, low, high, n, confidence, note, method."""
        return self.interval.as_dict() | {"method": self.method}


@dataclass(frozen=True)
class NetBenefit:
    """A point of the decision curve: calling positive from a threshold on, beside calling everyone positive."""

    threshold: float
    model: Measure
    everyone: float | None  # of calling no one positive it is 0

    def as_dict(self) -> dict[str, Any]:
        """threshold, everyone, and the interval of the model."""
        return {"threshold": self.threshold, "everyone": self.everyone, **self.model.as_dict()}


@dataclass(frozen=True)
class BinaryMetrics:
    """All that is measured of a classifier on one set of cases."""

    threshold: float
    confidence: float
    n: int
    positives: int
    patients: int | None  # None when patients are not known
    measures: dict[str, Measure]  # auc, auc_by_patient (when several photographs), accuracy, ..., brier, calibration_error, those of points
    confusion: list[list[int]]  # [[tn, fp], [fn, tp]]: a row a true class
    roc: RocPoints
    calibration: list[CalibrationBin]
    decision: list[NetBenefit]
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
            "decision_curve": [each.as_dict() for each in self.decision],
            "notes": self.notes,
        }


def measure_binary(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    points: Mapping[str, float] | None = None,
    benefit_at: Sequence[float] = (),
    patients: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    bins: int = 10,
    seed: int = 0,
) -> BinaryMetrics:
    """Judge probabilities of the positive class, shape (n,), against labels 0 or 1, shape (n,).

    A case is called positive from the threshold on. Each further threshold in `points` gives the measures
    `sensitivity_at_NAME` and `specificity_at_NAME`; `benefit_at` are the threshold probabilities of the decision curve, within (0, 1).
    `patients` are n ids of any kind. Equal arguments give equal numbers. BadData when shapes differ, a label is not 0 or 1
    or a score is not a probability.
    """
    cases = Cases.of(labels, scores)
    groups, many = _groups(cases, patients)
    judged = _Judged(cases, groups, confidence)
    parts: list[tuple[Sequence[str], Statistics]] = [(RANKING, weighted.ranking(cases)), (PROBABILITY, weighted.probability(cases, bins))]
    parts.append(([f"net benefit at {at}" for at in benefit_at], weighted.net_benefit(cases, benefit_at)))
    thresholds = {"": threshold} | {f"_at_{name}": at for name, at in (points or {}).items()}
    parts += [([name + suffix for name in CALLS], weighted.calls(cases, at)) for suffix, at in thresholds.items()]
    judged.draw(parts, resamples=resamples, seed=seed)
    return BinaryMetrics(
        threshold=threshold,
        confidence=confidence,
        n=len(cases),
        positives=int(cases.truth.sum()),
        patients=many,
        measures=_measures(judged, threshold, points or {}, bins),
        confusion=cases.cells(threshold).sum(axis=0).astype(int).reshape(2, 2).tolist(),
        roc=roc_points(cases.truth, cases.said),
        calibration=calibration_bins(cases.truth, cases.said, bins=bins, confidence=confidence),
        decision=_decision(judged, benefit_at),
        notes=_notes(cases, clustered=groups is not None, known=many is not None),
    )


def measure_probabilities(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    patients: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    bins: int = 10,
    seed: int = 0,
) -> dict[str, Measure]:
    """Brier score, log loss and calibration error alone; arguments and errors as `measure_binary`."""
    cases = Cases.of(labels, scores)
    judged = _Judged(cases, _groups(cases, patients)[0], confidence)
    judged.draw([(PROBABILITY, weighted.probability(cases, bins))], resamples=resamples, seed=seed)
    return {"brier": judged.drawn("brier"), "log_loss": judged.drawn("log_loss"), "calibration_error": _calibration(judged, bins)}


class _Judged:
    """The cases with the draws of every number that is asked of them."""

    def __init__(self, cases: Cases, groups: npt.NDArray[np.int64] | None, confidence: float) -> None:
        self.cases, self.groups, self.confidence = cases, groups, confidence
        self.suffix = "" if groups is None else " by patient"
        self.columns: list[str] = []
        self.found: Resampled | None = None

    def draw(self, parts: Sequence[tuple[Sequence[str], Statistics]], *, resamples: int, seed: int) -> None:
        """Draw the cases once for the named columns of all parts."""
        self.columns = [name for names, _ in parts for name in names]
        if len(self.cases):
            statistics = weighted.together(*(part for _, part in parts))
            self.found = resample(statistics, len(self.cases), groups=self.groups, resamples=resamples, seed=seed)

    def drawn(self, name: str, method: Method = "bca", note: str = "") -> Measure:
        """A number by its draws; without bounds where every draw says the same, because that is no certainty."""
        if self.found is None:
            return self._none(None, 0, "no cases")
        found = self.found.interval(self.columns.index(name), confidence=self.confidence, method=method)
        if found.low is None or found.low == found.high:
            return self._none(found.value, found.n, found.note if found.low is None else "every draw says the same: no interval")
        notes = "; ".join(each for each in (note, found.note) if each)
        return Measure(Interval(found.value, found.low, found.high, found.n, self.confidence, notes), "bootstrap" + self.suffix)

    def proportion(self, name: str, threshold: float, suffix: str = "") -> Measure:
        """A share: Wilson's interval, or by patient where a patient has several photographs."""
        cells = self.cases.cells(threshold)
        above, below = (list(part) for part in _PROPORTIONS[name])
        k, n = int(cells[:, above].sum()), int(cells[:, below].sum())
        if n == 0:
            return self._none(None, 0, _UNDEFINED.get(name, "no cases"))
        if self.groups is None or k in (0, n):
            return self._wilson(k, n, cells[:, below].sum(axis=1) > 0)
        return self.drawn(name + suffix)

    def area(self) -> Measure:
        """The AUC by patient; where the classes are fully apart, Wilson's bound for the patients of the smaller class."""
        found, truth = self.drawn("auc"), self.cases.truth
        if self.groups is None or found.interval.low is not None or found.interval.value not in (0.0, 1.0):
            return found
        few = min(len(np.unique(self.groups[truth == label])) for label in (0, 1))
        bound = wilson(round(found.interval.value * few), few, self.confidence)
        return Measure(replace(bound, n=len(truth), note="classes fully apart: bound for the smaller class"), "wilson by patient")

    def at_specificity(self, name: str) -> Measure:
        """The sensitivity at a specificity, read off the curve; by Wilson where it is the same in every draw."""
        found = self.drawn(name, "percentile", _OFF_THE_CURVE)
        value, positives = found.interval.value, self.cases.truth == 1
        if value is None or found.interval.low is not None:
            return found
        return self._wilson(round(value * int(positives.sum())), int(positives.sum()), positives, _OFF_THE_CURVE)

    def _wilson(self, k: int, n: int, involved: npt.NDArray[np.bool_], note: str = "") -> Measure:
        """Wilson's interval; of patients, where all their cases are alike, each patient counts once."""
        if self.groups is not None and k in (0, n):
            patients = len(np.unique(self.groups[involved]))
            found, note = wilson(0 if k == 0 else patients, patients, self.confidence), "; ".join(filter(None, (note, "all cases alike")))
        else:
            found = wilson(k, n, self.confidence)
        return Measure(Interval(found.value, found.low, found.high, found.n, self.confidence, note), "wilson" + self.suffix)

    def _none(self, value: float | None, n: int, note: str) -> Measure:
        return Measure(Interval(value, None, None, n, self.confidence, note), "none")


def _measures(judged: _Judged, threshold: float, points: Mapping[str, float], bins: int) -> dict[str, Measure]:
    found = {"auc": Measure(delong(judged.cases.truth, judged.cases.said, judged.confidence), "delong")}
    if judged.groups is not None:
        found["auc_by_patient"] = judged.area()
    found |= {name: judged.proportion(name, threshold) for name in _PROPORTIONS}
    found["recall"] = found["sensitivity"]
    found["f1"] = _f1_measure(judged, threshold)
    found |= {name: judged.drawn(name) for name in ("balanced_accuracy", "average_precision", "brier", "log_loss")}
    found["calibration_error"] = _calibration(judged, bins)
    found |= {name: judged.at_specificity(name) for name in SPECIFICITIES}
    for name, at in points.items():
        found |= {f"{each}_at_{name}": judged.proportion(each, at, f"_at_{name}") for each in _POINT}
    return found


def _f1_measure(judged: _Judged, threshold: float) -> Measure:
    """F1 by its draws; when every draw says the same, which is no certainty, by Wilson's interval.

    TP / (TP + FP + FN) is a proportion J of the cases that were called or are positive, and F1 = 2J / (1 + J) grows
    with it, so the bounds of J give those of F1.
    """
    found = judged.drawn("f1")
    table = judged.cases.cells(threshold).sum(axis=0)
    hits, involved = int(table[TP]), int(table[TP] + table[FP] + table[FN])
    if found.interval.low is not None or not involved:
        return found
    share = wilson(hits, involved, judged.confidence)
    low, high = (None if bound is None else 2 * bound / (1 + bound) for bound in (share.low, share.high))
    return Measure(Interval(found.interval.value, low, high, len(judged.cases), judged.confidence), "wilson")


def _calibration(judged: _Judged, bins: int) -> Measure:
    """The calibration error: the upper bound reflected; for the lower the quantile of the summed deviations of the gaps, by which the
    error can differ from the true one at most, is taken off. So 0 lies within for a model that is right about how sure it is."""
    found = judged.drawn("calibration_error", "basic", f"{bins} bins; biased upwards for few cases")
    if found.interval.low is None or judged.found is None:
        return found
    deviations = judged.found.draws[:, judged.columns.index("calibration_deviation")]
    low = float(found.interval.value or 0.0) - float(np.quantile(deviations, (1 + judged.confidence) / 2))
    return Measure(replace(found.interval, low=max(0.0, low)), found.method)


def _decision(judged: _Judged, benefit_at: Sequence[float]) -> list[NetBenefit]:
    share = float(judged.cases.truth.mean()) if len(judged.cases) else np.nan
    everyone = [None if np.isnan(share) else share - (1 - share) * at / (1 - at) for at in benefit_at]
    return [NetBenefit(at, judged.drawn(f"net benefit at {at}"), value) for at, value in zip(benefit_at, everyone, strict=True)]


def _groups(cases: Cases, patients: Sequence[Hashable] | None) -> tuple[npt.NDArray[np.int64] | None, int | None]:
    """The number of each case's patient, None where each has one case or none are known; and how many patients there are."""
    if patients is None:
        return None, None
    if len(patients) != len(cases):
        raise BadData(f"there are {len(patients)} patient ids for {len(cases)} cases", field="patients")
    numbers: dict[Hashable, int] = {}
    groups = np.array([numbers.setdefault(patient, len(numbers)) for patient in patients], dtype=np.int64)
    return (groups if len(numbers) < len(cases) else None), len(numbers)


def _notes(cases: Cases, *, clustered: bool, known: bool) -> list[str]:
    found = []
    if len(np.unique(cases.truth)) < 2:
        found.append("no cases" if len(cases) == 0 else "only one class occurs, so ranking cannot be judged")
    if not known:
        found.append("patients are not known: every photograph counts as independent")
    elif clustered:
        found.append("DeLong's interval of the AUC counts every photograph as independent; see the AUC by patient")
    return found
