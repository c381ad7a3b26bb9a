"""Intervals: a number is never reported without how sure it is.

`Interval` is what every measured quantity becomes. Where an interval cannot be given (no cases, one class
only), its bounds are None and `note` says why: a reader is told, and no code invents a bound.
"""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

from arc.core.errors import InvalidSpec


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with a confidence interval, None where there is none."""

    value: float | None
    low: float | None
    high: float | None
    n: int  # cases it rests on
    confidence: float = 0.95
    note: str = ""  # how the interval was found when not as usual, or why there is none

    def as_dict(self) -> dict[str, Any]:
        """The interval as JSON holds it."""
        return asdict(self)


def quantile(confidence: float) -> float:
    """Two-sided quantile of the standard normal, 1.96 for .95; InvalidSpec unless 0 < confidence < 1."""
    if not 0 < confidence < 1:
        raise InvalidSpec(f"confidence {confidence} is not between 0 and 1", field="confidence", value=confidence)
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion of `k` in `n`; honest for small n and at 0 and 1.

    Source: Wilson, JASA 22, 1927: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n).
    """
    if not 0 <= k <= n:
        raise InvalidSpec(f"{k} of {n} is no proportion", field="k", value=k)
    z = quantile(confidence)
    if n == 0:
        return Interval(None, None, None, 0, confidence, "no cases")
    p, spread = k / n, z * z / n
    centre = (p + spread / 2) / (1 + spread)
    half = z * math.sqrt(p * (1 - p) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Interval(p, low, high, n, confidence)
