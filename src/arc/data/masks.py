"""Masks: what an annotation's files draw, as one picture with 0 background, 128 disc, 255 cup, inside the sandbox.

A mask that shows one thing alone stays binary, 0 and 255. Label pictures may hold 0, 1 and 2, and may be turned around
as those of REFUGE are (0 cup, 128 disc, 255 background): the corners of a picture are background, so where all four
are 255 the values are turned. Soft maps count from one half on, as experts averaged. Outlines are filled, the cup over
the disc. Every mask has the size of its photograph, as it is after the camera's orientation was applied.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from arc.core.errors import ArcError, BadData, TooLarge
from arc.data.decode import LIMITS, picture
from arc.data.names import part_of_folder

BACKGROUND, DISC, CUP = 0, 128, 255
_ON: Final = 255  # what a mask shows that shows one thing alone
_HALF: Final = 128  # of a soft map's 255
_STRAY: Final = 0.5  # share of the cup outside of the disc from which on the files are taken for something else

Mask = NDArray[np.uint8]
Outline = list[tuple[float, float]]


def mask_of(annotation: Mapping[str, Any], size: tuple[int, int], rules: Mapping[str, Any]) -> Image.Image:
    """The mask of a photograph of `size` (width, height) from {kind, files}; BadData when it cannot be made."""
    files = [Path(file) for file in annotation["files"]]
    names = " and ".join(repr(file.name) for file in files)
    try:
        mask = _MAKERS[annotation["kind"]](files, size, rules)
    except ArcError as error:
        raise BadData(f"its mask {names}: {error.message}") from None
    return Image.fromarray(mask)


def _of_labels(files: Sequence[Path], size: tuple[int, int], rules: Mapping[str, Any]) -> Mask:
    values = _grey(files[0], size, rules)
    held = set(np.unique(values).tolist())
    if held == {0, 1, 2} or held == {0, 2}:
        return (values * 127.5 + 0.5).astype(np.uint8)
    if held <= {0, 1}:
        return values * np.uint8(_ON)
    if not held <= {BACKGROUND, DISC, CUP}:
        raise BadData(f"it holds {sorted(held - {BACKGROUND, DISC, CUP})[:5]}; 0, 128 and 255, or 0, 1 and 2 are read")
    if not _turned(values):
        return values
    if held == {255}:
        raise BadData("it has no background")
    return np.where(values == DISC, np.uint8(DISC), 255 - values).astype(np.uint8)


def _of_disc_and_cup(files: Sequence[Path], size: tuple[int, int], rules: Mapping[str, Any]) -> Mask:
    return _nested(*[_binary(file, size, rules) for file in files])


def _of_soft_maps(files: Sequence[Path], size: tuple[int, int], rules: Mapping[str, Any]) -> Mask:
    return _nested(*[_grey(file, size, rules) >= _HALF for file in files])


def _of_polygons(files: Sequence[Path], size: tuple[int, int], rules: Mapping[str, Any]) -> Mask:
    """A JSON as LabelMe writes it: shapes with label and points; or {disc: points, cup: points}."""
    content = _json(files[0])
    drawn_at = (content.get("imageWidth") or size[0], content.get("imageHeight") or size[1])
    if drawn_at != size:
        raise BadData(f"it was drawn at {drawn_at[0]} x {drawn_at[1]} pixels, the photograph has {size[0]} x {size[1]}")
    shapes = content.get("shapes")
    if shapes is None:
        shapes = [{"label": name, "points": points} for name, points in content.items() if isinstance(points, list)]
    if not isinstance(shapes, list) or len(shapes) > LIMITS["shapes"]:
        raise BadData(f"it has no list of at most {LIMITS['shapes']} shapes")
    outlines: dict[str, list[Outline]] = {"disc": [], "cup": []}
    for shape in shapes:
        if not isinstance(shape, dict) or shape.get("shape_type") not in {None, "polygon"}:
            continue  # boxes and points say where to look, not what is there
        part = part_of_folder(str(shape.get("label"))[:60])
        if part:
            outlines[part].append(_outline(shape.get("points"), size))
    if not outlines["disc"]:
        raise BadData("it draws no disc")
    disc, cup = (_filled(outlines[part], size) for part in ("disc", "cup"))
    return _nested(disc, cup) if outlines["cup"] else disc * np.uint8(DISC)


def _of_contours(files: Sequence[Path], size: tuple[int, int], rules: Mapping[str, Any]) -> Mask:
    """Texts with `x y` a line, of the disc and then the cup."""
    filled = [_filled([_outline(_points(file), size)], size) for file in files]
    return _nested(*filled) if len(filled) > 1 else filled[0] * np.uint8(_ON)


_MAKERS: Final[Mapping[str, Callable[[Sequence[Path], tuple[int, int], Mapping[str, Any]], Mask]]] = {
    "labels": _of_labels,
    "disc_cup": _of_disc_and_cup,
    "soft": _of_soft_maps,
    "polygons": _of_polygons,
    "contours": _of_contours,
}


def _grey(file: Path, size: tuple[int, int], rules: Mapping[str, Any]) -> Mask:
    image = picture(file, rules)
    if image.size != size:
        raise BadData(f"it has {image.width} x {image.height} pixels, the photograph {size[0]} x {size[1]}")
    if image.mode == "P":
        return _of_palette(image)
    if image.mode in {"1", "L"}:
        return np.asarray(image.convert("L"))
    if image.mode.startswith(("I", "F")):
        raise BadData("it has 16 bits or more a pixel; 8 are read")
    colours = np.asarray(image.convert("RGB"))
    if (colours != colours[:, :, :1]).any():
        raise BadData("it is in colours; the values of a mask are grey")
    return np.ascontiguousarray(colours[:, :, 0])


def _of_palette(image: Image.Image) -> Mask:
    """The greys of the palette; or the numbers into it, where these are labels and the palette paints them for the eye."""
    numbers, greys = np.asarray(image), np.asarray(image.convert("L"))
    painted = numbers.max() <= 2 and not set(np.unique(greys).tolist()) <= {BACKGROUND, DISC, CUP}
    return numbers if painted else greys


def _binary(file: Path, size: tuple[int, int], rules: Mapping[str, Any]) -> NDArray[np.bool_]:
    values = _grey(file, size, rules)
    if len(held := np.unique(values)) > 2:
        raise BadData(f"{file.name!r} holds {len(held)} values; a mask of disc or cup holds two")
    return (values != 255) if _turned(values) and len(held) == 2 else (values != 0)


def _turned(values: Mask) -> bool:
    """Whether the corners, which are background, are white."""
    return bool((values[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all())


def _nested(disc: NDArray[np.bool_], cup: NDArray[np.bool_]) -> Mask:
    """Both as one picture; BadData when the cup mostly lies outside of the disc, as when the files are mixed up."""
    inside = (cup & disc).sum()
    if inside < _STRAY * cup.sum():
        raise BadData("most of the cup lies outside of the disc")
    return np.where(cup, CUP, np.where(disc, DISC, BACKGROUND)).astype(np.uint8)


def _filled(outlines: Sequence[Outline], size: tuple[int, int]) -> NDArray[np.bool_]:
    canvas = Image.new("1", size)
    draw = ImageDraw.Draw(canvas)
    for outline in outlines:
        draw.polygon(outline, fill=1, outline=1)
    return np.asarray(canvas)


def _json(file: Path) -> dict[str, Any]:
    if file.stat().st_size > LIMITS["drawing_bytes"]:
        raise TooLarge(f"it is larger than {LIMITS['drawing_bytes'] >> 20} MB")
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise BadData("it is no JSON that can be read") from None
    if not isinstance(content, dict):
        raise BadData("it is no JSON object")
    return content


def _points(file: Path) -> list[list[float]]:
    if file.stat().st_size > LIMITS["contour_bytes"]:
        raise TooLarge(f"it is larger than {LIMITS['contour_bytes'] >> 20} MB")
    try:
        lines = file.read_text(encoding="utf-8-sig").replace(",", " ").splitlines()
        return [[float(word) for word in line.split()] for line in lines if line.strip()]
    except ValueError:
        raise BadData(f"{file.name!r} is no text with two numbers a line") from None


def _outline(points: Any, size: tuple[int, int]) -> Outline:
    """Checked points; they may lie one pixel outside, as drawing programs leave them."""
    if not isinstance(points, list) or not 3 <= len(points) <= LIMITS["points"]:
        raise BadData(f"an outline does not have 3 to {LIMITS['points']} points")
    outline = []
    for point in points:
        numbers = point if isinstance(point, list) and len(point) == 2 else []
        if not numbers or not all(isinstance(value, int | float) and math.isfinite(value) for value in numbers):
            raise BadData("a point of an outline is not two numbers")
        x, y = float(numbers[0]), float(numbers[1])
        if not (-1 <= x <= size[0] + 1 and -1 <= y <= size[1] + 1):
            raise BadData(f"a point of an outline lies at {x:g}, {y:g}, outside of the photograph")
        outline.append((x, y))
    return outline
