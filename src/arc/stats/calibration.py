"""Calibration: whether a probability of 70 % comes true in 70 % of the cases.

Bins of equal width (a reader can check them by hand) or of equal count (no bin is empty); each observed share
carries its Wilson interval, because a bin holds few cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from arc.core.errors import BadData, InvalidSpec
from arc.stats.intervals import Interval, wilson
from arc.stats.roc import Floats, checked


@dataclass(frozen=True)
class CalibrationBin:
    """The cases whose probability is in [low, high); the last bin holds `high` too."""

    low: float
    high: float
    predicted: float | None  # mean probability; None in an empty bin
    observed: Interval  # share of positives


def calibration_bins(
    labels: ArrayLike | Sequence[int],
    probabilities: ArrayLike | Sequence[float],
    *,
    bins: int = 10,
    by: Literal["width", "count"] = "width",
    confidence: float = 0.95,
) -> list[CalibrationBin]:
    """Mean probability against observed share in each bin, lowest first; BadData when one is not within [0, 1]."""
    truth, probability = _probabilities(labels, probabilities)
    if not 1 <= bins <= 1000:
        raise InvalidSpec(f"{bins} bins are not between 1 and 1000", field="bins", value=bins)
    edges = _edges(probability, bins, by)
    place = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(place, minlength=len(edges) - 1).tolist()
    hits = np.bincount(place[truth], minlength=len(edges) - 1).tolist()
    total = np.bincount(place, weights=probability, minlength=len(edges) - 1).tolist()
    return [
        CalibrationBin(
            float(edges[i]), float(edges[i + 1]), total[i] / count[i] if count[i] else None, wilson(hits[i], count[i], confidence)
        )
        for i in range(len(edges) - 1)
    ]


def _edges(probability: Floats, bins: int, by: Literal["width", "count"]) -> Floats:
    if by == "width" or not len(probability):
        return np.linspace(0, 1, bins + 1)
    inner = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """Expected calibration error: the mean gap between predicted and observed, weighted by cases; None without cases."""
    filled = [(abs(b.predicted - b.observed.value), b.observed.n) for b in bins if b.predicted is not None and b.observed.value is not None]
    cases = sum(n for _, n in filled)
    return sum(gap * n for gap, n in filled) / cases if cases else None


def brier(labels: ArrayLike | Sequence[int], probabilities: ArrayLike | Sequence[float]) -> float | None:
    """Mean squared distance of probability and truth (Brier 1950); lower is better, None without cases."""
    truth, probability = _probabilities(labels, probabilities)
    return float(np.mean((probability - truth) ** 2)) if len(truth) else None


def _probabilities(labels: ArrayLike | Sequence[int], probabilities: ArrayLike | Sequence[float]) -> tuple[np.ndarray, Floats]:
    truth, probability = checked(labels, probabilities)
    if len(probability) and not (probability.min() >= 0 and probability.max() <= 1):
        raise BadData("a probability is not between 0 and 1", field="probabilities")
    return truth, probability
