"""Duplicates: photographs that are the same picture, whatever was done to it.

The same picture in two splits is leakage, and collections hold many: flipped, brightened, cropped, re-encoded.
`find` compares signatures (`arc.data.duplicates_signature`) in steps, each dearer and stricter: all with all, coarse,
the nearest of each kept (`arc.data.duplicates_candidates`); these under shift; what agrees there moved freely
until it fits best (affine, ECC), at half size and then at full. The score is how well the finest texture then agrees
in the middle one of many places, so that a bright disc or a reflection that many photographs of one camera
share counts as one place and not as the picture.

A second photograph of the same eye from nearly the same angle is found as well, as it should be: it leaks as a copy
does. Not covered: a view of the same eye that overlaps little; turns by more than some 5 degrees beside quarters;
pictures of few pixels or without texture, of which nothing is said (`tells`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.data.duplicates_candidates import Candidate, Floats, How, candidates, ordered, plain, scaled, shifts, turned
from arc.data.duplicates_signature import OUTSIDE, SIDE, Signature, sign, tells

__all__ = ["UNTOLD", "How", "Pair", "Rules", "Signature", "find", "groups", "sign", "tells"]

Fields = NDArray[np.uint8]

UNTOLD: Final = "are too small or too smooth to be told from others: whether they are copies was judged by their bytes alone"
_ACROSS: Final = 8  # places in a row, each of which is compared
_PLACES: Final = 12  # least places two photographs share
_COVERED: Final = 0.6  # least share of a place that both cover
_MOST_SCALE: Final = 1.5
_MOST_SHEAR: Final = 1.2  # ratio of the scales across and down
_STOP: Final = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 25, 1e-3)
_BLOCK: Final = 512  # candidates at a time


@dataclass(frozen=True)
class Rules:
    """How alike is the same. The figures behind the defaults are in docs/lab-log/2026-11-24-leakage.md."""

    score: float = 0.45  # least agreement of two photographs of one picture, at most 1
    nearest: int = 4  # candidates of each photograph; more copies than that join through `groups`
    coarse: float = 0.25  # least correlation of a candidate's coarse texture
    shifted: float = 0.3  # least correlation under the best shift
    begun: float = 0.25  # least agreement at half size before it is moved freely
    half_size: float = 0.3  # ... and after


@dataclass(frozen=True)
class Pair:
    """Two photographs of one picture, by their places in the list, a < b."""

    a: int
    b: int
    score: float  # agreement of texture in the middle place, at most 1
    how: How  # turns b into a, but for what light, size, a crop or a small move changed


def find(signatures: Sequence[Signature] | NDArray[np.int8], *, rules: Rules = Rules()) -> list[Pair]:
    """Pairs of one picture among signatures (n, SIDE, SIDE), best first; a pair is told once. Time grows with n squared."""
    stack = np.asarray(signatures, np.int8).reshape(-1, SIDE, SIDE)
    if len(stack) < 2:
        return []
    some = candidates(stack, nearest=min(rules.nearest, len(stack) - 1), coarse=rules.coarse)
    found: dict[tuple[int, int], Pair] = {}
    for start in range(0, len(some), _BLOCK):
        block = some[start : start + _BLOCK]
        for candidate, (match, shift) in zip(block, shifts(stack, block), strict=True):
            a, b, how, _ = ordered(candidate)
            if (a, b) in found or match < rules.shifted:
                continue
            score = _score(stack, candidate, shift, rules)
            if score >= rules.score:
                found[a, b] = Pair(a, b, round(score, 4), how)
    return sorted(found.values(), key=lambda pair: (-pair.score, pair.a, pair.b))


def groups(n: int, pairs: Sequence[Pair]) -> list[int]:
    """A group for each of n photographs, equal for those that pairs join, directly or by others: its least place."""
    root = list(range(n))

    def top(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    for pair in pairs:
        least, other = sorted((top(pair.a), top(pair.b)))
        root[other] = least
    return [top(place) for place in range(n)]


def _score(stack: NDArray[np.int8], candidate: Candidate, shift: tuple[int, int], rules: Rules) -> float:
    """Agreement of the two where they lie over each other best; 0 where a step on the way says no."""
    a, b, how, scale = candidate
    one, two = stack[a], turned(stack[b], how)
    planes = plain(one), scaled(plain(two), scale)
    fields = _field(one, 1.0), _field(two, scale)
    halves, half_fields = (_half(planes[0]), _half(planes[1])), (_half(fields[0]), _half(fields[1]))
    move = np.array([[1, 0, -shift[0] / 2], [0, 1, -shift[1] / 2]], np.float32)  # from a to b, at half size
    if _agreement(halves, half_fields, move) < rules.begun:
        return 0.0
    fit = _fitted(halves, half_fields, move)
    if fit is None or _agreement(halves, half_fields, fit) < rules.half_size:
        return 0.0
    # a pixel's middle has a whole number, so half a pixel of the full size is to be made up for
    fit[:, 2] = 2 * fit[:, 2] + 0.5 - fit[:, :2].sum(axis=1) / 2
    fit = _fitted(planes, fields, fit)
    return 0.0 if fit is None else _agreement(planes, fields, fit)


def _field(signature: Signature, scale: float) -> Fields:
    inside = (signature != OUTSIDE).astype(np.float32)
    return (scaled(inside, scale) > 0.5).astype(np.uint8)


def _half(plane: NDArray[Any]) -> NDArray[Any]:
    return cv2.resize(plane, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)


def _fitted(planes: tuple[Floats, Floats], fields: tuple[Fields, Fields], start: Floats) -> Floats | None:
    """The move (2 x 3) from the first plane to the second where they correlate best, from `start`; None when it goes astray.

    Source: ECC, Evangelidis & Psarakis, IEEE TPAMI 30, 2008.
    """
    try:
        _, found = cv2.findTransformECC(*planes, start.copy(), cv2.MOTION_AFFINE, _STOP, fields[1], 3)
    except cv2.error:  # it did not converge: they do not lie over each other
        return None
    move = np.asarray(found, np.float32)
    large, small = np.linalg.svd(move[:, :2].astype(np.float64), compute_uv=False)
    kept = large < _MOST_SCALE and small > 1 / _MOST_SCALE and large < _MOST_SHEAR * small
    return move if kept else None


def _agreement(planes: tuple[Floats, Floats], fields: tuple[Fields, Fields], move: Floats) -> float:
    """Correlation in each place that both cover when the second is moved, and the middle one of these; 0 when they share too little."""
    side = len(planes[0]) // _ACROSS
    size = planes[0].shape[::-1]
    moved = cv2.warpAffine(planes[1], move, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
    field = cv2.warpAffine(fields[1], move, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST) * fields[0]
    weight = _places((field > 0).astype(np.float32))
    count = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    x, y = _places(_finest(planes[0])), _places(_finest(np.asarray(moved, np.float32)))
    x = (x - (x * weight).sum(axis=1, keepdims=True) / count) * weight
    y = (y - (y * weight).sum(axis=1, keepdims=True) / count) * weight
    match = (x * y).sum(axis=1) / np.sqrt(np.maximum((x * x).sum(axis=1) * (y * y).sum(axis=1), 1e-6))
    shared = match[weight.sum(axis=1) > _COVERED * side**2]
    return float(np.median(shared)) if len(shared) >= _PLACES else 0.0


def _places(plane: Floats) -> Floats:
    """A plane cut into squares, one a row."""
    side = len(plane) // _ACROSS
    return plane.reshape(_ACROSS, side, _ACROSS, side).transpose(0, 2, 1, 3).reshape(_ACROSS**2, side**2)


def _finest(plane: Floats) -> Floats:
    """Vessels, without noise and without the wider structure that reflections and a camera's rings leave."""
    smooth = cv2.GaussianBlur(plane, (0, 0), 0.7)
    return np.asarray(smooth - cv2.GaussianBlur(smooth, (0, 0), 2), np.float32)
