"""Bootstrap: an interval for any statistic, by drawing the cases again.

Images of one patient are not independent, so with `groups` whole patients are drawn, which makes the interval
as wide as the patients allow. BCa (bias-corrected and accelerated; Efron, JASA 82, 1987) corrects for bias and skew;
where it cannot be found the percentile interval is given, and the note says so.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from arc.core.errors import BadData, InvalidSpec
from arc.stats.intervals import Interval, quantile
from arc.stats.roc import Floats

_NORMAL = NormalDist()
Method = Literal["bca", "percentile", "basic"]


def bootstrap(
    statistic: Callable[..., float],
    *columns: ArrayLike,
    groups: ArrayLike | Sequence[str] | None = None,
    method: Method = "bca",
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of `statistic(*columns)`; each column has shape (n, …), rows being cases.

    `groups` (shape (n,)) names the patient of each case. A draw where the statistic is NaN (one class only) is drawn
    no further and counted in the note; with fewer than two groups, or mostly such draws, there is no interval.
    """
    quantile(confidence)
    if not 10 <= resamples <= 1_000_000:
        raise InvalidSpec(f"{resamples} resamples are not between 10 and 1000000", field="resamples", value=resamples)
    arrays = [np.asarray(column) for column in columns]
    members = _members(arrays, groups)
    n = len(arrays[0])
    value = float(statistic(*arrays)) if n else math.nan
    if not math.isfinite(value):
        return Interval(None, None, None, n, confidence, "the statistic is not defined here")
    if len(members) < 2:
        return Interval(value, None, None, n, confidence, "fewer than two groups: no interval")
    draws = _draws(statistic, arrays, members, resamples, seed)
    left_out = _jackknife(statistic, arrays, members) if method == "bca" else draws[:0]
    return interval(value, draws, left_out, of=resamples, n=n, confidence=confidence, method=method)


def interval(value: float, draws: Floats, left_out: Floats, *, of: int, n: int, confidence: float, method: Method) -> Interval:
    """The interval of a value from its finite draws (of so many that were asked for) and the values without each group in turn.

    `basic` reflects the draws at the value (Davison & Hinkley, Bootstrap Methods, 1997, 5.2.1): for what is biased, and its draws
    more so, such as a distance that is never below zero; its upper bound is at least the value.
    """
    if len(draws) < of / 2:
        return Interval(value, None, None, n, confidence, f"defined in {len(draws)} of {of} draws only: no interval")
    notes = [] if len(draws) == of else [f"{of - len(draws)} of {of} draws were not defined"]
    tails = ((1 - confidence) / 2, (1 + confidence) / 2)
    corrected = _bca_tails(value, draws, left_out, tails) if method == "bca" else tails
    if corrected is None:
        notes.append("percentile interval: BCa is not defined here")
    low, high = np.quantile(draws, corrected or tails).tolist()
    if method == "basic":
        low, high = 2 * value - high, max(value, 2 * value - low)
    return Interval(value, low, high, n, confidence, "; ".join(notes))


def _members(arrays: list[np.ndarray], groups: ArrayLike | Sequence[str] | None) -> list[np.ndarray]:
    """Row numbers of each group; BadData when the lengths differ."""
    if not arrays or any(array.ndim == 0 or len(array) != len(arrays[0]) for array in arrays):
        raise BadData("the columns are not lists of one length", field="columns")
    if groups is None:
        return [np.array([i]) for i in range(len(arrays[0]))]
    names = np.asarray(groups)
    if names.shape != (len(arrays[0]),):
        raise BadData(f"groups {names.shape} does not name a group for each of {len(arrays[0])} cases", field="groups")
    _, inverse, count = np.unique(names, return_inverse=True, return_counts=True)
    return np.split(np.argsort(inverse, kind="stable"), np.cumsum(count)[:-1])


def _draws(statistic: Callable[..., float], arrays: list[np.ndarray], members: list[np.ndarray], resamples: int, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        rows = np.concatenate([members[j] for j in random.integers(0, len(members), len(members))])
        values[i] = statistic(*[array[rows] for array in arrays])
    found: Floats = values[np.isfinite(values)]
    return found


def _jackknife(statistic: Callable[..., float], arrays: list[np.ndarray], members: list[np.ndarray]) -> Floats:
    """The statistic without each group in turn."""
    n = len(arrays[0])
    return np.array([statistic(*[np.delete(array, rows, axis=0) for array in arrays]) if len(rows) < n else math.nan for rows in members])


def _bca_tails(value: float, draws: Floats, left_out: Floats, tails: tuple[float, float]) -> tuple[float, float] | None:
    """Where to cut the draws; None when bias or acceleration cannot be found."""
    below = (np.count_nonzero(draws < value) + np.count_nonzero(draws == value) / 2) / len(draws)
    left_out = left_out[np.isfinite(left_out)]
    if not 0 < below < 1 or len(left_out) < 2:
        return None
    away = left_out.mean() - left_out
    scale = float(np.sum(away**2)) ** 1.5
    if scale == 0:
        return None
    bias, acceleration = _NORMAL.inv_cdf(float(below)), float(np.sum(away**3)) / (6 * scale)
    moved = []
    for tail in tails:
        z = bias + _NORMAL.inv_cdf(tail)
        stretch = 1 - acceleration * z
        if stretch <= 0:
            return None
        moved.append(_NORMAL.cdf(bias + z / stretch))
    return moved[0], moved[1]
