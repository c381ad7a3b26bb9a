"""Largest triangle three buckets: a curve in few points that still looks like itself.

The first and the last point stay; the rest is cut into equal buckets, and from each bucket the point is kept
that spans the largest triangle with the point kept before it and the mean of the bucket after it.
Source: Steinarsson, Downsampling Time Series for Visual Representation, University of Iceland 2013.
"""

import itertools

import numpy as np


def lttb(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """Ascending indices of at most `n` points (n >= 3) of the curve (x, y), both of shape (length,) and finite."""
    length = len(x)
    if length <= n:
        return np.arange(length)
    x, y = np.ascontiguousarray(x, dtype=np.float64), np.ascontiguousarray(y, dtype=np.float64)
    edges = np.linspace(1, length - 1, n - 1).astype(np.int64)
    kept = np.empty(n, dtype=np.int64)
    kept[0], kept[-1] = 0, length - 1
    with np.errstate(over="ignore", invalid="ignore"):  # values near the end of the range: some point is kept all the same
        sizes = np.diff(np.append(edges, length))
        means_x, means_y = np.add.reduceat(x, edges) / sizes, np.add.reduceat(y, edges) / sizes
        last = 0
        for bucket, (start, end) in enumerate(itertools.pairwise(edges.tolist()), start=1):
            rise, run = means_y[bucket] - y[last], means_x[bucket] - x[last]
            last = start + int(np.abs((x[start:end] - x[last]) * rise - run * (y[start:end] - y[last])).argmax())
            kept[bucket] = last
    return kept
