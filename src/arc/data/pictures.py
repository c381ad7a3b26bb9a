"""Pictures: the photograph and the mask of a manifest's row as pixels, and the circle that the camera saw.

Everything that looks at a registered version reads through here: preprocessing, validation, drift, training. Its files were
decoded once in the sandbox when they came in, and are known to be those since (`arc.artifacts.tree`), so they are
read in this process. Foreign files are for `arc.data.photographs`.

A camera's field of view is round, cut off above and below by many cameras, on a surround that is black as a rule, but white or
grey in some collections. Pictures that are cut to the optic disc have no surround: there the whole picture is the field.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.core.errors import BadData
from arc.data.manifest import Row

_WORK_PX: Final = 160  # the circle is looked for at this size
_CORNER_PX: Final = 3  # at that size: what is taken for the surround
_ALIKE: Final = 24  # levels by which corners of one surround may differ
_NEUTRAL: Final = 36  # levels by which the channels of a surround may differ: black, grey and white, but no retina
_LIT: Final = 0.12  # of the difference between field and surround: from here on it is field
_LEAST_LIT: Final = 8  # and at least this many levels
_SPECK: Final = np.ones((3, 3), np.uint8)  # smaller things are noise
_DRAWS: Final = np.random.default_rng(0).random((3, 96))  # three points for each circle that is tried, as shares of all
_NEAR_PX: Final = 1.0  # a point this near lies on a circle
_LEAST: Final = 24  # points that a circle needs
_SHARE: Final = 0.4  # and the share of all points
_POINTS: Final = 128  # about as many points are tried
_LEAST_RADIUS: Final = 0.3  # of the shorter side
_LEAST_INSIDE: Final = 0.5  # share of the circle that is lit: a lid may hide the rest
_MOST_OUTSIDE: Final = 0.15  # share of the rest that is lit: stamps and scales
_BEYOND_PX: Final = 0.5  # the edge lies beyond the middle of the last lit pixel


@dataclass(frozen=True)
class Circle:
    """A circle on a picture, in pixels; (0, 0) is the middle of the first pixel."""

    x: float
    y: float
    radius: float

    def box(self, height: int, width: int, *, margin: float = 0.0) -> tuple[int, int, int, int]:
        """Top, bottom, left and right (the ends not included) of the square around it, on a picture of that size.

        `margin` is added on every side, as a share of the diameter.
        """
        half = self.radius * (1 + 2 * margin)
        top, left = max(round(self.y - half), 0), max(round(self.x - half), 0)
        return top, min(round(self.y + half) + 1, height), left, min(round(self.x + half) + 1, width)

    def inside(self, height: int, width: int) -> NDArray[np.uint8]:
        """H x W: 255 inside the circle, 0 outside."""
        if np.hypot(max(self.x, width - 1 - self.x), max(self.y, height - 1 - self.y)) <= self.radius:
            return np.full((height, width), 255, np.uint8)
        mask = np.zeros((height, width), np.uint8)
        cv2.circle(mask, (round(self.x * 16), round(self.y * 16)), round(self.radius * 16), 255, cv2.FILLED, shift=4)
        return mask

    def share(self, height: int, width: int) -> float:
        """How much of a picture of that size it covers, 0 to 1."""
        return float(np.count_nonzero(self.inside(height, width))) / (height * width)


def whole(height: int, width: int) -> Circle:
    """The circle around a whole picture: nothing of it is outside."""
    return Circle((width - 1) / 2, (height - 1) / 2, float(np.hypot(height, width)) / 2)


def read(folder: Path, row: Row) -> NDArray[np.uint8]:
    """The photograph of a row, H x W x 3, RGB; BadData naming the file when it cannot be decoded."""
    return picture_of(folder, row.file)


def picture_of(folder: Path, file: str) -> NDArray[np.uint8]:
    """The picture of a plain file below `folder`, H x W x 3, RGB; BadData naming the file when it cannot be decoded."""
    return _decoded(folder, file, cv2.IMREAD_COLOR_RGB)


def read_mask(folder: Path, row: Row) -> NDArray[np.uint8] | None:
    """The mask of a row, H x W, or None where it has none; BadData naming the file when it cannot be decoded."""
    return _decoded(folder, row.mask, cv2.IMREAD_GRAYSCALE) if row.mask else None


def _decoded(folder: Path, file: str, how: int) -> NDArray[np.uint8]:
    try:
        data = np.fromfile(folder / file, np.uint8)
    except OSError as error:
        raise BadData(f"{file} cannot be read: {error.strerror}", field="dataset", value=file) from None
    picture = cv2.imdecode(data, how) if data.size else None
    if picture is None:
        raise BadData(f"{file} cannot be decoded", field="dataset", value=file)
    return np.asarray(picture, np.uint8)


def field_of_view(image: NDArray[np.uint8]) -> Circle:
    """The circle that the camera saw on a photograph (H x W x 3, uint8); the whole picture where there is none.

    Of the outermost lit pixels of each row and column, those on the frame of the picture left out, the circle on
    which most of them lie (RANSAC: Fischler & Bolles, CACM 24, 1981), then fitted to these by least squares (Kasa, IEEE
    Trans. Instrum. Meas. 25, 1976). So a notch, a straight cut or a lid that hides a part does not bend it.
    """
    height, width = image.shape[:2]
    scale = min(_WORK_PX / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    lit = _lit(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8))  # a few pixels of each block will do
    found = _fitted(_edge(lit)) if lit is not None else None
    if lit is None or found is None or not _likely(found, lit):
        return whole(height, width)
    across, down = width / size[0], height / size[1]
    x, y = (found.x + 0.5) * across - 0.5, (found.y + 0.5) * down - 0.5
    return Circle(x, y, (found.radius + _BEYOND_PX) * (across + down) / 2)


def _lit(small: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """1 where the picture is not its surround, specks left out, 0 elsewhere; None where there is no surround."""
    edge = _CORNER_PX
    blocks = (small[:edge, :edge], small[:edge, -edge:], small[-edge:, :edge], small[-edge:, -edge:])
    corners = np.array([cv2.mean(block)[:3] for block in blocks])
    alike = np.abs(corners[:, None] - corners[None]).max(axis=2) <= _ALIKE
    most = alike[alike.sum(axis=1).argmax()]
    surround = corners[most].mean(axis=0)
    if most.sum() < 2 or np.ptp(surround) > _NEUTRAL:
        return None
    red, green, blue = cv2.split(cv2.absdiff(small, np.append(surround, 0.0)))
    away = np.asarray(cv2.max(cv2.max(red, green), blue))
    bright = np.partition(away.ravel(), away.size * 9 // 10)[away.size * 9 // 10]
    level = max(_LIT * float(bright), _LEAST_LIT)
    return np.asarray(cv2.morphologyEx((away > level).astype(np.uint8), cv2.MORPH_OPEN, _SPECK), np.uint8)


def _edge(lit: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n, 2): x, y of the first and last lit pixel of each row and column, those on the frame left out."""
    points = []
    for turned in (lit, lit.T):
        lines = np.flatnonzero(turned.any(axis=1))
        first = turned[lines].argmax(axis=1)
        last = turned.shape[1] - 1 - turned[lines, ::-1].argmax(axis=1)
        free = np.concatenate([first > 0, last < turned.shape[1] - 1])
        places = np.column_stack([np.concatenate([first, last]), np.concatenate([lines, lines])])[free]
        points.append(places if turned is lit else places[:, ::-1])
    return np.concatenate(points).astype(np.float64)


def _fitted(points: NDArray[np.float64]) -> Circle | None:
    """The circle most of the points (n, 2) lie on, or None when too few lie on any."""
    if len(points) < _LEAST:
        return None
    some = points[:: max(len(points) // _POINTS, 1)]
    a, b, c = some[(_DRAWS * len(some)).astype(np.intp)]
    (bx, by), (cx, cy) = (b - a).T, (c - a).T
    twice_area = 2 * (bx * cy - by * cx)
    straight = np.abs(twice_area) < 1e-6
    twice_area[straight] = 1.0
    to_b, to_c = bx**2 + by**2, cx**2 + cy**2
    dx, dy = (cy * to_b - by * to_c) / twice_area, (bx * to_c - cx * to_b) / twice_area
    away = np.sqrt((some[:, :1] - (a[:, 0] + dx)) ** 2 + (some[:, 1:] - (a[:, 1] + dy)) ** 2) - np.hypot(dx, dy)
    votes = np.where(straight, 0, np.count_nonzero(np.abs(away) < _NEAR_PX, axis=0))
    best = votes.argmax()
    x, y, radius = a[best, 0] + dx[best], a[best, 1] + dy[best], np.hypot(dx[best], dy[best])
    near = points[np.abs(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius) < 2 * _NEAR_PX]
    if len(near) < max(_LEAST, _SHARE * len(points)):
        return None
    (x, y, rest), *_ = np.linalg.lstsq(np.column_stack([2 * near, np.ones(len(near))]), (near**2).sum(axis=1), rcond=None)
    return Circle(float(x), float(y), float(np.sqrt(rest + x**2 + y**2)))


def _likely(circle: Circle, lit: NDArray[np.uint8]) -> bool:
    """Whether a circle can be the field: most of what is inside is lit, little of what is outside, and it is no small thing at the side."""
    height, width = lit.shape
    inside = circle.inside(height, width) > 0
    if not inside.any() or circle.radius < _LEAST_RADIUS * min(height, width) or circle.radius > max(height, width):
        return False
    outside_lit = lit[~inside].mean() if not inside.all() else 0.0
    return bool(lit[inside].mean() > _LEAST_INSIDE and outside_lit < _MOST_OUTSIDE)


def field_at(image: NDArray[np.uint8], field: Circle, diameter_px: int) -> tuple[NDArray[np.uint8], Circle]:
    """The field brought to one size, so that what is measured on it does not depend on the camera's pixels, and where it is then.

    Answers the square around the field with `diameter_px` across the circle (h x w x 3, RGB; smaller where the picture
    cuts the field off). A field that has fewer pixels is left as it is.
    """
    top, bottom, left, right = field.box(*image.shape[:2])
    cut, scale = image[top:bottom, left:right], min(diameter_px / (2 * field.radius), 1.0)
    size = max(round(cut.shape[1] * scale), 1), max(round(cut.shape[0] * scale), 1)
    x, y = field.x - left, field.y - top
    return shrunk(cut, size), Circle((x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5, field.radius * scale)


def shrunk(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Pixels (H x W or H x W x 3) brought to a smaller size (width, height) in which each of them counts.

    Halved by averaging while that is not too small, and then bilinear, as mipmaps are (Williams, SIGGRAPH 1983): OpenCV has a
    fast way for both, and none for averaging over fractions. A last odd row or column is left out when halving.
    """
    while pixels.shape[1] >= 2 * size[0] and pixels.shape[0] >= 2 * size[1]:
        width, height = pixels.shape[1] // 2, pixels.shape[0] // 2
        pixels = np.asarray(cv2.resize(pixels[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)
