"""A random forest that says how unsure it is: the second surrogate, the judge of failures and of costs.

Mean and variance over trees, each tree a draw of what the function may be; the variance within a leaf is added (Hutter et al. 2014,
section 4.3.2). Trees are asked one by one because the library's forest hides how they disagree, and fitted so because it then costs the same.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeRegressor


@dataclass(frozen=True)
class Forest:
    """Fitted trees, and what each value's own prediction was from the trees that had not seen it."""

    trees: tuple[DecisionTreeRegressor, ...]
    left_out_mean: np.ndarray  # (n,), of the values it was fitted on
    left_out_variance: np.ndarray

    def at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (m,) and variance (m,) at feature rows (m, columns)."""
        values, variances = _ask(self.trees, rows)
        return values.mean(axis=0), values.var(axis=0) + variances.mean(axis=0)


def grow(rows: np.ndarray, values: np.ndarray, *, seed: int, trees: int = 40, leaf: int = 1) -> Forest:
    """A forest of values (n,) over feature rows (n, columns); n >= 1. Each tree sees a draw of n with replacement."""
    random = np.random.default_rng(seed)
    drawn = random.integers(len(rows), size=(trees, len(rows)))
    single = rows.astype(np.float32)
    grown = tuple(
        DecisionTreeRegressor(max_features=5 / 6, min_samples_leaf=leaf, random_state=int(random.integers(2**31))).fit(
            single[seen], values[seen]
        )
        for seen in drawn
    )
    said, within = _ask(grown, rows)
    unseen = np.ones_like(said, dtype=bool)
    unseen[np.arange(trees)[:, None], drawn] = False
    count = np.maximum(unseen.sum(axis=0), 1)
    mean = (said * unseen).sum(axis=0) / count
    spread = (((said - mean) ** 2 + within) * unseen).sum(axis=0) / count
    alone = unseen.any(axis=0)
    return Forest(grown, np.where(alone, mean, values.mean()), np.where(alone, spread, values.var()))


def _ask(trees: tuple[DecisionTreeRegressor, ...], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and variances within the leaf, (trees, m) each."""
    single = np.ascontiguousarray(rows, dtype=np.float32)
    values, variances = np.empty((len(trees), len(rows))), np.empty((len(trees), len(rows)))
    for number, tree in enumerate(trees):
        leaves = tree.tree_.apply(single)
        values[number], variances[number] = tree.tree_.value[leaves, 0, 0], tree.tree_.impurity[leaves]
    return values, variances
