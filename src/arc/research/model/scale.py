"""Scale: measured values made standard and near normal for the surrogates, and predictions turned back.

Scores have long tails on the bad side and crowd together near the best; the power transform of Yeo and Johnson (2000), its exponent by
maximum likelihood within [0, 2], where its inverse is defined everywhere, gives both ends their room.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import yeojohnson, yeojohnson_normmax

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_ENOUGH = 10  # values below which a tail is not known


@dataclass(frozen=True)
class Scale:
    """value -> ((power((value - centre) / spread)) - mean) / sd."""

    centre: float = 0.0
    spread: float = 1.0
    power: float = 1.0
    mean: float = 0.0
    sd: float = 1.0

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Measured values as the surrogates see them."""
        return np.asarray((yeojohnson((values - self.centre) / self.spread, self.power) - self.mean) / self.sd)

    def backward(self, standard: np.ndarray) -> np.ndarray:
        """The inverse of `forward`."""
        return np.asarray(self.centre + self.spread * _inverse(standard * self.sd + self.mean, self.power))

    def moments(self, mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd in the unit of the values, of a normal belief in the surrogates' unit."""
        nodes = self.backward(mean[:, None] + sd[:, None] * _NODES)
        weights = _WEIGHTS / _WEIGHTS.sum()
        turned = nodes @ weights
        return turned, np.sqrt(((nodes - turned[:, None]) ** 2) @ weights)


def scale_of(values: np.ndarray) -> Scale:
    """The scale of measured values (n,); n may be 0."""
    spread = float(values.std()) if len(values) > 1 else 0.0
    centre = float(values.mean()) if len(values) else 0.0
    if spread <= 1e-12 * max(1.0, abs(centre)):
        return Scale(centre)
    standard = (values - centre) / spread
    if len(values) < _ENOUGH:
        return Scale(centre, spread)
    power = float(np.clip(yeojohnson_normmax(standard, brack=(0.0, 2.0)), 0.0, 2.0))
    turned = yeojohnson(standard, power)
    return Scale(centre, spread, power, float(turned.mean()), float(turned.std()))


def _inverse(turned: np.ndarray, power: float) -> np.ndarray:
    """Of Yeo and Johnson's transform, for a power in [0, 2]."""
    up, down = np.maximum(turned, 0), np.minimum(turned, 0)
    above = np.expm1(up) if power < 1e-6 else (up * power + 1) ** (1 / power) - 1
    below = -np.expm1(-down) if power > 2 - 1e-6 else 1 - (1 - (2 - power) * down) ** (1 / (2 - power))
    return np.asarray(np.where(turned >= 0, above, below))
