"""Sign-flip permutation: how likely differences as large as these are when the sign of each is a coin.

Exact up to 14 pairs, where every assignment of signs is looked at; beyond, by drawing signs with a fixed seed. Needs no normal
distribution, only that a pair's difference is symmetric about zero when there is no effect (Fisher, The Design of Experiments, 1935, §21).
"""

import numpy as np
from numpy.typing import ArrayLike

from arc.core.errors import BadData

_EXACT = 14
_DRAWS = 100_000


def sign_flip(differences: ArrayLike, *, seed: int = 0) -> float:
    """One-sided p-value that the mean of `differences`, shape (n,), is above 0; at least 2 ** -n. BadData for none or for one that is not finite."""
    found = np.asarray(differences, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise BadData("the differences are no list of finite numbers", field="differences")
    n, observed = len(found), float(found.sum())
    slack = 1e-12 * float(np.abs(found).sum())  # sums in another order differ in the last digits
    if n <= _EXACT:
        signs = 1 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((signs @ found >= observed - slack).mean())
    random = np.random.default_rng(seed)
    drawn = random.integers(0, 2, (_DRAWS, n)) * 2.0 - 1
    return float(((drawn @ found >= observed - slack).sum() + 1) / (_DRAWS + 1))
