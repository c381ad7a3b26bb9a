"""Samples: the photographs that tell most about a classifier, small enough to travel with a report.

Three kinds: right and sure, wrong and sure, and those nearest to the threshold. The report shows these and so
need not be given the sealed photographs themselves.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2

from arc.data.manifest import Row
from arc.data.pictures import read
from arc.fundus.measures import Judged
from arc.fundus.pictures import square

SIDE_PX: Final = 176
KINDS: Final = ("right", "wrong", "uncertain")


def choose(judged: Sequence[Judged], *, threshold: float, each: int) -> dict[str, list[int]]:
    """For each kind up to `each` positions in `judged`, the most telling first; half of `right` from each class."""
    order = sorted(range(len(judged)), key=lambda at: (-abs(judged[at].probability - threshold), at))
    right = [at for at in order if (judged[at].probability >= threshold) == bool(judged[at].label)]
    wrong = [at for at in order if at not in set(right)]
    ill = [at for at in right if judged[at].label][: each // 2]
    well = [at for at in right if not judged[at].label][: each - len(ill)]
    return {"right": ill + well, "wrong": wrong[:each], "uncertain": order[::-1][:each]}


def collect(folder: Path, rows: Sequence[Row], judged: Sequence[Judged], *, threshold: float, each: int) -> dict[str, list[dict[str, Any]]]:
    """The chosen photographs as JSON values, each with its picture as JPEG in base64."""
    return {
        kind: [_one(folder, rows[at], judged[at], threshold) for at in places]
        for kind, places in choose(judged, threshold=threshold, each=each).items()
    }


def _one(folder: Path, row: Row, one: Judged, threshold: float) -> dict[str, Any]:
    small = square(read(folder, row), SIDE_PX)
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    return {
        "file": row.file,
        "label": row.label,
        "patient": row.patient,
        "eye": row.eye,
        "site": row.site,
        "probability": one.probability,
        "called": "glaucoma" if one.probability >= threshold else "normal",
        "jpeg": base64.b64encode(data.tobytes()).decode(),
    }
