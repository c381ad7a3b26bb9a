"""data.preprocess: the photographs of a version taken through the same steps, with their masks, as a new version.

Every photograph stays in its split, sealed ones included, and keeps its name; only the suffix follows the format. The steps and
their parameters are kept with the version. How good a photograph is is judged before the steps, as it came, and lies beside the
manifests as `quality.csv`. When anything is wrong, nothing is left; an attempt that was stopped starts from the beginning.

Not covered: what the sealed photographs look like decides nothing. Each photograph is worked on by itself.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import cv2
import numpy as np

from arc.core.errors import BadData
from arc.core.inputs import ResolvedInput
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import manifest, parallel, pictures, quality, steps
from arc.data.derive_spec import PreprocessParams
from arc.data.manifest import Row
from arc.data.publish import derived, folder_of, publish, version_folders, version_of
from arc.data.quality import Quality
from arc.data.splits import SPLITS

QUALITY: Final = "quality.csv"
QUALITY_COLUMNS: Final = ("file", "score", "ungradable", "reason")
JPEG: Final = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
PNG: Final = (cv2.IMWRITE_PNG_COMPRESSION, 3)


@dataclass(frozen=True)
class _Task:
    """One photograph and where it goes."""

    split: str
    source: Path  # folder of its manifest
    target: Path
    old: Row
    file: str  # its new name below `target`
    mask: str


@dataclass(frozen=True)
class _Made:
    """What came of a task; no row where the photograph was left out."""

    task: _Task
    row: Row | None
    quality: Quality


def run(ctx: RunContext, params: PreprocessParams) -> Done:
    """Make the new version; BadData naming the file that stands in the way, or the class that a split would lose."""
    given = ctx.input("dataset")
    suffix = ".png" if params.image_format == "png" else ".jpg"
    with version_folders(ctx) as (dataset, sealed):
        tasks = _tasks(given, dataset, sealed, suffix=suffix)
        ctx.phase("preprocess")
        made = parallel.each(ctx, tasks, lambda task: _one(task, params), unit="photograph")
        result = _publish(ctx, params, made, dataset, sealed)
    return Done(metrics={"images": result["files"], "ungradable": result["quality"]["ungradable"]}, result=result)


def _tasks(given: ResolvedInput, dataset: Path, sealed: Path, *, suffix: str) -> list[_Task]:
    """Every photograph with its new name, which no other one in its folder has; the folders are made."""
    tasks, taken = [], set[Path]()
    for split in SPLITS:
        listed, target = Path(given.splits[split]), folder_of(split, dataset, sealed)
        for row in manifest.read(listed):
            file = _name(target, row.file, suffix, taken)
            mask = _name(target, row.mask, ".png", taken) if row.mask else ""
            tasks.append(_Task(split, listed.parent, target, row, file, mask))
    for folder in {(task.target / name).parent for task in tasks for name in (task.file, task.mask) if name}:
        folder.mkdir(parents=True, exist_ok=True)
    return tasks


def _name(target: Path, old: str, suffix: str, taken: set[Path]) -> str:
    """The old name with the suffix; numbered where two names differ by suffix or case alone."""
    path, number = PurePosixPath(old).with_suffix(""), 1
    name = f"{path}{suffix}"
    while target / name.casefold() in taken:
        number += 1
        name = f"{path}-{number}{suffix}"
    taken.add(target / name.casefold())
    return name


def _one(task: _Task, params: PreprocessParams) -> _Made:
    """Take one photograph and its mask through the steps and write them."""
    image, mask = pictures.read(task.source, task.old), pictures.read_mask(task.source, task.old)
    if mask is not None and mask.shape != image.shape[:2]:
        sizes = f"{mask.shape[1]} x {mask.shape[0]} pixels, its photograph {image.shape[1]} x {image.shape[0]}"
        raise BadData(f"{task.old.mask} has {sizes}", field="dataset", value=task.old.mask)
    field = pictures.field_of_view(image)
    judged = quality.judge(image, field=field)
    if judged.ungradable and params.drop_ungradable:
        return _Made(task, None, judged)
    frame = steps.take(image, params.steps, mask=mask, field=field)
    pixels = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    digest, size = _write(task.target / task.file, pixels, PNG if params.image_format == "png" else JPEG)
    mask_digest = _write(task.target / task.mask, frame.mask, PNG)[0] if frame.mask is not None else ""
    new = {"file": task.file, "sha256": digest, "bytes": size, "mask": task.mask, "mask_sha256": mask_digest}
    return _Made(task, task.old.model_copy(update=new), judged)


def _write(path: Path, pixels: np.ndarray, options: Sequence[int]) -> tuple[str, int]:
    """Encode into a file; its SHA-256 and its size in bytes."""
    ok, encoded = cv2.imencode(path.suffix, pixels, options)
    if not ok:
        raise RuntimeError(f"OpenCV could not encode {path.name} of shape {pixels.shape}")
    data = encoded.tobytes()
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest(), len(data)


def _publish(ctx: RunContext, params: PreprocessParams, made: Sequence[_Made], dataset: Path, sealed: Path) -> dict[str, Any]:
    """Judge the whole, write what is known of the quality, and publish."""
    bad = [one for one in made if one.quality.ungradable]
    _refuse_lost_classes(made)
    for folder in (dataset, sealed):
        _write_quality(folder / QUALITY, [one for one in made if one.task.target == folder])
    step = params.model_dump(mode="json", exclude={"name"})
    facts = derived(version_of(ctx.input("dataset")), name=params.name, step="preprocess", parameters=step)
    if bad:
        facts = replace(facts, warnings=(_warning(bad, of=len(made), dropped=params.drop_ungradable),))
    rows = [(one.task.split, one.row) for one in made if one.row]
    reasons = Counter(one.quality.reason for one in bad)
    counts = {"ungradable": len(bad), "dropped": len(made) - len(rows), "reasons": dict(sorted(reasons.items()))}
    return publish(rows, facts, dataset=dataset, sealed=sealed, threads=ctx.threads) | {"quality": counts}


def _refuse_lost_classes(made: Sequence[_Made]) -> None:
    before = {(one.task.split, one.task.old.label) for one in made}
    lost = sorted(before - {(one.task.split, one.task.old.label) for one in made if one.row})
    if lost:
        split, label = lost[0]
        what = f"no photograph of {label!r}" if label else "no photograph"
        raise BadData(f"without the ungradable photographs {what} would be left in the split {split}", field="drop_ungradable", value=True)


def _write_quality(path: Path, made: Iterable[_Made]) -> None:
    """One row a photograph, those that were left out included, by the name of the new version."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(QUALITY_COLUMNS)
        for one in sorted(made, key=lambda one: one.task.file):
            file = one.task.old.model_copy(update={"file": one.task.file}).cells()[0]  # safe for a spreadsheet
            table.writerow([file, f"{one.quality.score:.4f}", int(one.quality.ungradable), one.quality.reason])


def _warning(bad: Sequence[_Made], *, of: int, dropped: bool) -> str:
    named = ", ".join(f"{one.task.old.file!a} ({one.quality.reason})" for one in bad[:4])
    done = "left out" if dropped else f"kept; {QUALITY} says which"
    return f"{len(bad)} of {of} photographs are ungradable and were {done}: {named}{' …' if len(bad) > 4 else ''}"
