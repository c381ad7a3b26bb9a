"""Mask measures: how far a drawn mask is from the true one, for disc and cup, on one photograph.

The disc holds the cup. Distances are Euclidean, between the outlines (the pixels of a shape with a neighbour, of four, that
is not in it), in pixels of the photograph; both directions count. What is not defined is NaN: an overlap where the truth
shows nothing, a distance where either does. The same numbers as MONAI's (`tests/numerics/test_mask_measures.py`), with
its distance transform replaced by OpenCV's exact one on the part of the picture that matters.
"""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.data.masks import CUP, DISC

Shape = NDArray[np.bool_]
PARTS: Final = (("disc", DISC), ("cup", CUP))
PER_PART: Final = ("dice", "iou", "accuracy", "sensitivity", "specificity", "hd95_px", "asd_px")
NAMES: Final = (*(f"{part}_{name}" for part, _ in PARTS for name in PER_PART), "vcdr", "vcdr_truth", "vcdr_error")


def compare(said: NDArray[np.uint8], truth: NDArray[np.uint8]) -> dict[str, float]:
    """Every measure of NAMES of a mask against the truth (H x W each; 0, 128, 255)."""
    found: dict[str, float] = {}
    for part, level in PARTS:
        mine, theirs = said >= level, truth >= level
        found |= {f"{part}_{name}": value for name, value in (_overlap(mine, theirs) | _distances(mine, theirs)).items()}
    ours, theirs_ratio = vcdr(said), vcdr(truth)
    return found | {"vcdr": ours, "vcdr_truth": theirs_ratio, "vcdr_error": abs(ours - theirs_ratio)}


def vcdr(mask: NDArray[np.uint8]) -> float:
    """Vertical cup-to-disc ratio: rows that show cup over rows that show disc; NaN without a disc."""
    disc, cup = (int((mask >= level).any(axis=1).sum()) for level in (DISC, CUP))
    return cup / disc if disc else math.nan


def distance_to(shape: Shape) -> NDArray[np.float64]:
    """H x W: how far each pixel is from the nearest of a shape that is not empty, in pixels; 0 within it.

    OpenCV's last digits vary from call to call. The square of a distance is a whole number, so rounding takes them away.
    """
    distances = cv2.distanceTransform((~shape).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.sqrt(np.rint(np.asarray(distances, np.float64) ** 2))


def _overlap(said: Shape, truth: Shape) -> dict[str, float]:
    """Over all pixels of the photograph."""
    hit, more, less = (int(np.count_nonzero(each)) for each in (said & truth, said & ~truth, truth & ~said))
    rest = said.size - hit - more - less
    shown = hit + less > 0
    return {
        "dice": 2 * hit / (2 * hit + more + less) if shown else math.nan,
        "iou": hit / (hit + more + less) if shown else math.nan,
        "accuracy": (hit + rest) / said.size,
        "sensitivity": hit / (hit + less) if shown else math.nan,
        "specificity": rest / (rest + more) if rest + more else math.nan,
    }


def _distances(said: Shape, truth: Shape) -> dict[str, float]:
    """Hausdorff distance at the 95th percentile (the larger direction), and the mean over both outlines."""
    if not (said.any() and truth.any()):
        return {"hd95_px": math.nan, "asd_px": math.nan}
    rows, columns = (np.flatnonzero((said | truth).any(axis=axis)) for axis in (1, 0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    outlines = [_outline(np.pad(shape[part], 1)) for shape in (said, truth)]
    away = [_away(one, other) for one, other in (outlines, outlines[::-1])]
    return {"hd95_px": max(float(np.percentile(each, 95)) for each in away), "asd_px": float(np.concatenate(away).mean())}


def _outline(shape: Shape) -> Shape:
    cross = np.asarray(cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    inner = cv2.erode(shape.astype(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(shape & (inner == 0))


def _away(outline: Shape, other: Shape) -> NDArray[np.float64]:
    """The distance of each pixel of an outline to the nearest of the other."""
    return distance_to(other)[outline]
