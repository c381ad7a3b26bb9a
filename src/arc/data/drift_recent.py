"""Recent photographs, taken in as the reference was: shrunk, encoded and preprocessed alike, so that a difference is one of the eyes.

A camera's file of 3,000 pixels and what `data.unpack` kept of such a file differ in sharpness, size and bytes, and mean the same. So a
folder is put through what the version says of itself: its unpack, its (last) preprocess, or neither when it was registered as it
was. What a photograph looked like before is then not compared, as no model sees it. Foreign files are opened in the sandbox alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from arc.core.dataset import DatasetVersion
from arc.core.errors import NoSpace
from arc.core.ports import RunContext
from arc.data import parallel, steps, tree
from arc.data.derive_spec import PreprocessParams
from arc.data.ingest import converted
from arc.data.names import words_of
from arc.data.preprocess import JPEG, PNG

MAX_MEGAPIXELS: Final = 50.0
_MOST_FILES: Final = 200_000
_BATCH: Final = 48


@dataclass(frozen=True)
class Recent:
    """One picture of a folder."""

    file: str  # below the folder
    path: Path  # where it can be looked at
    patient: str  # as a DICOM file says; else the file itself
    error: str = ""


def take_in(ctx: RunContext, root: Path, like: DatasetVersion, *, into: Path) -> list[Recent]:
    """Every picture below a folder, made like those of the version; written into a folder that the caller takes away.

    What cannot be converted has an error. TooLarge when there are more than 200,000 files; NoSpace.
    """
    found = [Recent(str(file), root / file, str(file)) for file in tree.look(root, most_files=_MOST_FILES, words=words_of({})).pictures]
    unpack, preprocess = (like.parameters.get(step) for step in ("unpack", "preprocess"))
    if unpack is None and preprocess is None:
        return found
    kept = unpack or {"image_format": "png"}
    rules = {"max_side_px": kept.get("max_side_px") or 0, "max_megapixels": MAX_MEGAPIXELS, "format": kept.get("image_format", "jpeg")}
    suffix = "png" if rules["format"] == "png" else "jpg"
    tasks = [{"source": str(one.path), "target": str(into / f"{number}.{suffix}")} for number, one in enumerate(found)]
    batches = [tasks[begin : begin + _BATCH] for begin in range(0, len(tasks), _BATCH)]
    answers = [answer for some in parallel.each(ctx, batches, lambda batch: convert(batch, rules), unit="batch") for answer in some]
    taken = [
        replace(one, path=Path(task["target"]), patient=answer.get("patient") or one.patient, error=answer.get("error", ""))
        for one, task, answer in zip(found, tasks, answers, strict=True)
    ]
    if preprocess is not None:
        how = PreprocessParams.model_validate(preprocess)
        parallel.each(ctx, [one.path for one in taken if not one.error], lambda path: _preprocessed(path, how), unit="photograph")
    return taken


def convert(tasks: Sequence[Mapping[str, Any]], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What `photographs.convert_all` answers in the sandbox; a file that brings the child down has an error like any other. NoSpace."""
    answers = converted(tasks, rules)
    if any(answer.get("class") == "NoSpace" for answer in answers):
        raise NoSpace("the disk is full", field="recent")
    return answers


def _preprocessed(path: Path, how: PreprocessParams) -> None:
    """Take a plain picture through the steps of a version, in place."""
    image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), np.uint8)
    made = cv2.cvtColor(steps.take(image, how.steps).image, cv2.COLOR_RGB2BGR)
    suffix, options = (".png", PNG) if how.image_format == "png" else (".jpg", JPEG)
    path.write_bytes(cv2.imencode(suffix, made, options)[1].tobytes())
