"""Evidence: what may be called better, and what not yet.

The noise is measured first, by the baseline on several seeds. A challenger races: few seeds, more when it holds, dropped when it
cannot matter any more. What wins the race is measured once more, on seeds that played no part in choosing it, beside the incumbent on the
same seeds; that test alone decides. All three must hold: the BCa bound of the paired difference is above 0, the sign-flip
p-value is below the level that alpha investing offers, and the gain is at least one sigma and the study's smallest effect.

Values here are turned so that more is better. Not covered: which metric is worth having.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from arc.stats import bootstrap
from arc.stats.permutation import sign_flip

Verdict = Literal["better", "not better", "not known yet"]
Step = Literal["drop", "next", "confirm"]
_Z = NormalDist().inv_cdf(0.95)  # one-sided 95 %
_CONFIDENCE = 0.9  # two-sided, of the difference: its lower bound holds with 95 %
_PROMISING = 0.75  # share of the wanted gain that a race must show before the fresh seeds are spent


@dataclass(frozen=True)
class Noise:
    """The spread of one configuration over seeds."""

    mean: float
    sd: float
    n: int

    @property
    def sd_high(self) -> float:
        """Upper 90 % bound of the standard deviation, by the Wilson-Hilferty approximation of chi-squared."""
        k = self.n - 1
        cut = k * (1 - 2 / (9 * k) + NormalDist().inv_cdf(0.1) * math.sqrt(2 / (9 * k))) ** 3
        return self.sd * math.sqrt(k / max(cut, 1e-9))


@dataclass(frozen=True)
class Comparison:
    """One test of a challenger against an incumbent on fresh, paired seeds."""

    n: int
    gain: float  # mean paired difference
    low: float | None  # BCa bounds of it, 90 %
    high: float | None
    p: float
    level: float  # offered by alpha investing
    wanted: float  # the gain that counts
    verdict: Verdict
    why: str


def noise(values: Sequence[float]) -> Noise:
    """The noise floor from at least two full trainings of one configuration."""
    return Noise(float(np.mean(values)), float(np.std(values, ddof=1)), len(values))


def wanted(sigma: float, minimum_effect: float) -> float:
    """The smallest gain that may be called better."""
    return max(sigma, minimum_effect)


def race(challenger: Sequence[float], incumbent: Sequence[float], *, sigma: float, gain: float, rungs: Sequence[int]) -> Step:
    """What becomes of a challenger after a rung: `drop` when even a lucky truth would not matter, `confirm` when it is time, else `next`."""
    n, m = len(challenger), len(incumbent)
    seen = float(np.mean(challenger)) - float(np.mean(incumbent))
    error = max(sigma, 1e-12) * math.sqrt(1 / n + 1 / m)
    if seen <= 0 or seen + _Z * error < gain:
        return "drop"
    proven = n >= min(3, rungs[-1]) and seen >= _PROMISING * gain
    if proven:
        return "confirm"
    return "drop" if n >= rungs[-1] else "next"


def next_rung(n: int, rungs: Sequence[int]) -> int | None:
    """How many seeds a challenger with `n` gets to next; None at the top."""
    return next((rung for rung in rungs if rung > n), None)


def pairs_needed(level: float, at_least: int) -> int:
    """Fresh pairs without which no p-value can pass `level`: 2 ** -n is the smallest there is."""
    return max(at_least, math.ceil(math.log2(1 / level)) + (1 if level < 1 else 0))


def compare(
    challenger: Mapping[int, float], incumbent: Mapping[int, float], *, level: float, sigma: float, minimum_effect: float, seed: int = 0
) -> Comparison:  # fmt: skip
    """The verdict on the seeds that both have; `challenger` and `incumbent` are seed -> value, fresh ones alone."""
    seeds = sorted(challenger.keys() & incumbent.keys())
    differences = [challenger[one] - incumbent[one] for one in seeds]
    need = wanted(sigma, minimum_effect)
    if len(seeds) < 3:
        return Comparison(
            len(seeds),
            float(np.mean(differences)) if seeds else 0.0,
            None,
            None,
            1.0,
            level,
            need,
            "not known yet",
            "fewer than three fresh pairs",
        )
    gain, p = float(np.mean(differences)), sign_flip(differences, seed=seed)
    found = bootstrap(lambda drawn: float(np.mean(drawn)), differences, confidence=_CONFIDENCE, seed=seed)
    low, high = (gain, gain) if found.low is None and len(set(differences)) == 1 else (found.low, found.high)
    missing = []
    if low is None or low <= 0:
        missing.append("the lower bound of the difference is not above 0")
    if p >= level:
        missing.append(f"p = {p:.4f} is not below the level {level:.4f}")
    if gain < need:
        missing.append(f"the gain {gain:.4f} is less than the {need:.4f} that counts")
    if not missing:
        return Comparison(len(seeds), gain, low, high, p, level, need, "better", "bound, p and gain hold")
    certain = high is not None and high < need
    return Comparison(len(seeds), gain, low, high, p, level, need, "not better" if certain else "not known yet", "; ".join(missing))


def inflation(sigma: float, tried: int) -> float:
    """What the best of `tried` equal configurations is above their mean by luck alone (Blom's approximation of the largest normal order statistic)."""
    return sigma * NormalDist().inv_cdf((tried - 0.375) / (tried + 0.25)) if tried > 1 else 0.0
