"""Masked: a split of photographs with their masks in memory, as the squares that a segmenter is trained on.

Everything that would make a training worthless is looked for before the first photograph is decoded where the manifest
tells it, else while reading: a photograph without a mask, one of a few pixels or of one colour alone, a mask of another
size or of other values, a split that shows one structure alone. The error names the file.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from arc.core.errors import BadData
from arc.data import manifest
from arc.data.manifest import Row
from arc.data.masks import BACKGROUND, CUP, DISC
from arc.data.pictures import read, read_mask
from arc.fundus.framing import around_disc, around_field, largest
from arc.fundus.pictures import LEAST_PX

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Squares:
    """One split in memory: of each photograph its field, and after all of these the surroundings of each disc if wanted."""

    images_NCHW: torch.Tensor  # uint8, RGB
    classes_NHW: torch.Tensor  # uint8: 0 background, 1 rim of the disc, 2 cup
    rows: tuple[Row, ...]  # of the photographs, not of the squares

    def __len__(self) -> int:
        """Squares in the split."""
        return len(self.images_NCHW)


def load(csv: Path, size: int, *, focus: float, tell: Callable[[int, int], None] | None = None) -> Squares:
    """The squares of a manifest's photographs, `size` px a side; BadData as the module says."""
    rows = rows_of(csv)
    fields: list[tuple[Bytes, Bytes]] = []
    discs: list[tuple[Bytes, Bytes]] = []
    for at, (photograph, mask) in enumerate(pairs(csv.parent, rows)):
        windows = [around_field(photograph), around_disc(largest(mask >= DISC), focus) if focus else None]
        for window, kept in zip(windows, (fields, discs), strict=True):
            if window is not None:
                kept.append((window.of(photograph, size), window.of_mask(mask, size)))
        if tell is not None and at % 16 == 0:
            tell(at, len(rows))
    images = np.stack([image.transpose(2, 0, 1) for image, _ in fields + discs])
    classes = np.stack([mask for _, mask in fields + discs])
    for value, part in ((1, "rim of the disc (128)"), (2, "cup (255)")):
        if not (classes == value).any():
            raise BadData(f"no mask of {csv.name} shows a {part} at {size} pixels; disc and cup are both needed", field="dataset")
    return Squares(torch.from_numpy(images), torch.from_numpy(classes), tuple(rows))


def rows_of(csv: Path) -> Sequence[Row]:
    """The rows of a manifest; BadData when it has none, or naming the first without a mask."""
    rows = manifest.read(csv)
    if not rows:
        raise BadData(f"{csv.name} names no photograph", field="dataset")
    bare = [row.file for row in rows if not row.mask]
    if bare:
        raise BadData(f"{len(bare)} of {len(rows)} photographs of {csv.name} have no mask, {bare[0]} first", field="dataset", value=bare[0])
    return rows


def pairs(folder: Path, rows: Sequence[Row]) -> Iterator[tuple[Bytes, Bytes]]:
    """Each photograph (H x W x 3) with its mask (H x W; 0, 128, 255); BadData naming a photograph that shows nothing, or a mask that does not fit."""
    for row in rows:
        photograph, mask = read(folder, row), read_mask(folder, row)
        if min(photograph.shape[:2]) < LEAST_PX:
            height, width = photograph.shape[:2]
            raise BadData(f"{row.file} has {width} x {height} px; a photograph has at least {LEAST_PX}", field="dataset", value=row.file)
        if photograph.min() == photograph.max():
            raise BadData(f"{row.file} shows nothing: every pixel is {photograph.min()}", field="dataset", value=row.file)
        if mask is None or mask.shape != photograph.shape[:2]:
            sizes = [f"{shape[1]} x {shape[0]}" for shape in (() if mask is None else mask.shape, photograph.shape) if shape]
            raise BadData(f"{row.mask} has not the size of its photograph: {' and '.join(sizes)} pixels", field="dataset", value=row.mask)
        strange = set(np.unique(mask).tolist()) - {BACKGROUND, DISC, CUP}
        if strange:
            raise BadData(f"{row.mask} holds {sorted(strange)[:5]}; a mask holds 0, 128 and 255", field="dataset", value=row.mask)
        yield photograph, mask
