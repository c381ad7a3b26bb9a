"""Mask samples: the photographs on which a segmenter was worst, and the most ordinary ones, small enough to travel with a report.

Each is the surroundings of the true disc and of the one that was found, with the outlines of both: white is the truth, cyan what
was drawn. Ordered by the mean Dice of disc and cup, where what is not defined counts as nothing.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.data.manifest import Row
from arc.data.masks import DISC
from arc.data.pictures import read, read_mask
from arc.fundus.framing import around_disc, around_field

Bytes = NDArray[np.uint8]
SIDE_PX: Final = 240
KINDS: Final = ("worst", "ordinary")
TRUTH: Final = (255, 255, 255)
DRAWN: Final = (0, 229, 255)
_AROUND: Final = 1.4  # side of the square in heights of what it shows
_SHOWN: Final = ("disc_dice", "cup_dice", "vcdr", "vcdr_truth")


def choose(found: Sequence[Mapping[str, float]], *, each: int) -> dict[str, list[int]]:
    """For each kind up to `each` positions in `found`, the most telling first; no photograph is of both kinds."""
    scores = [_score(values) for values in found]
    order = sorted(range(len(found)), key=lambda at: (scores[at], at))
    worst = order[:each]
    middle = scores[order[len(order) // 2]] if order else 0.0
    ordinary = sorted(order[each:], key=lambda at: (abs(scores[at] - middle), at))
    return {"worst": worst, "ordinary": ordinary[:each]}


def outlined(photograph: Bytes, truth: Bytes, drawn: Bytes) -> Bytes:
    """A square of SIDE_PX (RGB) with the outlines of disc and cup in both masks (H x W; 0, 128, 255), around what they show."""
    window = around_disc((truth >= DISC) | (drawn >= DISC), _AROUND) or around_field(photograph)
    picture = np.ascontiguousarray(window.of(photograph, SIDE_PX))
    for mask, colour in ((truth, TRUTH), (drawn, DRAWN)):
        for level in (1, 2):
            part = (window.of_mask(mask, SIDE_PX) >= level).astype(np.uint8)
            outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(picture, outlines, -1, colour, 1, cv2.LINE_AA)
    return picture


def collect(
    folder: Path, rows: Sequence[Row], found: Sequence[Mapping[str, float]], drawn: Mapping[int, Bytes], chosen: Mapping[str, Sequence[int]]
) -> dict[str, list[dict[str, Any]]]:  # fmt: skip
    """The chosen photographs as JSON values, each with its picture as JPEG in base64; `drawn` holds their masks by position."""
    return {kind: [_one(folder, rows[at], found[at], drawn[at]) for at in places] for kind, places in chosen.items()}


def _one(folder: Path, row: Row, values: Mapping[str, float], drawn: Bytes) -> dict[str, Any]:
    truth = read_mask(folder, row)
    assert truth is not None  # it was measured against
    picture = outlined(read(folder, row), truth, drawn)
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    told = {"file": row.file, "patient": row.patient, "eye": row.eye, "site": row.site, "label": row.label}
    numbers = {name: values[name] if math.isfinite(values[name]) else None for name in _SHOWN}
    return told | numbers | {"jpeg": base64.b64encode(data.tobytes()).decode()}


def _score(values: Mapping[str, float]) -> float:
    return sum(values[name] for name in ("disc_dice", "cup_dice") if math.isfinite(values[name]))
