"""Largest triangle three buckets: a curve in few points that still looks like itself.

The first and the last point stay; the rest is cut into equal buckets, and from each bucket the point is kept
that spans the largest triangle with the point kept before it and the mean of the bucket after it.
Source: Steinarsson, Downsampling Time Series for Visual Representation, University of Iceland 2013.
"""

import numpy as np


def lttb(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """Ascending indices of at most `n` points (n >= 3) of the curve (x, y), both of shape (length,) and finite."""
    length = len(x)
    if length <= n:
        return np.arange(length)
    edges = np.linspace(1, length - 1, n - 1).astype(np.int64)
    kept = np.empty(n, dtype=np.int64)
    kept[0], kept[-1] = 0, length - 1
    last = 0
    for bucket in range(n - 2):
        start, end = edges[bucket], edges[bucket + 1]
        after_end = edges[bucket + 2] if bucket + 2 < len(edges) else length
        mean_x, mean_y = x[end:after_end].mean(), y[end:after_end].mean()
        area = np.abs((x[last] - mean_x) * (y[start:end] - y[last]) - (x[last] - x[start:end]) * (mean_y - y[last]))
        last = start + int(np.argmax(area))
        kept[bucket + 1] = last
    return kept
