"""ROC analysis: the area under the curve, its DeLong interval, and the points of the curve.

Labels are 0 or 1, scores are finite and higher for 1. `delong` finds the placement values of DeLong,
DeLong & Clarke-Pearson (Biometrics 44, 1988) by midranks in O(N log N), as Sun & Xu (IEEE Signal Processing
Letters 21, 2014) do. With one class only there is no area: `auc` is NaN and the interval says so.

Not covered: several images of one patient are taken as independent; `bootstrap` with groups does better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arc.core.errors import BadData
from arc.stats.intervals import Interval, quantile, wilson

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class RocPoints:
    """The corners of the curve from (0, 0) to (1, 1); `thresholds[i]` is the least score called positive, None for nothing."""

    fpr: list[float]
    tpr: list[float]
    thresholds: list[float | None]


def checked(labels: ArrayLike | Sequence[int], scores: ArrayLike | Sequence[float]) -> tuple[Bools, Floats]:
    """Labels as booleans and scores as floats, both of shape (n,); BadData when they are not what this file is about."""
    truth, score = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != score.shape:
        raise BadData(f"labels {truth.shape} and scores {score.shape} are not two lists of one length", field="scores")
    if not np.isin(truth, (0, 1)).all():
        raise BadData("a label is neither 0 nor 1", field="labels")
    if not np.isfinite(score).all():
        raise BadData("a score is not a finite number", field="scores")
    return truth.astype(bool), score


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of their ranks. Shape (n,) to (n,)."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: Floats = (last - (count - 1) / 2)[inverse]
    return shared


def auc(labels: ArrayLike | Sequence[int], scores: ArrayLike | Sequence[float]) -> float:
    """Chance that a positive scores higher than a negative, ties counting half; NaN when there is one class only."""
    truth, score = checked(labels, scores)
    m, n = int(truth.sum()), int((~truth).sum())
    if m == 0 or n == 0:
        return math.nan
    return float((midranks(score)[truth].sum() - m * (m + 1) / 2) / (m * n))


def delong(labels: ArrayLike | Sequence[int], scores: ArrayLike | Sequence[float], confidence: float = 0.95) -> Interval:
    """AUC with its DeLong interval (normal, cut at 0 and 1).

    Needs two cases of each class. Where the classes are fully apart the variance is estimated as 0, which no sample
    proves: then the bound is Wilson's for as many cases as the smaller class has, and the note says so.
    """
    truth, score = checked(labels, scores)
    z, m, n = quantile(confidence), int(truth.sum()), int((~truth).sum())
    if m == 0 or n == 0:
        return Interval(None, None, None, m + n, confidence, "one class only: there is no AUC")
    positives, negatives = _placements(truth, score)
    area = float(positives.mean())
    if m < 2 or n < 2:
        return Interval(area, None, None, m + n, confidence, "fewer than two cases of a class: no interval")
    variance = float(positives.var(ddof=1) / m + negatives.var(ddof=1) / n)
    if variance <= 0 or area in (0.0, 1.0):
        bound = wilson(round(area * min(m, n)), min(m, n), confidence)
        note = "DeLong variance is 0: Wilson bound for the smaller class"
        return Interval(area, bound.low, bound.high, m + n, confidence, note)
    half = z * math.sqrt(variance)
    return Interval(area, max(0.0, area - half), min(1.0, area + half), m + n, confidence)


def _placements(truth: Bools, score: Floats) -> tuple[Floats, Floats]:
    """For each positive the share of negatives below it, for each negative the share of positives above it."""
    m, n = int(truth.sum()), int((~truth).sum())
    ranks = midranks(score)
    positives: Floats = (ranks[truth] - midranks(score[truth])) / n
    negatives: Floats = 1 - (ranks[~truth] - midranks(score[~truth])) / m
    return positives, negatives


def roc_points(labels: ArrayLike | Sequence[int], scores: ArrayLike | Sequence[float]) -> RocPoints:
    """The corners of the ROC curve; points in the middle of a straight piece are left out. Empty when there is one class only."""
    truth, score = checked(labels, scores)
    m, n = int(truth.sum()), int((~truth).sum())
    if m == 0 or n == 0:
        return RocPoints([], [], [])
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits = np.concatenate([[0], np.cumsum(truth[order])[ends]])
    alarms = np.concatenate([[0], (ends + 1) - hits[1:]])
    turns = np.diff(hits[:-1]) * np.diff(alarms[1:]) != np.diff(hits[1:]) * np.diff(alarms[:-1])
    kept = np.concatenate([[True], turns, [True]])
    limits: list[float | None] = [None, *score[order][ends].tolist()]
    thresholds = [limit for limit, keep in zip(limits, kept.tolist(), strict=True) if keep]
    return RocPoints((alarms[kept] / n).tolist(), (hits[kept] / m).tolist(), thresholds)
