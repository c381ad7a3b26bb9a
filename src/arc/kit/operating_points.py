"""Operating points: the thresholds of a classifier, chosen on validation cases and stored with the model.

A threshold lies midway between the last score that is called positive and the next, so that it does not hang on one case.
Choose it on validation cases, never on those it is judged by: on the judged cases it flatters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from arc.kit.metrics_weighted import CALLS, Cases, Floats, calls
from arc.stats import roc_points


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


def choose_threshold(labels: npt.ArrayLike, scores: npt.ArrayLike) -> OperatingPoint:
    """The threshold with the largest sensitivity + specificity − 1 (Youden, Cancer 3 (1950)); of equals the more sensitive.

    0.5 with a note when no threshold beats chance. BadData for what are no labels and probabilities.
    """
    cases = Cases.of(labels, scores)
    curve = roc_points(cases.truth, cases.said)
    if not curve.thresholds:
        return OperatingPoint(0.5, None, None, "only one class: the threshold was not chosen but is 0.5")
    gain = np.array(curve.tpr) - np.array(curve.fpr)
    best = int(np.flatnonzero(gain >= gain.max() - 1e-12)[-1])
    at = curve.thresholds[best]
    if at is None or gain[best] <= 1e-12:
        return _point(cases, 0.5, "no threshold is better than chance; 0.5 was taken")
    return _point(cases, _below(cases.said, at))


def threshold_at(labels: npt.ArrayLike, scores: npt.ArrayLike, *, specificity: float) -> OperatingPoint:
    """The most sensitive threshold that keeps a specificity; 1 with a note where none does that calls anything positive.

    BadData for what are no labels and probabilities.
    """
    cases = Cases.of(labels, scores)
    if len(np.unique(cases.truth)) < 2:
        return OperatingPoint(0.5, None, None, "only one class: the threshold was not chosen but is 0.5")
    tried = np.unique(cases.said)
    kept = (cases.said[cases.truth == 0][:, None] < tried).mean(axis=0) >= specificity - 1e-12
    if not kept.any():
        return _point(cases, 1.0, f"nothing can be called positive at a specificity of {specificity:g}")
    return _point(cases, _below(cases.said, float(tried[kept].min())))


def _below(said: Floats, threshold: float) -> float:
    """Midway between a score and the next lower one, or 0 where there is none."""
    lower = said[said < threshold]
    return (threshold + (float(lower.max()) if len(lower) else 0.0)) / 2


def _point(cases: Cases, threshold: float, note: str = "") -> OperatingPoint:
    found: Sequence[float] = calls(cases, threshold)(np.ones((1, len(cases))))[0].tolist()
    rates = dict(zip(CALLS, found, strict=True))
    sensitivity, specificity = (None if np.isnan(rates[name]) else rates[name] for name in ("sensitivity", "specificity"))
    return OperatingPoint(threshold, sensitivity, specificity, note)
