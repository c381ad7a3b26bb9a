"""Assemble: photographs that are ready become a version: patients to splits, files to their places, manifests.

What `unpack` has converted is moved, what `register` takes as it is gets a second name. Where patients are not known,
photographs that show one picture count as one patient, and the version says that it does not know.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from arc.core.ports import RunContext
from arc.data import alike
from arc.data.ingest import Kept
from arc.data.manifest import Row
from arc.data.names import CLASSES
from arc.data.publish import Facts, folder_of, publish, put
from arc.data.spec import NamedParams, SplitParams
from arc.data.splits import Member, rule_in_words, split, together
from arc.data.tree import Layout


def assemble(
    ctx: RunContext,
    kept: Sequence[Kept],
    found: Layout,
    *,
    asked: NamedParams,
    rule: SplitParams,
    step: dict[str, Any],
    place: Callable[[str, str], object],
    dataset: Path,
    sealed: Path,
) -> dict[str, Any]:
    """Split, put every picture into its place by `place(source, target)`, publish; the job's result. BadData when there are too few.

    `step` is what the recipe's name and parameters are kept as: {"unpack": {...}}.
    """
    known = all(photo.source.patient for photo in kept)
    pairs, said = ([], []) if known or not rule.near_duplicates else alike.pairs(ctx, [Path(photo.path) for photo in kept])
    ctx.phase("split")
    members = [_member(photo, photo.source.patient if known and photo.source.patient else photo.file) for photo in kept]
    splits = split(members, rule, seed=ctx.seed, alike=pairs)
    patients = [member.patient for member in members] if known else together(members, pairs)
    put(ctx, [pair for photo, name in zip(kept, splits, strict=True) for pair in _files(photo, folder_of(name, dataset, sealed))], place)
    rows = [(name, _row(photo, patient)) for photo, patient, name in zip(kept, patients, splits, strict=True)]
    facts = Facts(
        dataset=asked.name,
        task=found.task,
        layout=found.name,
        classes=CLASSES if found.task == "classification" else (),
        patients_known=known,
        split_rule=rule_in_words(rule, patients_known=known, seed=ctx.seed),
        licence=asked.licence or found.says.licence,
        source=asked.source or found.says.source,
        description=asked.description,
        parameters=step,
        warnings=(*_warnings(found, kept, known, pairs), *said),
    )
    return publish(rows, facts, dataset=dataset, sealed=sealed, threads=ctx.threads)


def _member(photo: Kept, patient: str) -> Member:
    return Member(patient, photo.source.label or "", photo.sha256, photo.source.site, photo.source.split)


def _files(photo: Kept, folder: Path) -> Iterator[tuple[str, str]]:
    """The photograph and its mask, each with its place below `folder`."""
    yield photo.path, f"{folder}/{photo.file}"
    if photo.mask_path is not None:
        yield photo.mask_path, f"{folder}/{photo.mask}"


def _row(photo: Kept, patient: str) -> Row:
    found = photo.source
    return Row(
        file=photo.file,
        label=found.label or "",
        index=CLASSES.index(found.label) if found.label else -1,
        patient=patient,
        eye=found.eye,
        site=found.site,
        sha256=photo.sha256,
        bytes=photo.bytes,
        mask=photo.mask,
        mask_sha256=photo.mask_sha256,
    )


def _warnings(found: Layout, kept: Sequence[Kept], known: bool, pairs: Sequence[tuple[int, int]]) -> list[str]:
    said = list(found.warnings)
    if not known:
        said.append("patients are not known: two photographs of one patient may lie on both sides of the split")
    same: dict[str, list[int]] = {}
    for at, photo in enumerate(kept):
        same.setdefault(photo.sha256, []).append(at)
    groups = [group for group in same.values() if len(group) > 1]
    groups += [[a, b] for a, b in pairs if kept[a].sha256 != kept[b].sha256]
    for group in groups:
        photos = [kept[at] for at in group]
        names = ", ".join(ascii(photo.source.file) for photo in photos[:4])
        differ = " although their classes differ" if len({photo.source.label for photo in photos}) > 1 else ""
        said.append(f"{len(photos)} photographs are the same picture and stay in one split{differ}: {names}")
    return said
