"""Steps: what is done to a photograph before anything learns from it, and to its mask in the same breath.

A step either moves pixels, and then the mask and the field of view go through the same geometry, or changes colours, and
then they stay. Masks are resized to the nearest pixel by its middle, so their values stay what they were and the disc does
not slip by half a pixel. Pure functions: the photograph that was given is not written into.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.data.derive_spec import CentreCrop, Clahe, Colour, FieldOfView, Resize, Step
from arc.data.pictures import Circle, field_of_view, shrunk

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """A photograph on its way through the steps."""

    image: Pixels  # H x W x 3, RGB
    mask: Pixels | None  # H x W
    field: Circle  # on this image
    shown: tuple[int, int, int, int]  # top, bottom, left and right (the ends not included) of what is photograph and no padding

    def inside(self) -> Pixels:
        """H x W: 255 where the field of view is and the photograph shows it, 0 elsewhere."""
        top, bottom, left, right = self.shown
        height, width = self.image.shape[:2]
        inside = np.zeros((height, width), np.uint8)
        inside[top:bottom, left:right] = self.field.inside(height, width)[top:bottom, left:right]
        return inside


def take(image: Pixels, steps: Sequence[Step], *, mask: Pixels | None = None, field: Circle | None = None) -> Frame:
    """Take the steps in order. `mask` has the size of the image; `field`: its field of view, where that is known already."""
    frame = Frame(image, mask, field or field_of_view(image), (0, image.shape[0], 0, image.shape[1]))
    for step in steps:
        frame = _taken(frame, step)
    return frame


def _taken(frame: Frame, step: Step) -> Frame:
    match step:
        case FieldOfView():
            return _cut(frame, *frame.field.box(*frame.image.shape[:2], margin=step.margin))
        case CentreCrop():
            return _centre(frame, step.margin)
        case Clahe():
            return replace(frame, image=_clahe(frame.image, step))
        case Colour():
            return replace(frame, image=_colour(frame, step))
        case Resize():
            return _resized(frame, step.side_px)


def _cut(frame: Frame, top: int, bottom: int, left: int, right: int) -> Frame:
    mask = frame.mask[top:bottom, left:right] if frame.mask is not None else None
    field = replace(frame.field, x=frame.field.x - left, y=frame.field.y - top)
    rows, columns = np.clip(frame.shown[:2], top, bottom) - top, np.clip(frame.shown[2:], left, right) - left
    return Frame(frame.image[top:bottom, left:right], mask, field, (int(rows[0]), int(rows[1]), int(columns[0]), int(columns[1])))


def _centre(frame: Frame, margin: float) -> Frame:
    """Cut `margin` of each side off; one pixel is left at least."""
    height, width = frame.image.shape[:2]
    top, left = min(round(margin * height), (height - 1) // 2), min(round(margin * width), (width - 1) // 2)
    return _cut(frame, top, height - top, left, width - left)


def _clahe(image: Pixels, step: Clahe) -> Pixels:
    """Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994."""
    even = cv2.createCLAHE(step.clip, (step.tiles, step.tiles))
    if step.channel == "green":
        green = even.apply(cv2.extractChannel(image, 1))
        return np.asarray(cv2.insertChannel(green, image.copy(), 1), np.uint8)
    if step.channel == "lightness":
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        lab = cv2.insertChannel(even.apply(cv2.extractChannel(lab, 0)), lab, 0)
        return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)
    return np.asarray(cv2.merge([even.apply(channel) for channel in cv2.split(image)]), np.uint8)


def _colour(frame: Frame, step: Colour) -> Pixels:
    """Within the field each channel gets a new mean, and with mean_std a new spread too; outside nothing changes.

    gray_world: Buchsbaum, A spatial processor model for object colour perception, J. Franklin Inst. 310, 1980. mean_std: the
    transfer of Reinhard et al., Color transfer between images, IEEE CG&A 21, 2001, channel by channel to a fixed target.
    """
    inside = frame.inside()
    means, spreads = (values[:, 0] for values in cv2.meanStdDev(frame.image, mask=inside))
    if step.method == "gray_world":
        gains, target = means.mean() / np.maximum(means, 1.0), means.mean()
    else:
        gains, target = step.spread / np.maximum(spreads, 1.0), step.mean
    levels = np.arange(256)[:, None]
    table = np.clip(np.rint((levels - means) * gains + target), 0, 255).astype(np.uint8)
    return np.asarray(cv2.copyTo(cv2.LUT(frame.image, table[None]), inside, frame.image.copy()), np.uint8)


def _resized(frame: Frame, side: int) -> Frame:
    """The longer side becomes `side`, the shorter one is padded with black."""
    height, width = frame.image.shape[:2]
    scale = side / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    even = 1  # what halving would leave out is cut off before, so that the mask is cut alike
    while width >= 2 * even * size[0] and height >= 2 * even * size[1]:
        even *= 2
    frame = _cut(frame, 0, height // even * even, 0, width // even * even)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    image = shrunk(frame.image, size) if scale < 1 else cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC)
    mask = cv2.resize(frame.mask, size, interpolation=cv2.INTER_NEAREST_EXACT) if frame.mask is not None else None
    edges = top, side - size[1] - top, left, side - size[0] - left
    scale = size[0] / frame.image.shape[1] if width >= height else size[1] / frame.image.shape[0]
    field = Circle((frame.field.x + 0.5) * scale - 0.5 + left, (frame.field.y + 0.5) * scale - 0.5 + top, frame.field.radius * scale)
    rows, columns = (round(at * scale) + top for at in frame.shown[:2]), (round(at * scale) + left for at in frame.shown[2:])
    return Frame(_padded(image, edges), _padded(mask, edges) if mask is not None else None, field, (*rows, *columns))


def _padded(pixels: np.ndarray, edges: tuple[int, int, int, int]) -> Pixels:
    """Black added above, below, left and right."""
    return np.asarray(cv2.copyMakeBorder(pixels, *edges, cv2.BORDER_CONSTANT), np.uint8)
