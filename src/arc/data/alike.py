"""Alike: which photographs of a list are the same picture, so that they stay in one split.

Where patients are not known this is all that stands between a copy and the sealed split. `duplicates` says how it is
found; here is only the reading, over the threads of the job.
"""

from collections.abc import Sequence
from pathlib import Path

from arc.core.ports import RunContext
from arc.data import duplicates
from arc.data.parallel import each
from arc.data.pictures import picture_of


def pairs(ctx: RunContext, files: Sequence[Path]) -> tuple[list[tuple[int, int]], list[str]]:
    """Positions of photographs that show one picture, and warnings; BadData naming a file that cannot be decoded."""
    ctx.phase("look for pictures that are there twice")
    signatures = each(ctx, files, _sign)
    untold = sum(not duplicates.tells(signature) for signature in signatures)
    said = [f"{untold} photographs {duplicates.UNTOLD}"] if untold else []
    return [(pair.a, pair.b) for pair in duplicates.find(signatures)], said


def _sign(file: Path) -> duplicates.Signature:
    return duplicates.sign(picture_of(file.parent, file.name))
