"""Which samples, in which order: a pure function of seed and epoch.

Because the order can be recomputed, a position is two numbers (epoch, batch) and nothing else has to be
kept to resume in the middle of an epoch. numpy's legacy `RandomState` is used on purpose: its streams are
frozen for all versions of numpy (NEP 19), so a run resumed after an upgrade sees the same order.

Weighted orders draw with replacement: sample i with probability weight_i / sum(weights).
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from arc.core.errors import InvalidSpec
from arc.kit.seeding import derive

Indices = npt.NDArray[np.int64]


def balanced_weights(labels: Sequence[Any] | npt.NDArray[Any], *, within: Sequence[Any] | None = None) -> npt.NDArray[np.float64]:
    """One weight a sample such that every label that occurs is drawn equally often (1 / size of its class).

    With `within` (a second label a sample, such as the site) the samples of one label are drawn so that each of these that occurs
    among them comes equally often: the first balance holds exactly, the second inside each class.
    """
    values = np.asarray(labels)
    if values.ndim != 1 or values.size == 0:
        raise InvalidSpec("labels must be a list with at least one class number", field="labels")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    if within is None:
        return np.asarray(1.0 / counts[inverse.reshape(-1)], dtype=np.float64)
    weights = np.empty(len(values), dtype=np.float64)
    for label in range(len(counts)):
        members = np.flatnonzero(inverse.reshape(-1) == label)
        inner = balanced_weights(np.asarray(within)[members])
        weights[members] = inner / inner.sum()
    return weights


class Order:
    """The order of `n` samples in each epoch.

    Shuffled by default; as they come with `shuffle=False`; with `weights` (one non-negative number a sample)
    `draws` samples with replacement. InvalidSpec when the numbers cannot mean that.
    """

    def __init__(self, n: int, *, seed: int, shuffle: bool = True, weights: npt.ArrayLike | None = None, draws: int | None = None) -> None:
        if n < 1:
            raise InvalidSpec("there are no samples to draw from", field="n", value=n)
        if draws is not None and (draws < 1 or weights is None):
            raise InvalidSpec("draws must be positive and come with weights", field="draws", value=draws)
        self.n = n
        self.seed = seed
        self.shuffle = shuffle
        self._edges = None if weights is None else _edges(np.asarray(weights, dtype=np.float64), n)
        self._length = draws if draws is not None else n

    def __len__(self) -> int:
        """Samples an epoch."""
        return self._length

    def indices(self, epoch: int) -> Indices:
        """The sample numbers of an epoch in order, shape (len(self),)."""
        if self._edges is None and not self.shuffle:
            return np.arange(self.n, dtype=np.int64)
        key = derive(self.seed, "order", epoch)
        random = np.random.RandomState(np.array([key & 0xFFFFFFFF, key >> 32], dtype=np.uint32))
        if self._edges is None:
            return random.permutation(self.n).astype(np.int64)
        drawn = np.searchsorted(self._edges, random.random_sample(self._length) * self._edges[-1], side="right")
        return np.minimum(drawn, self.n - 1).astype(np.int64)

    @property
    def fingerprint(self) -> str:
        """Equal for equal orders; a checkpoint keeps it so that a resume with other data is refused."""
        digest = hashlib.sha256(f"{self.n}:{self.seed}:{self.shuffle}:{self._length}:".encode())
        if self._edges is not None:
            digest.update(self._edges.tobytes())
        return digest.hexdigest()[:16]


def _edges(weights: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    if weights.shape != (n,):
        raise InvalidSpec(f"there are {weights.size} weights for {n} samples", field="weights")
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise InvalidSpec("weights must be finite, not negative and not all zero", field="weights")
    return np.cumsum(weights)
