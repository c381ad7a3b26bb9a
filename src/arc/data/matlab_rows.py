"""Rows: the variables of a MATLAB file as PNG files and the rows of a table, inside the sandbox.

Called by the readers of both versions in the child that `arc.data.matlab` starts. The class of a
photograph is looked up among the words and numbers of `arc.data.names`; a patient is any short text or
whole number. Names in the file become neither attributes nor paths: pictures are numbered.
"""

import errno
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from arc.core.errors import BadData
from arc.data.matlab_fields import Found, recognise
from arc.data.matlab_stacks import choose, pictures, readings, scale
from arc.data.matlab_values import Cells, Column, MatLimits, Node, Numbers, Text, bad
from arc.data.names import CLASSES, class_of, eye_of

_LONGEST: Final = 200  # characters of a value, as in labels.csv
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def write(variables: Iterable[Column], into: Path, mapping: Mapping[str, str], limits: MatLimits) -> dict[str, Any]:
    """Write `into`/images and `into`/masks, which exist; {stems, masks, label, patient, eye, warnings}, or {full} when the disk is."""
    found = recognise(variables, mapping)
    count = found.reading.count
    answer: dict[str, Any] = {"label": None, "patient": None, "eye": None}
    warnings = list(found.warnings)
    if found.label:
        answer["label"] = [_class(text, f"{found.label.name}({at})") for at, text in enumerate(_texts(found.label, count, "label"), 1)]
    if found.patient:
        answer["patient"] = [
            _patient(text, f"{found.patient.name}({at})") for at, text in enumerate(_texts(found.patient, count, "patient"), 1)
        ]
    if found.eye:
        said = _texts(found.eye, count, "eye")
        answer["eye"] = [eye_of(text) for text in said]
        if unknown := sorted({text for text, eye in zip(said, answer["eye"], strict=True) if text and not eye}):
            warnings.append(
                f"{found.eye.name} holds {ascii(unknown[0])[:40]}, which is neither the right nor the left eye; it was left out"
            )
    try:
        answer |= _pictures(found, into, limits, warnings)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        return {"full": True}
    return answer | {"warnings": warnings}


def _pictures(found: Found, into: Path, limits: MatLimits, warnings: list[str]) -> dict[str, Any]:
    """Photographs, then masks; {stems: of the photographs, masks: how many}."""
    digits = max(4, len(str(found.reading.count)))
    stems = [f"{at:0{digits}d}" for at in range(1, found.reading.count + 1)]
    node, name = found.image.load(), found.image.name
    way = scale(name, node, found.reading, limits, mask=False)
    sizes = []
    for stem, (kind, picture) in zip(stems, pictures(name, node, found.reading, limits), strict=True):
        if picture is None:
            raise bad(f"{name}{{{int(stem)}}} is empty")
        _save(way.bits(kind, picture), into / "images" / f"{stem}.png")
        sizes.append(picture.shape[:2])
    warnings += way.warnings
    del node
    return {"stems": stems, "masks": _masks(found.mask, into, sizes, stems, limits) if found.mask else 0}


def _masks(column: Column, into: Path, sizes: list[tuple[int, ...]], stems: list[str], limits: MatLimits) -> int:
    """Write the masks, each of the size of its photograph; how many there are."""
    able = choose(
        [one for one in readings(column, empty=True) if one.order == "cell" or (one.height, one.width) == sizes[0]], count=len(stems)
    )
    if len(able) != 1:
        raise bad(f"{column} cannot be the masks of {len(stems)} photographs of {sizes[0][0]}x{sizes[0][1]}")
    node = column.load()
    way = scale(column.name, node, able[0], limits, mask=True)
    written = 0
    for stem, size, (kind, mask) in zip(stems, sizes, pictures(column.name, node, able[0], limits), strict=True):
        if mask is None:
            continue
        if mask.shape != size:
            says = "x".join(map(str, mask.shape))
            raise bad(f"{column.name}: mask {int(stem)} is {says}, its photograph {size[0]}x{size[1]}")
        _save(way.bits(kind, mask), into / "masks" / f"{stem}.png")
        written += 1
    return written


def _save(picture: np.ndarray[Any, np.dtype[np.uint8]], path: Path) -> None:
    with path.open("xb") as target:
        Image.fromarray(picture).save(target, "PNG", compress_level=1)  # read once more and thrown away


def _texts(column: Column, count: int, role: str) -> list[str]:
    """One text for each photograph; BadData when there are not as many, or one is no single value."""
    node = column.load()
    match node:
        case Text():
            texts = [row.strip() for row in node.rows]
        case Numbers():
            texts = [_number(value, f"{column.name}({at})") for at, value in enumerate(node.all().ravel(order="F").tolist(), 1)]
        case Cells():
            texts = [_text(item, f"{column.name}{{{at}}}") for at, item in enumerate(node.items, 1)]
        case _:
            texts = []
    if len(texts) != count:
        raise bad(f"there are {count} photographs, but {role} is {column}")
    return texts


def _text(item: Node, name: str) -> str:
    if isinstance(item, Text) and len(item.rows) <= 1:
        return "".join(item.rows).strip()
    if isinstance(item, Numbers) and item.size <= 1:
        return "".join(_number(value, name) for value in item.all().ravel().tolist())
    raise bad(f"{name} is no single value")


def _number(value: float, name: str) -> str:
    if not math.isfinite(value) or value != int(value):
        raise bad(f"{name} is {value}; whole numbers are read")
    return str(int(value))


def _class(text: str, name: str) -> str:
    label = class_of(text)
    if text and label is None:
        raise _refused(text, name, f"neither {CLASSES[1]} nor {CLASSES[0]}")
    return label or ""


def _patient(text: str, name: str) -> str:
    if len(text) > _LONGEST or not text.isprintable():
        raise _refused(text, name, "too long or not printable")
    return text


def _refused(text: str, name: str, why: str) -> BadData:
    return bad(f"{name} is {ascii(text)[:80]}, which is {why}")
