"""Ingest: every photograph of a layout through the sandbox, some dozens a child.

A child that crashes takes its whole batch with it, so such a batch is gone through again one by one until
the file that did it has a name. The first bad file ends the work: a dataset with holes is not wanted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from arc.core.errors import BadData, Cancelled, NoSpace, TooLarge
from arc.core.ports import RunContext
from arc.data.layout import Photograph
from arc.data.photographs import convert_all
from arc.data.spec import UnpackParams
from arc.kit import sandbox

_BATCH = 48
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Kept:
    """One photograph, converted but not yet in its split."""

    source: Photograph
    file: str  # where it will lie below its split's folder
    mask: str
    path: Path
    mask_path: Path | None
    sha256: str
    mask_sha256: str
    bytes: int


def convert(ctx: RunContext, params: UnpackParams, root: Path, photographs: Sequence[Photograph], *, into: Path) -> list[Kept]:
    """Convert all photographs; BadData or TooLarge naming the first that cannot be; NoSpace."""
    ctx.phase("convert")
    into.mkdir(mode=0o700)
    suffix = ".png" if params.image_format == "png" else ".jpg"
    names = _names(photographs)
    rules = {"max_side_px": params.max_side_px or 0, "max_megapixels": params.max_megapixels, "format": params.image_format}
    kept: list[Kept] = []
    for begin in range(0, len(photographs), _BATCH):
        batch = range(begin, min(begin + _BATCH, len(photographs)))
        tasks = [_task(root, photographs[index], into / str(index), suffix) for index in batch]
        answers = _answers(tasks, rules, [photographs[index].file for index in batch])
        for index, task, answer in zip(batch, tasks, answers, strict=True):
            photo = photographs[index]
            label, stem = photo.label, names[index]
            mask_path = Path(task["mask_target"]) if photo.mask else None
            kept.append(
                Kept(
                    source=photo,
                    file=f"images/{label}/{stem}{suffix}",
                    mask=f"masks/{label}/{stem}.png" if photo.mask else "",
                    path=Path(task["target"]),
                    mask_path=mask_path,
                    sha256=str(answer["sha256"]),
                    mask_sha256=str(answer["mask_sha256"]),
                    bytes=int(answer["bytes"]),
                )
            )
        ctx.progress(len(kept), len(photographs), unit="image")
        if ctx.should_stop():
            raise Cancelled("asked to stop while converting photographs")
    return kept


def _task(root: Path, photo: Photograph, target: Path, suffix: str) -> dict[str, Any]:
    return {
        "source": str(root / photo.file),
        "target": str(target.with_suffix(suffix)),
        "mask": str(root / photo.mask) if photo.mask else "",
        "mask_target": str(target.with_suffix(".mask.png")),
    }


def _answers(tasks: list[dict[str, Any]], rules: dict[str, Any], files: list[str]) -> list[dict[str, Any]]:
    """What the sandbox says of each file; the first refusal is raised with the name of its file."""
    try:
        answers = _ask(tasks, rules)
    except (BadData, TooLarge) as error:
        if len(tasks) == 1:
            raise type(error)(f"{files[0]!a}: {error.message}", field="archive", value=files[0][:160]) from None
        answers = [_answers([task], rules, [file])[0] for task, file in zip(tasks, files, strict=True)]
    for answer, file in zip(answers, files, strict=True):
        if "error" in answer:
            if answer.get("class") == "NoSpace":
                raise NoSpace("the disk is full; the dataset was not made", field="archive")
            kind = TooLarge if answer.get("class") == "TooLarge" else BadData
            raise kind(f"{file!a}: {answer['error']}", field="archive", value=file[:160])
    return answers


def _ask(tasks: list[dict[str, Any]], rules: dict[str, Any]) -> list[dict[str, Any]]:
    megabytes = 200 + int(float(rules["max_megapixels"]) * 16)
    answers = sandbox.parse(
        convert_all,
        tasks,
        rules,
        cpu_s=60 + 20 * len(tasks),
        memory_mb=megabytes,
        timeout_s=120.0 + 20 * len(tasks),
        write_mb=500,
        what="photographs",
    )
    if not isinstance(answers, list) or len(answers) != len(tasks):
        raise BadData("the reader of photographs gave no usable answer", field="archive")
    return answers


def _names(photographs: Sequence[Photograph]) -> list[str]:
    """A file name without suffix for each, unique within its class, as near to the old one as a plain name can be."""
    taken: set[tuple[str, str]] = set()
    names = []
    for photo in photographs:
        plain = _UNSAFE.sub("_", PurePosixPath(photo.file).stem).strip("._") or "photo"
        name, number = plain[:100], 1
        while (photo.label, name.casefold()) in taken:
            number += 1
            name = f"{plain[:100]}-{number}"
        taken.add((photo.label, name.casefold()))
        names.append(name)
    return names
