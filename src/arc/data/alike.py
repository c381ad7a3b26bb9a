"""Alike: which photographs of a list are the same picture, so that they stay in one split.

Where patients are not known this is all that stands between a copy and the sealed split. `duplicates` says how it is
found; here is only the reading, over the threads of the job.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from arc.core.errors import BadData
from arc.core.ports import RunContext
from arc.data import duplicates
from arc.data.parallel import each


def pairs(ctx: RunContext, files: Sequence[Path]) -> list[tuple[int, int]]:
    """Positions of photographs that show one picture; BadData naming a file that cannot be decoded."""
    ctx.phase("look for pictures that are there twice")
    signatures = each(ctx, files, _sign)
    return [(pair.a, pair.b) for pair in duplicates.find(signatures)]


def _sign(file: Path) -> duplicates.Signature:
    picture = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise BadData(f"{file.name} cannot be decoded", field="dataset", value=file.name)
    return duplicates.sign(np.asarray(picture))
