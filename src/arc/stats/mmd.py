"""MMD: how far apart two clouds of vectors are, such as what a network makes of two sets of photographs.

The squared maximum mean discrepancy, unbiased, tested by exchanging whole groups (patients) between the samples. It sees what
no single feature shows, and does not say what it is. Kernel and distances of all pairs are held at once: n + m = 2,000
takes 100 MB. `arc.stats.drift` has the rest: what too few is, and the measures for single features.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arc.stats.drift import TOO_FEW, Groups, Tested, check_draws, few, numbered, samples
from arc.stats.intervals import Interval
from arc.stats.roc import Floats


def mmd(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    reference_groups: Groups = None,
    current_groups: Groups = None,
    confidence: float = 0.95,
    permutations: int = 1000,
    seed: int = 0,
) -> tuple[Tested, float | None]:
    """Squared maximum mean discrepancy of vectors (n, d) and (m, d), unbiased, with an RBF kernel whose width is their median distance.

    Source: Gretton et al., JMLR 13, 2012, eq. 3 and section 8 (the median). The test exchanges whole groups between the samples; p is
    (1 + permutations that reach the value) / (1 + permutations). There is no interval (the note says so); the second
    answer is what chance stays below in `confidence` of permutations. Memory grows with (n + m) squared.
    """
    check_draws(permutations, confidence, field="permutations")
    old, new = samples(reference, current)
    sides = numbered(reference_groups, len(old)), numbered(current_groups, len(new))
    n = len(old) + len(new)
    if min(len(old), len(new)) < 2:
        return Tested(Interval(None, None, None, n, confidence, "fewer than two cases on one side"), None), None
    kernel = _kernel(np.concatenate([old, new]))
    before, after = (int(side.max()) + 1 for side in sides)
    group = np.concatenate([sides[0], sides[1] + before])
    first = np.arange(before + after) < before
    value = float(_mmd(kernel, first[group][:, None])[0])
    if few(sides):
        return Tested(Interval(value, None, None, n, confidence, TOO_FEW), None), None
    random = np.random.default_rng(seed)
    chance = _mmd(kernel, np.column_stack([random.permutation(first)[group] for _ in range(permutations)]))
    p = float((1 + np.count_nonzero(chance >= value - 1e-12)) / (1 + permutations))
    without = Interval(value, None, None, n, confidence, "tested by permutation: no interval")
    return Tested(without, p), float(np.quantile(chance, confidence))


def _kernel(points: Floats) -> Floats:
    """The RBF kernel of each pair of points, its width the median distance of two points that are apart; 0 on the diagonal."""
    squares = (points**2).sum(axis=1)
    away = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0.0)
    np.fill_diagonal(away, 0.0)
    apart = away[np.triu_indices(len(points), 1)]
    apart = apart[apart > 0]
    kernel = np.exp(-away / (2 * np.median(apart))) if apart.size else np.ones_like(away)
    np.fill_diagonal(kernel, 0.0)
    found: Floats = kernel
    return found


def _mmd(kernel: Floats, first: NDArray[np.bool_]) -> Floats:
    """The unbiased estimate for each way (N, ways) to say which of N cases are of the first sample."""
    old, new = first.astype(np.float64), (~first).astype(np.float64)
    n, m = old.sum(axis=0), new.sum(axis=0)
    from_old = kernel @ old
    within_old, across = (old * from_old).sum(axis=0), (new * from_old).sum(axis=0)
    within_new = (new * (kernel @ new)).sum(axis=0)
    found: Floats = within_old / (n * (n - 1)) + within_new / (m * (m - 1)) - 2 * across / (n * m)
    return found
