"""Signatures: what is left of a photograph when light, colour, size and frame are taken away.

Fundus photographs all look alike: a bright disc of light on black, brighter where the optic nerve enters. What tells
one eye from another is the texture inside: vessels first. So a signature is the green channel inside the field of
view, with the field brought to one place and one size, low frequencies removed and contrast made even. Copies that were
re-encoded, brightened or resized have nearly the same signature; `arc.data.duplicates` brings flipped, cropped and
shifted ones over each other.

The field is found as the circle its edge lies on, where there is enough edge to fit one, so that a crop that leaves
some edge does not move it. Where there is none (disc crops, no dark surround) the whole picture is the field.

The odd case: a picture of few pixels, or a smooth one, agrees with many others by chance. Of it nothing is said: its signature has
no field at all. The least size and detail are set by measurement (docs/lab-log/2026-11-24-leakage.md).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.core.errors import BadData

Signature = NDArray[np.int8]  # (SIDE, SIDE): texture in -127..127, OUTSIDE where there is no field

SIDE: Final = 96
OUTSIDE: Final = -128
_WORK_PX: Final = 256  # the field is found at this size
_EVENLY_DARK: Final = 0.045  # how far nine tenths of a surround are above the darkest at most, as a share of the range
_TRIALS: Final = 200  # circles tried
_NEAR_PX: Final = 1.5  # a point this near lies on the circle
_POINTS: Final = 200  # about as many points of the edge are looked at
_LEAST: Final = 30  # of them a circle needs
_FINE: Final = 3.0  # sigma in signature pixels: structures wider than this are light, not texture
_EVEN: Final = 8.0  # sigma over which contrast is made even
_UNIT: Final = 48.0  # one standard deviation of texture as a stored number
_LEAST_SIDE_PX: Final = 48  # of the photograph: 6 of 193 real ones of 40 px were taken for another, none of 48
_LEAST_DETAIL: Final = (
    150.0  # waves; real photographs of 128 px and more have 190 to 1,400, smooth ones that were taken for each other up to 135
)


def sign(image: NDArray[np.uint8]) -> Signature:
    """The signature of a photograph (H x W x 3 or H x W, uint8, at least 16 px a side); BadData when it is none.

    All OUTSIDE where the photograph is too small or too smooth to be told from others (`tells`).
    """
    if image.dtype != np.uint8 or image.ndim not in {2, 3} or min(image.shape[:2]) < 16 or (image.ndim == 3 and image.shape[2] != 3):
        raise BadData(f"pixels {image.shape} of {image.dtype} are not a photograph of 8 bits a channel", field="image")
    small = _reduced(image)
    bright = small if small.ndim == 2 else small.max(axis=2)
    field = _field(bright)
    x, y, across, down = _ellipse(field)
    scale = SIDE / (2 * across), SIDE / (2 * down)
    green = small if small.ndim == 2 else small[:, :, 1]
    move = np.array([[scale[0], 0, SIDE / 2 - 0.5 - scale[0] * x], [0, scale[1], SIDE / 2 - 0.5 - scale[1] * y]])
    soft = cv2.GaussianBlur(green.astype(np.float32), (0, 0), 0.45 / min(scale))
    pixels = np.asarray(cv2.warpAffine(soft, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.float32)
    inside = cv2.warpAffine(field.astype(np.float32), move, (SIDE, SIDE), flags=cv2.INTER_LINEAR) > 0.99
    signature = _texture(pixels, inside)
    told = min(image.shape[:2]) >= _LEAST_SIDE_PX and _detail(signature) >= _LEAST_DETAIL
    return signature if told else np.full_like(signature, OUTSIDE)


def tells(signature: Signature) -> bool:
    """Whether a signature can tell its photograph from others."""
    return bool((signature != OUTSIDE).any())


def _detail(signature: Signature) -> float:
    """How many waves the texture is made of: the participation ratio of its power spectrum, 1 for a single wave."""
    power = np.abs(np.fft.fft2(np.where(signature == OUTSIDE, 0, signature).astype(np.float64))) ** 2
    return float(power.sum() ** 2 / max((power**2).sum(), 1e-9))


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = _WORK_PX / max(image.shape[:2])
    size = (max(round(image.shape[1] * scale), 2), max(round(image.shape[0] * scale), 2))
    reduced = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(reduced, np.uint8)


def _field(bright: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 inside the field of view, 0 outside: the convex hull of what is not as dark as the darkest, specks left out.

    What is outside must be evenly dark, as a camera's surround is; else it is shade, and the whole picture is the field.
    """
    low, high = np.percentile(bright, (0.5, 95))
    lit = (cv2.GaussianBlur(bright, (0, 0), 1.5) > low + 0.12 * (high - low)).astype(np.uint8)
    outlines, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    large = [outline for outline in outlines if cv2.contourArea(outline) > 0.005 * lit.size]
    field = np.zeros_like(lit)
    if large:
        cv2.fillConvexPoly(field, cv2.convexHull(np.concatenate(large)), 1)
    outside = bright[cv2.dilate(field, np.ones((7, 7), np.uint8)) == 0]
    surround = outside.size > 0.005 * lit.size and np.percentile(outside, 90) - low < _EVENLY_DARK * (high - low)
    return field if field.mean() > 0.1 and surround else np.ones_like(lit)


def _ellipse(field: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Centre x, y and half axes across and down of the field, in pixels.

    Of the circle its edge lies on; of an ellipse where that takes up clearly more of the edge (the picture was
    squeezed); of the square around the field where its edge lies on neither.
    """
    height, width = field.shape
    outlines, _ = cv2.findContours(field, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    edge = outlines[0][:, 0, :].astype(np.float64)
    (left, top), (right, bottom) = edge.min(axis=0), edge.max(axis=0)
    middle, half = np.array([left + right, top + bottom]) / 2, max(right - left, bottom - top) / 2 + 0.5
    free = (edge[:, 0] > 2) & (edge[:, 0] < width - 3) & (edge[:, 1] > 2) & (edge[:, 1] < height - 3)
    points = (edge[free] - middle) / half
    points = points[:: max(len(points) // _POINTS, 1)]
    round_votes, circle = _fitted(points, _NEAR_PX / half, squeezed=False)
    votes, ellipse = _fitted(points, _NEAR_PX / half, squeezed=True)
    chosen, votes = (ellipse, votes) if votes > 1.25 * round_votes else (circle, round_votes)
    x, y, across, down = chosen if votes >= _LEAST else (0.0, 0.0, 1.0, 1.0)
    return float(middle[0] + half * x), float(middle[1] + half * y), half * across, half * down


def _fitted(points: NDArray[np.float64], near: float, *, squeezed: bool) -> tuple[int, tuple[float, float, float, float]]:
    """How many of the points (n, 2) lie on the circle or upright ellipse that most lie on, and its centre and half axes.

    Straight pieces (a field cut above and below) must not bend it, so curves through few points are tried
    (RANSAC: Fischler & Bolles, CACM 24, 1981) and the best is fitted to its own points by least squares.
    """
    if len(points) < _LEAST:
        return 0, (0.0, 0.0, 1.0, 1.0)
    x, y = points.T
    # x^2 + f y^2 = a x + b y + c, with f = 1 for a circle
    known = -(x**2) if squeezed else -(x**2 + y**2)
    system = np.column_stack([-x, -y, -np.ones_like(x), *([y**2] if squeezed else [])])
    size = system.shape[1]
    draws = np.random.default_rng(0).integers(0, len(points), (_TRIALS, size))
    draws = draws[np.abs(np.linalg.det(system[draws])) > 1e-7]
    terms = np.linalg.solve(system[draws], known[draws][:, :, None])[:, :, 0]
    axes = _axes(terms)
    centre_x, centre_y, across, down = axes
    on_it = np.abs(np.hypot((x[:, None] - centre_x) / across, (y[:, None] - centre_y) / down) - 1) * np.minimum(across, down) < near
    votes = np.where(_likely(axes), on_it.sum(axis=0), 0)
    if votes.size == 0 or votes.max() < _LEAST:
        return 0, (0.0, 0.0, 1.0, 1.0)
    kept = on_it[:, votes.argmax()]
    best, *_ = np.linalg.lstsq(system[kept], known[kept], rcond=None)
    axes = _axes(best[None])
    found = (float(axes[0][0]), float(axes[1][0]), float(axes[2][0]), float(axes[3][0]))
    return (int(votes.max()) if _likely(axes).all() else 0), found


def _likely(axes: tuple[NDArray[np.float64], ...]) -> NDArray[np.bool_]:
    """Which curves may be the edge of the field that the points go round, from -1 to 1."""
    x, y, across, down = axes
    likely: NDArray[np.bool_] = (across > 0.7) & (across < 1.6) & (down > 0.6) & (down < 1.6)
    likely &= (np.hypot(x, y) < 0.5) & (across < 1.7 * down) & (down < 1.7 * across)
    return likely


def _axes(terms: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Centres and half axes, each (n,), of x^2 + f y^2 = a x + b y + c; terms (n, 3 or 4) are a, b, c and f. Axis 0.01 where there is none."""
    a, b, c = terms[:, 0], terms[:, 1], terms[:, 2]
    f = np.maximum(terms[:, 3], 1e-6) if terms.shape[1] == 4 else np.ones_like(a)
    across = np.sqrt(np.maximum(c + a * a / 4 + b * b / (4 * f), 1e-4))
    return a / 2, b / (2 * f), across, across / np.sqrt(f)


def _texture(pixels: NDArray[np.float32], inside: NDArray[np.bool_]) -> Signature:
    """Fine structure with even contrast; what is outside, and a border that feels the edge, is OUTSIDE."""
    weight = inside.astype(np.float32)
    fine = (pixels - _mean(pixels, weight, _FINE)) * weight
    power = _mean(fine * fine, weight, _EVEN)
    floor = 0.25 * float((fine * fine).sum() / max(weight.sum(), 1.0)) + 1e-2
    even = np.clip(fine / np.sqrt(power + floor) * _UNIT, -127, 127)
    core = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=3, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.where(core > 0, even, OUTSIDE).astype(np.int8)


def _mean(plane: NDArray[np.float32], weight: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Mean around each pixel over what has weight."""
    total = cv2.GaussianBlur(plane * weight, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    share = cv2.GaussianBlur(weight, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(total / np.maximum(share, 1e-3), np.float32)
