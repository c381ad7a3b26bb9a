"""Focus: the surroundings of the optic disc, which is where a classifier looks when it was given a segmenter.

A segmenter draws an outline; here its place alone is wanted, also on photographs of a camera that it never saw, where its
mask may be a crumb or half of the field. So the disc is where the chance of disc, blurred to the size of a disc, is highest in
the field. A square of a fixed share of the field around that place is looked at again, and the disc there tells middle and
height when it has a height that discs have; else the place stays, and the usual height is taken.

Eyes are mirror images of one another, so those whose disc lies right of the middle are mirrored: the nose is on the same side
in all. On photographs with the disc in their middle that side is chance. The segmenter's weights travel with
the classifier's in one file (`arc.fundus.predict`), so that whoever uses the model finds the disc as its training did.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from arc.fundus.framing import Window, around_disc, around_field, largest
from arc.fundus.networks import standardised
from arc.fundus.segment_losses import nested
from arc.fundus.segmenter_file import Segmenter

Bytes = NDArray[np.uint8]
_BLUR: Final = 0.06  # of the field's side: standard deviation of the blur, about a third of a disc
_NEAR: Final = 0.36  # of the field's side: what is looked at again, about two discs
_HEIGHTS: Final = (0.1, 0.26)  # of the field's side: lowest and highest disc, for cameras of 30 to 50 degrees
_USUAL: Final = 0.17  # of the field's side: height of a disc where it could not be measured, median of 769 photographs


@dataclass(frozen=True)
class Focus:
    """How the disc is found, and how much around it is looked at."""

    segmenter: Segmenter
    heights: float  # side of the square, in heights of the disc


@dataclass(frozen=True)
class View:
    """A square on a photograph, mirrored left to right or not."""

    window: Window
    mirrored: bool

    def of(self, pixels: Bytes, size: int) -> Bytes:
        """The view of an image or mask (H x W or H x W x 3), resampled to `size` pixels a side."""
        part = self.window.of(pixels, size)
        return np.ascontiguousarray(part[:, ::-1]) if self.mirrored else part


def view_of(photograph: Bytes, focus: Focus) -> View:
    """The surroundings of the disc on a photograph, H x W x 3, RGB."""
    field = around_field(photograph)
    far = _disc(focus.segmenter, field.of(photograph, focus.segmenter.card.input_size))
    blurred = cv2.GaussianBlur(far, (0, 0), _BLUR * len(far), borderType=cv2.BORDER_CONSTANT)
    y, x = (float(at) for at in np.unravel_index(blurred.argmax(), blurred.shape))
    scale = field.side / len(far)
    place = field.top + (y + 0.5) * scale, field.left + (x + 0.5) * scale
    near = _around(*place, _NEAR * field.side)
    chances = _disc(focus.segmenter, near.of(photograph, focus.segmenter.card.input_size))
    found = around_disc(largest(chances >= 0.5), 1.0)
    height, scale = _USUAL * field.side, near.side / len(chances)
    if found is not None and _HEIGHTS[0] <= found.side * scale / field.side <= _HEIGHTS[1]:
        height = found.side * scale
        place = near.top + (found.top + found.side / 2) * scale, near.left + (found.left + found.side / 2) * scale
    return View(_around(*place, focus.heights * height), mirrored=place[1] > field.left + field.side / 2)


def _around(y: float, x: float, side: float) -> Window:
    whole = max(round(side), 4)
    return Window(round(y - whole / 2), round(x - whole / 2), whole)


def _disc(segmenter: Segmenter, square: Bytes) -> NDArray[np.float32]:
    """S x S: the chance that each pixel of a square (S x S x 3) is disc."""
    image = torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1)))[None]
    with torch.no_grad():
        logits = segmenter.network(standardised(image, segmenter.device)).float()
    return np.asarray(nested(logits, segmenter.card.heads)[0, 0].cpu().numpy(), np.float32)
