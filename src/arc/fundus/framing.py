"""Framing: the square of a photograph that a segmenter looks at, and the way back from there.

First the square around the field of view, then, when the disc was found in it, a smaller one around the disc. A square is
never squeezed, because the ratio of heights is what is wanted; what of it lies outside of the photograph is black.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.data.masks import CUP, DISC
from arc.data.pictures import field_of_view

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A square on a photograph, in its pixels; it may reach beyond it."""

    top: int
    left: int
    side: int

    def of(self, pixels: Bytes, size: int) -> Bytes:
        """The square of an image (H x W or H x W x 3), resampled to `size` pixels a side."""
        part = self._cut(pixels)
        how = cv2.INTER_AREA if self.side > size else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(part, (size, size), interpolation=how), np.uint8)

    def of_mask(self, mask: Bytes, size: int) -> Bytes:
        """The square of a mask (H x W; 0, 128, 255) as classes: 0 background, 1 rim of the disc, 2 cup.

        A pixel belongs to what covers at least half of it.
        """
        disc, cup = (self.of(np.where(mask >= level, np.uint8(255), np.uint8(0)), size) >= 128 for level in (DISC, CUP))
        return (disc.astype(np.uint8) + (disc & cup)).astype(np.uint8)

    def back(self, maps_CHW: Floats, height: int, width: int) -> Floats:
        """Maps (C x s x s) of the square, laid on the photograph it came from: C x height x width, 0 beyond the square."""
        laid = np.zeros((len(maps_CHW), height, width), np.float32)
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.top + self.side, height), min(self.left + self.side, width)
        for target, source in zip(laid, maps_CHW, strict=True):
            large = cv2.resize(source, (self.side, self.side), interpolation=cv2.INTER_LINEAR)
            target[top:bottom, left:right] = large[top - self.top : bottom - self.top, left - self.left : right - self.left]
        return laid

    def _cut(self, pixels: Bytes) -> Bytes:
        height, width = pixels.shape[:2]
        bottom, right = self.top + self.side, self.left + self.side
        inside = pixels[max(self.top, 0) : min(bottom, height), max(self.left, 0) : min(right, width)]
        beyond = (max(-self.top, 0), max(bottom - height, 0), max(-self.left, 0), max(right - width, 0))
        return np.asarray(cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_CONSTANT), np.uint8)


def around_field(photograph: Bytes) -> Window:
    """The square around what the camera saw on a photograph (H x W x 3)."""
    height, width = photograph.shape[:2]
    top, bottom, left, right = field_of_view(photograph).box(height, width)
    side = max(bottom - top, right - left)
    return Window((top + bottom - side) // 2, (left + right - side) // 2, side)


def around_disc(disc: NDArray[np.bool_], focus: float) -> Window | None:
    """The square around a disc (H x W, one piece), `focus` times as high and wide as its longer side; None when there is none."""
    rows, columns = (np.flatnonzero(disc.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    side = max(round(focus * max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)), 4)
    return Window(int(rows[0] + rows[-1] + 1 - side) // 2, int(columns[0] + columns[-1] + 1 - side) // 2, side)


def largest(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a shape (H x W), without holes; nothing of nothing."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8), connectivity=8)
    if count < 2:
        return part
    piece = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    outlines, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(piece, outlines, -1, 1, cv2.FILLED) > 0)


def heaviest(chances: Floats, level: float, *, most: int) -> list[NDArray[np.bool_]]:
    """The connected pieces of a map (H x W) at a level, or at half of its peak where that is lower; up to `most`, the largest sum first."""
    level = min(level, float(chances.max()) / 2)
    count, labels = cv2.connectedComponents((chances >= level).astype(np.uint8), connectivity=8)
    weights = np.bincount(labels.ravel(), weights=chances.ravel(), minlength=count)[1:]
    return [labels == 1 + piece for piece in np.argsort(-weights, kind="stable")[:most]]
