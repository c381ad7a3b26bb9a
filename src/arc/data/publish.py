"""Publish: photographs in their splits become the two folders of a dataset version.

What trains and chooses goes to `dataset`, what judges to `sealed`, each with a manifest for every split and a list of
its files that seals it. The job's result says the rest; the engine puts the folders in their places and writes the
version when the job completes. Used by every recipe that makes a version: unpack, register, preprocess, split.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

from arc.artifacts import tree
from arc.core.dataset import DatasetVersion
from arc.core.errors import Cancelled
from arc.core.inputs import ResolvedInput
from arc.core.ports import RunContext
from arc.data import manifest
from arc.data.manifest import Row
from arc.data.splits import SPLITS

_WARNINGS_KEPT: Final = 50
_SAY_EVERY: Final = 256  # files between two looks at whether to stop
_UNLABELLED: Final = "photographs"  # what is counted where there are no classes


@dataclass(frozen=True)
class Facts:
    """What is known of a version beside its rows."""

    dataset: str  # its name
    task: str  # classification or segmentation
    layout: str
    classes: tuple[str, ...]  # none where there are masks and no labels
    patients_known: bool
    split_rule: str
    licence: str = ""
    source: str = ""
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)  # step -> what it was given
    made_from: str | None = None  # name@version
    warnings: tuple[str, ...] = ()


def version_of(given: ResolvedInput) -> DatasetVersion:
    """The version that an attempt was given."""
    return DatasetVersion.model_validate(dict(given.info) | {"path": given.path, "sealed_path": given.sealed_path or ""})


def derived(old: DatasetVersion, *, name: str | None, step: str, parameters: dict[str, Any]) -> Facts:
    """What is known of a version that `step` makes of `old`; it keeps the name unless another one is given."""
    return Facts(
        dataset=name or old.name,
        task=old.task,
        layout=old.layout,
        classes=old.classes,
        patients_known=old.patients_known,
        split_rule=old.split_rule,
        licence=old.licence,
        source=old.source,
        description=old.description,
        parameters=old.parameters | {step: parameters},
        made_from=old.ref,
    )


def publish(rows: Sequence[tuple[str, Row]], facts: Facts, *, dataset: Path, sealed: Path, threads: int = 1) -> dict[str, Any]:
    """Write manifests, `dataset.json` and seals into folders that hold the photographs already; the job's result."""
    for split in SPLITS:
        mine = sorted((row for name, row in rows if name == split), key=lambda row: row.file)
        manifest.write(folder_of(split, dataset, sealed) / f"{split}.csv", mine)
    result: dict[str, Any] = asdict(facts) | {
        "digest": manifest.digest(rows),
        "counts": {split: _counts(rows, split, facts.classes) for split in SPLITS},
        "patients": {split: len({row.patient for name, row in rows if name == split}) for split in SPLITS},
        "files": len(rows),
        "bytes": sum(row.bytes for _, row in rows),
        "warnings": _shortened(facts.warnings),
    }
    for folder in (dataset, sealed):
        (folder / manifest.SCHEMA).write_bytes(resources.files("arc.data").joinpath(manifest.SCHEMA).read_bytes())
    (dataset / "dataset.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    seals = [tree.seal(folder, known=_known(rows, folder, dataset, sealed), threads=threads) for folder in (dataset, sealed)]
    return result | {"seal": seals[0], "sealed_seal": seals[1]}


@contextmanager
def version_folders(ctx: RunContext) -> Iterator[tuple[Path, Path]]:
    """The folders `dataset` and `sealed` of the attempt; nothing is left of them when the block fails."""
    folders = ctx.folder("dataset"), ctx.folder("sealed")
    try:
        yield folders
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def put(ctx: RunContext, pairs: Sequence[tuple[str, str]], place: Callable[[str, str], object]) -> None:
    """`place(source, target)` for each pair of paths, into folders that are made first, each once; Cancelled when asked to stop."""
    for folder in {target.rpartition("/")[0] for _, target in pairs}:
        Path(folder).mkdir(parents=True, exist_ok=True)
    for done, (source, target) in enumerate(pairs):
        if done % _SAY_EVERY == 0:
            ctx.progress(done, len(pairs), unit="file")
            if ctx.should_stop():
                raise Cancelled(f"asked to stop after {done} of {len(pairs)}: file")
        place(source, target)


def link(source: str, target: str) -> None:
    """Give the bytes of a file a second name; a copy where the file system has no hard links, or not to there."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def folder_of(split: str, dataset: Path, sealed: Path) -> Path:
    """Where the photographs of a split lie."""
    return sealed if split == "sealed" else dataset


def _counts(rows: Sequence[tuple[str, Row]], split: str, classes: tuple[str, ...]) -> dict[str, int]:
    found = Counter(row.label or _UNLABELLED for name, row in rows if name == split)
    return {label: found[label] for label in classes or (_UNLABELLED,)}


def _known(rows: Sequence[tuple[str, Row]], folder: Path, dataset: Path, sealed: Path) -> dict[str, str]:
    mine = [row for split, row in rows if folder_of(split, dataset, sealed) == folder]
    return {row.file: row.sha256 for row in mine} | {row.mask: row.mask_sha256 for row in mine if row.mask}


def _shortened(warnings: Sequence[str]) -> list[str]:
    more = len(warnings) - _WARNINGS_KEPT
    return [*warnings[:_WARNINGS_KEPT], *([f"and {more} more"] if more > 0 else [])]
