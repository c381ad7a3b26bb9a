"""Candidates: which of all pairs of photographs are worth laying over each other.

All pairs are compared at 24 x 24 pixels by one matrix product for each way a photograph may be turned, and only
the few nearest of each are kept. A photograph whose field has corners may be a crop that shows its content
larger; such a one is compared at smaller scales of the others as well. Used by `arc.data.duplicates` alone.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.data.duplicates_signature import OUTSIDE, SIDE, Signature

Floats = NDArray[np.float32]
How = Literal["same", "flipped_horizontal", "flipped_vertical", "rotated_180", "rotated_90", "rotated_270", "transposed", "transversed"]
Candidate = tuple[int, int, How, float]  # a, b, what turns b into a, the size of b's content in a

TURNS: Final[dict[How, tuple[int, bool]]] = {  # quarter turns counter-clockwise, then mirrored left to right
    "same": (0, False),
    "flipped_horizontal": (0, True),
    "flipped_vertical": (2, True),
    "rotated_180": (2, False),
    "rotated_90": (1, False),
    "rotated_270": (3, False),
    "transposed": (3, True),
    "transversed": (1, True),
}
_SCALES: Final = (1.0, 0.9, 0.8)
_COARSE: Final = 4  # signature pixels a side that become one in the comparison of all with all
_COARSE_SIDE: Final = SIDE // _COARSE
_HALF: Final = 2  # ... and in the search over shifts
_REACH: Final = 8  # largest shift, in pixels of half size
_BLOCK: Final = 512  # rows compared at a time


def candidates(stack: NDArray[np.int8], *, nearest: int, coarse: float) -> list[Candidate]:
    """Of signatures (n, SIDE, SIDE), the `nearest` of each that correlate at least `coarse`; each pair and way once, likeliest first."""
    near = _Nearest(len(stack), nearest, coarse)
    edgeless = np.flatnonzero([_edgeless(signature) for signature in stack])
    queries = _vectors(stack, 1.0)
    for scale in _SCALES:
        rows = np.arange(len(stack)) if scale == 1 else edgeless
        keys = _vectors(stack, scale).reshape(len(stack), _COARSE_SIDE, _COARSE_SIDE) if len(rows) else queries
        for how in TURNS:
            turned_keys = np.ascontiguousarray(turned(keys, how)).reshape(len(stack), -1) if len(rows) else queries
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK]
                near.take(block, queries[block] @ turned_keys.T, how, scale)
    return near.candidates()


class _Nearest:
    """The few nearest of each photograph so far."""

    def __init__(self, n: int, nearest: int, coarse: float) -> None:
        self.likeness = np.full((n, nearest), coarse, np.float32)
        self.other = np.full((n, nearest), -1, np.int64)
        self.way = np.zeros((n, nearest), np.int64)
        self.ways: list[tuple[How, float]] = []

    def take(self, rows: NDArray[np.int64], match: Floats, how: How, scale: float) -> None:
        """Take those nearer than the farthest kept, from the correlation (rows, n) with all photographs in one way."""
        self.ways.append((how, scale))
        lines = np.arange(len(rows))
        match[lines, rows] = -1
        for _ in range(self.likeness.shape[1]):
            best = match.argmax(axis=1)
            value = match[lines, best]
            farthest = self.likeness[rows].argmin(axis=1)
            nearer = value > self.likeness[rows, farthest]
            if not nearer.any():
                return
            at = rows[nearer], farthest[nearer]
            self.likeness[at], self.other[at], self.way[at] = value[nearer], best[nearer], len(self.ways) - 1
            match[lines, best] = -1

    def candidates(self) -> list[Candidate]:
        """Each pair and way once, the likeliest first; at full scale the first of a pair comes first in the list."""
        found: dict[Candidate, float] = {}
        for a, k in zip(*np.nonzero(self.other >= 0), strict=True):
            how, scale = self.ways[self.way[a, k]]
            pair = ordered((int(a), int(self.other[a, k]), how, scale)) if scale == 1 else (int(a), int(self.other[a, k]), how, scale)
            found[pair] = float(self.likeness[a, k])
        return sorted(found, key=lambda pair: -found[pair])


def ordered(candidate: Candidate) -> Candidate:
    """The same said of the pair with a < b; mirrorings undo themselves, quarter turns do not."""
    a, b, how, scale = candidate
    if a < b:
        return candidate
    back: dict[How, How] = {"rotated_90": "rotated_270", "rotated_270": "rotated_90"}
    return b, a, back.get(how, how), 1 / scale


def shifts(stack: NDArray[np.int8], some: Sequence[Candidate]) -> list[tuple[float, tuple[int, int]]]:
    """For each candidate the best correlation over shifts of b, and that shift (right, down) in signature pixels."""
    one = np.stack([_unit(plain(stack[a]), _HALF) for a, *_ in some])
    two = np.stack([_unit(scaled(plain(turned(stack[b], how)), scale), _HALF) for _, b, how, scale in some])
    match = np.fft.irfft2(np.fft.rfft2(one) * np.fft.rfft2(two).conj(), s=one.shape[1:])
    width = 2 * _REACH + 1
    match = np.roll(match, (_REACH, _REACH), axis=(1, 2))[:, :width, :width].reshape(len(some), -1)
    best = match.argmax(axis=1)
    moves = [((int(place) % width - _REACH) * _HALF, (int(place) // width - _REACH) * _HALF) for place in best]
    return list(zip(match.max(axis=1).tolist(), moves, strict=True))


def turned(planes: NDArray[Any], how: How) -> NDArray[Any]:
    """Planes (..., side, side), turned."""
    quarters, mirrored = TURNS[how]
    result = np.rot90(planes, quarters, axes=(-2, -1))
    return result[..., ::-1] if mirrored else result


def plain(signature: Signature) -> Floats:
    """Texture as numbers, 0 outside the field."""
    return np.where(signature == OUTSIDE, 0, signature).astype(np.float32)


def scaled(plane: Floats, scale: float) -> Floats:
    """A plane with its content smaller or larger about its middle."""
    rest = (1 - scale) * (SIDE - 1) / 2
    move = np.array([[scale, 0, rest], [0, scale, rest]])
    return plane if scale == 1 else np.asarray(cv2.warpAffine(plane, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.float32)


def _unit(plane: Floats, pixels: int) -> Floats:
    """The plane with fewer pixels, of mean 0 and length 1."""
    small = cv2.resize(plane, (SIDE // pixels, SIDE // pixels), interpolation=cv2.INTER_AREA)
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)


def _vectors(stack: NDArray[np.int8], scale: float) -> Floats:
    return np.stack([_unit(scaled(plain(signature), scale), _COARSE).ravel() for signature in stack])


def _edgeless(signature: Signature) -> bool:
    """Whether the field has corners, so is the whole picture and not where the camera's circle ends."""
    inside = signature != OUTSIDE
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return False
    box = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return bool(box[0, 0] or box[0, -1] or box[-1, 0] or box[-1, -1])
