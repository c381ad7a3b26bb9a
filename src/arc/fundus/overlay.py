"""Overlay: a photograph beside itself with the map of a network over it, and a legend that says what the colours are.

One picture is 680 px wide. The outline of the disc is white, that of what counts as looked at is black; a bar shows which
colour is which height. The colours are Turbo (Mikhailov, Google AI Blog, 2019), which rises evenly in brightness better than rainbows do.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Bytes = NDArray[np.uint8]
_SIDE: Final = 300
_BAR: Final = 16
_GAP: Final = 12
_FOOT: Final = 64
_WIDTH: Final = 2 * _SIDE + _BAR + 3 * _GAP + 28
_INK, _PAPER = (32, 36, 40), (255, 255, 255)
_MIX: Final = 0.45  # share of the map's colours


def draw(
    image_HWC: Bytes, heat_HW: NDArray[np.float32], disc_HW: NDArray[np.bool_] | None, *, threshold: float, lines: tuple[str, str]
) -> Bytes:
    """The picture, h x 680 x 3, RGB, with two lines of text below; `disc_HW` is None where no disc is known."""
    canvas = Image.new("RGB", (_WIDTH, _SIDE + 2 * _GAP + _FOOT), _PAPER)
    plain = _outlined(_sized(image_HWC), disc_HW, (255, 255, 255))
    canvas.paste(Image.fromarray(plain), (_GAP, _GAP))
    canvas.paste(Image.fromarray(mixed(_sized(image_HWC), heat_HW, disc_HW, threshold=threshold)), (2 * _GAP + _SIDE, _GAP))
    left = 3 * _GAP + 2 * _SIDE
    ramp = _colours(np.repeat(np.linspace(1, 0, _SIDE, dtype=np.float32)[:, None], _BAR, axis=1))
    canvas.paste(Image.fromarray(ramp), (left, _GAP))
    _letter(ImageDraw.Draw(canvas), left, threshold, lines, known=disc_HW is not None)
    return np.asarray(canvas, np.uint8)


def mixed(image_HWC: Bytes, heat_HW: NDArray[np.float32], disc_HW: NDArray[np.bool_] | None, *, threshold: float) -> Bytes:
    """The image with the map over it and both outlines, at the size of the image."""
    size = image_HWC.shape[1], image_HWC.shape[0]
    heat = np.asarray(cv2.resize(heat_HW, size, interpolation=cv2.INTER_LINEAR), np.float32)
    made = np.asarray(cv2.addWeighted(image_HWC, 1 - _MIX, _colours(heat), _MIX, 0), np.uint8)
    return _outlined(_outlined(made, heat >= threshold, (0, 0, 0)), disc_HW, (255, 255, 255))


def _sized(image_HWC: Bytes) -> Bytes:
    how = cv2.INTER_AREA if image_HWC.shape[0] > _SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image_HWC, (_SIDE, _SIDE), interpolation=how), np.uint8)


def _colours(heat_HW: NDArray[np.float32]) -> Bytes:
    return np.ascontiguousarray(cv2.applyColorMap((heat_HW * 255).round().astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1])


def _outlined(image_HWC: Bytes, part_HW: NDArray[np.bool_] | None, colour: tuple[int, int, int]) -> Bytes:
    if part_HW is None:
        return image_HWC
    size = image_HWC.shape[1], image_HWC.shape[0]
    part = cv2.resize(part_HW.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(image_HWC.copy(), outlines, -1, colour, 1, cv2.LINE_AA), np.uint8)


def _letter(pen: Any, left: int, threshold: float, lines: tuple[str, str], *, known: bool) -> None:
    small = ImageFont.load_default(11)
    for height in (0.0, threshold, 1.0):
        pen.text((left + _BAR + 4, _GAP + (1 - height) * (_SIDE - 1)), f"{height:g}", fill=_INK, font=small, anchor="lm")
    top = _SIDE + 2 * _GAP
    pen.text((_GAP, top), lines[0], fill=_INK, font=ImageFont.load_default(13))
    pen.text((_GAP, top + 20), lines[1], fill=_INK, font=small)
    outline = "white: outline of the optic disc; " if known else ""
    pen.text(
        (_GAP, top + 38),
        f"{outline}black: the map at {threshold:g} of its height; colours: how much it counted, 0 to 1",
        fill=_INK,
        font=small,
    )
