"""Drift: how far two samples are apart, with what chance alone does to two samples of these sizes taken off.

`ks` is the largest difference of the two distribution functions, `psi` the population stability index over deciles of the
reference; `arc.stats.mmd` compares vectors. Photographs of one patient are not independent, so with groups whole patients
are drawn again.

Many features are looked at together (`ks_all`, `psi_all`), and one of thirteen is far off by chance soon. Their intervals hold
for all features at once: the deviation that bounds each is the largest over all features in a draw (the single-step
max-statistic of Westfall & Young, Resampling-Based Multiple Testing, 1993), which knows that features go together, as Bonferroni
and Holm do not. So "some lower bound is above zero" happens by chance in at most 1 - confidence of all comparisons.

Not covered: pairs. A patient who is in both samples counts as two patients, which makes the intervals wider than need be.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arc.core.errors import BadData, InvalidSpec
from arc.stats.intervals import Interval, quantile
from arc.stats.roc import Floats

LEAST_GROUPS: Final = 10  # patients on either side below which no interval is given
BINS: Final = 10  # of the population stability index
_AT_ONCE: Final = 4_000_000  # weights held at once, in numbers
_ROUNDING: Final = 1e-12  # of sums of shares: equal deviations count as equal
TOO_FEW: Final = f"fewer than {LEAST_GROUPS} patients on one side: not enough for an interval"

Groups = ArrayLike | Sequence[str] | None
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tested:
    """A distance with its interval, and how often chance alone gives one as large."""

    interval: Interval
    p: float | None  # adjusted for all features that were looked at together; None where there is no interval


def ks(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    reference_groups: Groups = None,
    current_groups: Groups = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Two-sample Kolmogorov-Smirnov statistic of samples (n,) and (m,), 0 to 1: the largest difference of their distribution functions.

    The interval is D -+ c, cut to 0 and 1, where c is the quantile of sup |(F* - G*) - (F - G)| over bootstrap draws F*, G* of
    groups: the band of Præstgaard, Scand. J. Stat. 22, 1995. Its lower bound is above 0 exactly when the bootstrap test
    rejects that both samples come from one distribution. BadData unless both hold finite numbers.
    """
    (found,) = ks_all(
        _column(reference), _column(current), reference_groups=reference_groups, current_groups=current_groups,
        confidence=confidence, resamples=resamples, seed=seed,
    )  # fmt: skip
    return found.interval


def ks_all(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    reference_groups: Groups = None,
    current_groups: Groups = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Tested]:
    """`ks` of every column of (n, features) and (m, features), intervals and p for all features at once.

    p is (1 + draws whose largest deviation of all features reaches D) / (1 + draws), and at most 1 - confidence exactly
    where the lower bound is above 0.
    """
    check_draws(resamples, confidence, field="resamples")
    old, new = samples(reference, current)
    sides = numbered(reference_groups, len(old)), numbered(current_groups, len(new))
    steps = [_Steps.of(a, b) for a, b in zip(old.T, new.T, strict=True)]
    values = [float(np.abs(step.difference).max()) for step in steps]
    n = len(old) + len(new)
    if few(sides):
        return [Tested(Interval(value, None, None, n, confidence, TOO_FEW), None) for value in values]
    most = np.concatenate([np.max([step.deviations(*weights) for step in steps], axis=0) for weights in _draws(sides, resamples, seed)])
    most += _ROUNDING
    reach = float(np.sort(most)[math.ceil(confidence * (resamples + 1) - 1e-9) - 1])
    return [
        Tested(
            Interval(value, max(0.0, value - reach), min(1.0, value + reach), n, confidence),
            float((1 + np.count_nonzero(most >= value)) / (1 + resamples)),
        )
        for value in values
    ]


def psi(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    reference_groups: Groups = None,
    current_groups: Groups = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Population stability index of samples (n,) and (m,) over deciles of the reference, 0 and up.

    The value is that of `psi_of`. Even two samples of one population have one: about (bins - 1)(1/n + 1/m) (Yurdakul & Naranjo, J. Risk
    Model Validation 14, 2020), 0.18 for 100 and 100. The bounds leave that out: they are of the populations, sqrt(PSI) less the
    quantiles of what bootstrap draws of groups add to it (Davison & Hinkley, Bootstrap Methods, 1997, 5.2.1; the root because the
    spread grows with the index), and the upper one is at least the value. BadData unless both hold finite numbers.
    """
    (found,) = psi_all(
        _column(reference), _column(current), reference_groups=reference_groups, current_groups=current_groups,
        confidence=confidence, resamples=resamples, seed=seed,
    )  # fmt: skip
    return found


def psi_all(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    reference_groups: Groups = None,
    current_groups: Groups = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Interval]:
    """`psi` of every column of (n, features) and (m, features), with bounds for all features at once."""
    check_draws(resamples, confidence, field="resamples")
    old, new = samples(reference, current)
    sides = numbered(reference_groups, len(old)), numbered(current_groups, len(new))
    binned = [_binned(a, b) for a, b in zip(old.T, new.T, strict=True)]
    values = np.array([psi_of(a.sum(axis=0), b.sum(axis=0)) for a, b in binned])
    n = len(old) + len(new)
    if few(sides):
        return [Interval(float(value), None, None, n, confidence, TOO_FEW) for value in values]
    draws = np.concatenate([np.column_stack([_psi(w @ a, v @ b) for a, b in binned]) for w, v in _draws(sides, resamples, seed)])
    added = np.sqrt(draws) - np.sqrt(values)
    least, most = np.quantile(added.min(axis=1), (1 - confidence) / 2), np.quantile(added.max(axis=1), (1 + confidence) / 2)
    low, high = (np.maximum(0.0, np.sqrt(values) - by) ** 2 for by in (most, least))
    return [
        Interval(float(value), float(min(a, value)), float(max(b, value)), n, confidence)
        for value, a, b in zip(values, low, high, strict=True)
    ]


def psi_of(reference_counts: ArrayLike, current_counts: ArrayLike) -> float:
    """Population stability index of two rows of counts over the same bins: the sum of (q - p) ln(q / p) over their shares p and q.

    Source: Siddiqi, Credit Risk Scorecards, 2006; it is the divergence J of Kullback & Leibler, Ann. Math. Stat. 22, 1951. A
    bin that is empty on one side counts half a case there; one that is empty on both counts nothing. The same both ways.
    """
    p, q = np.asarray(reference_counts, np.float64), np.asarray(current_counts, np.float64)
    if p.ndim != 1 or p.shape != q.shape or min(p.min(initial=0), q.min(initial=0)) < 0 or p.sum() <= 0 or q.sum() <= 0:
        raise BadData("the counts are not two rows of one length with a case each", field="counts")
    return float(_psi(p[None], q[None])[0])


def decile_edges(reference: ArrayLike) -> Floats:
    """Where the bins of `psi` end, each bin with its upper end: the nine deciles of the reference.

    A value that holds a tenth or more of the reference has a bin of its own: sizes of photographs are often all the same.
    """
    values = np.asarray(reference, np.float64)
    deciles = np.quantile(values, np.linspace(0, 1, BINS + 1), method="inverted_cdf")
    often = deciles[1:][np.diff(deciles) == 0]
    edges: Floats = np.unique(np.concatenate([deciles[1:-1], often, np.nextafter(often, -np.inf)]))
    return edges


def check_draws(draws: int, confidence: float, *, field: str) -> None:
    """InvalidSpec when so few draws can never show anything with that confidence: 99 are needed for .99."""
    quantile(confidence)
    if draws + 1 < 1 / (1 - confidence) - 1e-6:
        least = math.ceil(1 / (1 - confidence) - 1e-6) - 1
        raise InvalidSpec(f"{draws} {field} are too few for a confidence of {confidence:g}: {least} are needed", field=field, value=draws)


# --- samples and draws --------------------------------------------------------------------------


def _column(values: ArrayLike) -> Floats:
    return np.asarray(values, np.float64).reshape(-1, 1) if np.ndim(values) == 1 else np.asarray(values, np.float64)


def samples(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """Both as (cases, features); BadData unless they are that, with finite numbers alone."""
    old, new = np.asarray(reference, np.float64), np.asarray(current, np.float64)
    if old.ndim != 2 or new.ndim != 2 or old.shape[1] != new.shape[1] or not old.size or not new.size:
        raise BadData(f"{old.shape} and {new.shape} are not two samples of the same features", field="current")
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        raise BadData("a sample holds a number that is not finite", field="current")
    return old, new


def numbered(groups: Groups, n: int) -> Ints:
    """The number of the group of each case, from 0; BadData when the lengths differ."""
    if groups is None:
        return np.arange(n)
    names = np.asarray(groups)
    if names.shape != (n,):
        raise BadData(f"groups {names.shape} does not name a group for each of {n} cases", field="groups")
    return np.unique(names, return_inverse=True)[1].astype(np.intp)


def few(sides: tuple[Ints, Ints]) -> bool:
    """Whether either side has fewer groups than LEAST_GROUPS."""
    return min(int(side.max()) + 1 for side in sides) < LEAST_GROUPS


def _draws(sides: tuple[Ints, Ints], resamples: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """How often each case is in each draw of groups, (draws, n) and (draws, m), some draws at a time."""
    random = np.random.default_rng(seed)
    each = max(1, _AT_ONCE // sum(len(side) for side in sides))
    for done in range(0, resamples, each):
        some = min(each, resamples - done)
        old, new = (_times(random, int(side.max()) + 1, some)[:, side] for side in sides)
        yield old, new


def _times(random: np.random.Generator, groups: int, draws: int) -> Floats:
    return random.multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)


# --- the statistics -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Steps:
    """The difference of two distribution functions, and how to find it again for weighted cases."""

    order: Ints  # of the cases of both samples by value
    ends: Ints  # the last place of each value in that order
    difference: Floats  # there

    @classmethod
    def of(cls, old: Floats, new: Floats) -> Self:
        values = np.concatenate([old, new])
        order = np.argsort(values, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(values[order]) > 0, True))
        steps = np.repeat([len(new), -len(old)], [len(old), len(new)])  # whole numbers: equal samples are exactly 0 apart
        return cls(order, ends, steps[order].cumsum()[ends] / (len(old) * len(new)))

    def deviations(self, old: Floats, new: Floats) -> Floats:
        """The largest change of the difference in each draw, from weights (draws, n) and (draws, m)."""
        steps = np.concatenate([old / old.sum(axis=1, keepdims=True), -new / new.sum(axis=1, keepdims=True)], axis=1)
        largest: Floats = np.abs(steps[:, self.order].cumsum(axis=1)[:, self.ends] - self.difference).max(axis=1)
        return largest


def _binned(old: Floats, new: Floats) -> tuple[Floats, Floats]:
    """1 where a case lies in a bin, (n, bins) and (m, bins)."""
    edges = decile_edges(old)
    bins = np.arange(len(edges) + 1)
    first, second = ((np.searchsorted(edges, side, side="left")[:, None] == bins).astype(np.float64) for side in (old, new))
    return first, second


def _psi(old: Floats, new: Floats) -> Floats:
    """The index of each row of counts, (draws, bins) both."""
    there = (old > 0) | (new > 0)
    p, q = (np.where(there, np.where(side > 0, side, 0.5), 1.0) / side.sum(axis=1, keepdims=True) for side in (old, new))
    index: Floats = np.where(there, (q - p) * np.log(q / p), 0.0).sum(axis=1)
    return index
