"""Ingest: every photograph of a layout through the sandbox, some dozens a child.

A child that crashes takes its whole batch with it, so such a batch is gone through again one by one until
the file that did it has a name. The first bad file ends the work: a dataset with holes is not wanted.
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from arc.core.errors import BadData, Cancelled, NoSpace, TooLarge
from arc.core.ports import RunContext
from arc.data.photographs import convert_all
from arc.data.spec import UnpackParams
from arc.data.tree import Photograph
from arc.kit import sandbox

_BATCH = 48
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Kept:
    """One photograph, converted but not yet in its split."""

    source: Photograph  # with the patient and eye that a DICOM file told
    file: str  # where it will lie below its split's folder
    mask: str
    path: str  # where it lies now
    mask_path: str | None
    sha256: str
    mask_sha256: str
    bytes: int


def convert(ctx: RunContext, params: UnpackParams, root: Path, photographs: Sequence[Photograph], *, into: Path) -> list[Kept]:
    """Convert all photographs, `ctx.threads` batches at a time; BadData or TooLarge naming the first that cannot be; NoSpace."""
    ctx.phase("convert")
    into.mkdir(mode=0o700)
    suffix = ".png" if params.image_format == "png" else ".jpg"
    rules = {"max_side_px": params.max_side_px or 0, "max_megapixels": params.max_megapixels, "format": params.image_format}
    each = max(1, min(_BATCH, ceil(len(photographs) / ctx.threads)))
    tasks = [_task(root, photo, into / str(index), suffix) for index, photo in enumerate(photographs)]
    batches = [range(begin, min(begin + each, len(tasks))) for begin in range(0, len(tasks), each)]
    answers: list[dict[str, Any]] = []
    with ThreadPoolExecutor(ctx.threads, thread_name_prefix="convert") as threads:
        waiting = [
            threads.submit(_answers, [tasks[at] for at in batch], rules, [photographs[at].file for at in batch]) for batch in batches
        ]
        try:
            for batch in waiting:  # in the order of the photographs, so that the first bad one is named
                answers += batch.result()
                ctx.progress(len(answers), len(photographs), unit="image")
                if ctx.should_stop():
                    raise Cancelled("asked to stop while converting photographs")
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
    names = plain_names(photographs)
    return [_kept(photo, name, task, answer, suffix) for photo, name, task, answer in zip(photographs, names, tasks, answers, strict=True)]


def _kept(photo: Photograph, stem: str, task: dict[str, Any], answer: dict[str, Any], suffix: str) -> Kept:
    folder = f"{photo.label}/" if photo.label else ""
    masked = photo.annotation is not None
    return Kept(
        source=replace(photo, patient=photo.patient or str(answer["patient"]) or None, eye=photo.eye or str(answer["eye"])),
        file=f"images/{folder}{stem}{suffix}",
        mask=f"masks/{folder}{stem}.png" if masked else "",
        path=task["target"],
        mask_path=task["mask_target"] if masked else None,
        sha256=str(answer["sha256"]),
        mask_sha256=str(answer["mask_sha256"]),
        bytes=int(answer["bytes"]),
    )


def _task(root: Path, photo: Photograph, target: Path, suffix: str) -> dict[str, Any]:
    made = photo.annotation
    return {
        "source": str(root / photo.file),
        "target": str(target.with_suffix(suffix)),
        "mask": {"kind": made.kind, "files": [str(root / file) for file in made.files]} if made else None,
        "mask_target": str(target.with_suffix(".mask.png")),
    }


def _answers(tasks: list[dict[str, Any]], rules: dict[str, Any], files: list[str]) -> list[dict[str, Any]]:
    """What the sandbox says of each file; the first refusal is raised with the name of its file."""
    answers = converted(tasks, rules)
    for answer, file in zip(answers, files, strict=True):
        if "error" in answer:
            if answer.get("class") == "NoSpace":
                raise NoSpace("the disk is full; the dataset was not made", field="archive")
            kind = TooLarge if answer.get("class") == "TooLarge" else BadData
            raise kind(f"{file!a}: {answer['error']}", field="archive", value=file[:160])
    return answers


def converted(tasks: Sequence[Mapping[str, Any]], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What `photographs.convert_all` answers in the sandbox, in order; a file that brings the child down has an error like any other."""
    return sandbox.apart(lambda some: _ask(some, rules), tasks, lambda _, error: {"error": error.message, "class": error.kind})


def _ask(tasks: Sequence[Mapping[str, Any]], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    megabytes = 200 + int(float(rules["max_megapixels"]) * 16)
    answers = sandbox.parse(
        convert_all,
        list(tasks),
        dict(rules),
        cpu_s=60 + 20 * len(tasks),
        memory_mb=megabytes,
        timeout_s=120.0 + 20 * len(tasks),
        write_mb=500,
        what="photographs",
    )
    if not isinstance(answers, list) or len(answers) != len(tasks):
        raise BadData("the reader of photographs gave no usable answer", field="archive")
    return answers


def plain_names(photographs: Sequence[Photograph]) -> list[str]:
    """A file name without suffix for each, unique within its class, as near to the old one as a plain name can be."""
    taken: set[tuple[str | None, str]] = set()
    names = []
    for photo in photographs:
        plain = _UNSAFE.sub("_", posixpath.splitext(posixpath.basename(photo.file))[0]).strip("._") or "photo"
        name, number = plain[:100], 1
        while (photo.label, name.casefold()) in taken:
            number += 1
            name = f"{plain[:100]}-{number}"
        taken.add((photo.label, name.casefold()))
        names.append(name)
    return names
