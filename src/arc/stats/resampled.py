"""Resampling many statistics at once: each draw is a row of weights, and says how often every case was drawn.

`bootstrap` calls a function of Python for each draw and each number. Here one function turns a block of weights into a block of
values, by products of matrices and running sums, so that all numbers of an evaluation share the draws and a thousand cases
take a fraction of a second. Photographs of one patient are drawn together. What BCa needs, each statistic without each
group, comes from the same function: a group that is left out weighs nothing.

The draws of a seed are the same whatever is computed from them; sums may differ in the last digit between machines.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from arc.core.errors import InvalidSpec
from arc.stats.bootstrap import Method, interval
from arc.stats.drift import Groups, Ints, numbered
from arc.stats.intervals import Interval, quantile
from arc.stats.roc import Floats

_AT_ONCE: Final = 500_000  # weights in a block: what a processor keeps near

Statistics = Callable[[Floats], Floats]  # weights (draws, n) -> values (draws, statistics); NaN where one is not defined


@dataclass(frozen=True)
class Resampled:
    """Statistics of n cases, of draws of them, and of them without each group."""

    values: Floats  # (statistics,)
    draws: Floats  # (resamples, statistics)
    left_out: Floats  # (groups, statistics)
    n: int

    def interval(self, at: int, *, confidence: float = 0.95, method: Method = "bca") -> Interval:
        """The interval of the statistic number `at`; without bounds, and with the reason, where there can be none."""
        quantile(confidence)
        value, draws = float(self.values[at]), self.draws[:, at]
        if not np.isfinite(value):
            return Interval(None, None, None, self.n, confidence, "the statistic is not defined here")
        if len(self.left_out) < 2:
            return Interval(value, None, None, self.n, confidence, "fewer than two groups: no interval")
        finite = draws[np.isfinite(draws)]
        return interval(value, finite, self.left_out[:, at], of=len(draws), n=self.n, confidence=confidence, method=method)


def resample(statistics: Statistics, n: int, *, groups: Groups = None, resamples: int = 2000, seed: int = 0) -> Resampled:
    """The statistics of n cases, of `resamples` draws of whole groups, and without each group; equal arguments give equal values.

    InvalidSpec when there are no cases or the resamples are not between 10 and 1,000,000; BadData when `groups` has another length.
    """
    if n < 1:
        raise InvalidSpec("there are no cases to draw", field="n", value=n)
    if not 10 <= resamples <= 1_000_000:
        raise InvalidSpec(f"{resamples} resamples are not between 10 and 1000000", field="resamples", value=resamples)
    group = numbered(groups, n)
    whole = statistics(np.ones((1, n)))
    if group.max() == 0:
        return Resampled(whole[0], whole[:0], whole[:0], n)
    draws = [statistics(weights) for weights in _drawn(group, resamples, seed)]
    left_out = [statistics(weights) for weights in _without(group)]
    return Resampled(whole[0], np.concatenate(draws), np.concatenate(left_out), n)


def _drawn(group: Ints, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each case is drawn, in blocks; counted from draws one by one, which is faster than a multinomial here."""
    random, groups, each = np.random.default_rng(seed), int(group.max()) + 1, max(1, _AT_ONCE // len(group))
    for done in range(0, resamples, each):
        draws = min(each, resamples - done)
        taken = random.integers(0, groups, (draws, groups)) + groups * np.arange(draws)[:, None]
        times = np.bincount(taken.ravel(), minlength=draws * groups).reshape(draws, groups)
        yield times[:, group].astype(np.float64)


def _without(group: Ints) -> Iterator[Floats]:
    groups, each = int(group.max()) + 1, max(1, _AT_ONCE // len(group))
    for first in range(0, groups, each):
        yield (group != np.arange(first, min(first + each, groups))[:, None]).astype(np.float64)
