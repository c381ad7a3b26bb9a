"""Stacks: the sides of an array as pictures, one by one, and their numbers as 8 bits.

MATLAB keeps pictures as HxW or HxWx3 and stacks them along the last side; other tools stack along the first.
All readings of the sides that give plausible pictures are listed; how many labels there are tells which is meant.

As 8 bits: logical is 0 and 255; uint8 stays; uint16 keeps its upper byte; floating point from 0 to 1 is times
255, rounded; whole numbers from 0 to 255 of any other class stay. In masks whole numbers to 255 always stay.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arc.data.matlab_values import NUMBERS, Cells, Column, MatLimits, Node, Numbers, bad, size_of, too_large

_ORDERS: Final = {2: ("HW",), 3: ("HWC", "HWN", "NHW"), 4: ("HWCN", "NHWC")}
_SMALLEST: Final = 16  # px; as of photographs
_NARROWEST: Final = 4  # a side is at most so many times the other
_SLAB: Final = 64 << 20  # bytes read at once
_FLOATS: Final = frozenset({"single", "double"})
_ALWAYS: Final = frozenset({"logical", "uint8"})  # become 8 bits in one way, whatever they hold


@dataclass(frozen=True)
class Reading:
    """One way to see pictures in the sides of an array: `order` names its axes, count N, height H, width W, colours C."""

    order: str  # or cell, for a cell array with a picture in each
    count: int
    height: int  # of a cell array: of its first picture, as is width
    width: int


def readings(column: Column, *, empty: bool = False) -> list[Reading]:
    """All ways to see pictures in a column; none when it holds no pictures. `empty` cells count as pictures left out."""
    if column.kind in NUMBERS:
        return _of_array(column.shape)
    if column.kind == "cell" and size_of(column.shape) == max(column.shape, default=0) > 0:
        node = column.load()
        if isinstance(node, Cells) and all(isinstance(item, Numbers) for item in node.items):
            arrays = [item for item in node.items if isinstance(item, Numbers) and (item.size or not empty)]
            ones = [choose(_of_array(item.shape), count=1) for item in arrays]
            if ones and all(ones):
                return [Reading("cell", len(node.items), ones[0][0].height, ones[0][0].width)]
    return []


def _of_array(shape: tuple[int, ...]) -> list[Reading]:
    found = []
    for order in _ORDERS.get(len(shape), ()):
        sides = dict(zip(order, shape, strict=True))
        height, width = sides["H"], sides["W"]
        plausible = min(height, width) >= _SMALLEST and max(height, width) <= _NARROWEST * min(height, width)
        colours = sides.get("C", 3)
        if plausible and (colours == 3 or (colours == 1 and len(shape) == 4)) and sides.get("N", 1):
            found.append(Reading(order, sides.get("N", 1), height, width))
    return found


def choose(found: list[Reading], *, count: int | None, axes: str | None = None) -> list[Reading]:
    """The readings that fit; among several, one colour picture before three grey ones, then the only one of equal sides."""
    fits = [reading for reading in found if count in {None, reading.count} and axes in {None, reading.order}]
    if len(fits) > 1:
        fits = [reading for reading in fits if reading.order == "HWC"] or fits
        square = [reading for reading in fits if reading.height == reading.width]
        fits = square if len(square) == 1 else fits
    return fits


def pictures(name: str, node: Node, reading: Reading, limits: MatLimits) -> Iterator[tuple[str, NDArray[Any] | None]]:
    """Each picture with its class, (H, W) or (H, W, 3); None for an empty cell. TooLarge when there are too many or too large ones."""
    if reading.count > limits.pictures:
        raise too_large(f"{name} holds {reading.count:,} pictures; {limits.pictures:,} are read")
    if isinstance(node, Cells):
        for at, item in enumerate(node.items, 1):
            assert isinstance(item, Numbers)  # as `readings` saw
            inside = choose(_of_array(item.shape), count=1)
            if not inside and item.size:
                raise bad(f"{name}{{{at}}} is no picture: {'x'.join(map(str, item.shape))} {item.kind}")
            yield from _slabs(f"{name}{{{at}}}", item, inside[0], limits) if inside else [(item.kind, None)]
    elif isinstance(node, Numbers):
        yield from _slabs(name, node, reading, limits)


def _slabs(name: str, numbers: Numbers, reading: Reading, limits: MatLimits) -> Iterator[tuple[str, NDArray[Any]]]:
    """Pictures of one array, some megabytes of it at a time."""
    if reading.height * reading.width > limits.megapixels * 1e6:
        raise too_large(f"{name}: {reading.width} x {reading.height} pixels are more than {limits.megapixels:g} million")
    axis = reading.order.find("N")
    if axis < 0:
        yield numbers.kind, numbers.all()
        return
    each = numbers.size // reading.count * NUMBERS[numbers.kind]
    step = max(1, _SLAB // each)
    for begin in range(0, reading.count, step):
        slab = np.moveaxis(numbers.take(axis, begin, min(begin + step, reading.count)), axis, 0)
        if slab.ndim == 4 and slab.shape[3] == 1:
            slab = slab[..., 0]
        for picture in slab:
            yield numbers.kind, picture


@dataclass(frozen=True)
class Scale:
    """How the numbers of each class become 8 bits: stay, times_255 or upper_byte."""

    of: dict[str, str]
    warnings: tuple[str, ...]

    def bits(self, kind: str, picture: NDArray[Any]) -> NDArray[np.uint8]:
        """A picture as 8 bits, in rows."""
        match self.of[kind]:
            case "times_255":
                picture = np.rint(picture * np.float32(255) if kind == "single" else picture * 255.0)
            case "upper_byte":
                picture = picture >> 8
        return np.ascontiguousarray(picture, dtype=np.uint8)


def scale(name: str, node: Node, reading: Reading, limits: MatLimits, *, mask: bool) -> Scale:
    """How the pictures of a column become 8 bits, decided on all of them together; BadData for NaN and what has no range."""
    arrays = node.items if isinstance(node, Cells) else (node,)
    kinds = {array.kind for array in arrays if isinstance(array, Numbers)}
    spans = dict.fromkeys(sorted(kinds & _ALWAYS), (0.0, 255.0, True))
    every = enumerate(pictures(name, node, reading, limits), 1) if kinds - _ALWAYS else ()
    for at, (kind, picture) in every:
        if picture is None or kind in _ALWAYS:
            continue
        if kind in _FLOATS and not np.isfinite(picture).all():
            raise bad(f"{name} holds NaN or infinite values in picture {at}")
        low, high, whole = spans.get(kind, (0.0, 0.0, True))
        whole = whole and (kind not in _FLOATS or bool((picture == np.rint(picture)).all()))
        spans[kind] = (min(low, float(picture.min())), max(high, float(picture.max())), whole)
    warnings: list[str] = []
    return Scale({kind: _way(name, kind, *span, mask=mask, warnings=warnings) for kind, span in spans.items()}, tuple(warnings))


def _way(name: str, kind: str, low: float, high: float, whole: bool, *, mask: bool, warnings: list[str]) -> str:
    if kind == "logical" or (kind in _FLOATS and low >= 0 and high <= 1):
        return "times_255"
    if kind == "uint8":
        return "stay"
    if kind == "uint16" and not (mask and high <= 255):
        if high < 4096:
            warnings.append(f"{name} reaches {high:g} of 65535, so that its pictures are dark; scale it before it is saved")
        return "upper_byte"
    if whole and low >= 0 and high <= 255:
        if not mask:
            warnings.append(f"{name} holds whole numbers from {low:g} to {high:g} as {kind}; they were taken as 8 bits")
        return "stay"
    raise bad(f"{name} holds {kind} from {low:g} to {high:g}; read are 0 to 1, or whole numbers from 0 to 255")
