"""Pictures: a split of a dataset in memory, each photograph decoded once.

A photograph is cut to its round field, padded with black to a square and shrunk to what the network sees, or, for a classifier
with a focus, cut to the surroundings of its disc (`arc.fundus.focus`); a sideways squeeze would change the very ratio that matters. Kept as bytes (uint8), so 1,000 photographs of
128 px are 49 MB. That the files are those of the version is seen to before a recipe runs (`arc.artifacts.tree`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from arc.core.errors import BadData
from arc.data import manifest
from arc.data.pictures import read
from arc.fundus.focus import Focus, view_of

LEAST_PX = 8  # side of the smallest photograph: a smaller one shows no disc
FIELD_LEVEL = 12  # brightness above which a pixel belongs to the field, of 255


@dataclass(frozen=True)
class Pictures:
    """One split in memory."""

    images_NCHW: torch.Tensor  # uint8, RGB
    labels_N: torch.Tensor  # int64, the class
    rows: tuple[manifest.Row, ...]

    def __len__(self) -> int:
        """Photographs in the split."""
        return len(self.rows)


def load(csv: Path, size: int, *, focus: Focus | None = None, tell: Callable[[int, int], None] | None = None) -> Pictures:
    """The photographs that a manifest names, as `seen` makes them; BadData naming what is missing, too small or cannot be decoded."""
    rows = manifest.read(csv)
    if not rows:
        raise BadData(f"{csv.name} names no photograph", field="dataset")
    images = torch.empty((len(rows), 3, size, size), dtype=torch.uint8)
    for index, row in enumerate(rows):
        whole = read(csv.parent, row)
        if min(whole.shape[:2]) < LEAST_PX:
            raise BadData(
                f"{row.file} has {whole.shape[1]} x {whole.shape[0]} px; a photograph has at least {LEAST_PX}",
                field="dataset",
                value=row.file,
            )
        picture = seen(whole, size, focus)
        images[index] = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        if tell is not None and index % 64 == 0:
            tell(index, len(rows))
    return Pictures(images, torch.tensor([row.index for row in rows], dtype=torch.int64), tuple(rows))


def seen(picture: NDArray[np.uint8], size: int, focus: Focus | None) -> NDArray[np.uint8]:
    """What a classifier sees of an H x W x 3 photograph, `size` x `size` x 3: its field, or with a focus what is around the disc."""
    return square(picture, size) if focus is None else view_of(picture, focus).of(picture, size)


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """`size` x `size` x 3 of an H x W x 3 photograph: the field, padded to a square, never squeezed."""
    rows, columns = (np.flatnonzero(picture.max(axis=2).max(axis=axis) > FIELD_LEVEL) for axis in (1, 0))
    if len(rows) and len(columns):
        picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = picture.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padded = cv2.copyMakeBorder(picture, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT)
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(padded, (size, size), interpolation=how))
