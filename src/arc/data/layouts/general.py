"""General: what several readers say of the same photographs, put together.

Folders may name the class and the patient, a table both, a sibling folder the mask. They may add to each other but
not contradict: two that differ are refused with the names to choose from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from arc.core.errors import BadData
from arc.data.layouts import class_folders, polygons, sibling_masks, tables
from arc.data.names import patient_of
from arc.data.tree import Layout, Photograph, Tree

READERS: Final[Mapping[str, Callable[[Tree], Layout | None]]] = {
    class_folders.NAME: class_folders.claim,
    tables.NAME: tables.claim,
    sibling_masks.NAME: sibling_masks.claim,
    polygons.NAME: polygons.claim,
}
_LABELLING: Final = frozenset({class_folders.NAME, tables.NAME})


def combine(tree: Tree, names: Sequence[str] = tuple(READERS)) -> Layout | None:
    """What the readers of these names say together; None when none claims the tree, BadData when they contradict."""
    claims = [claimed for name in names if (claimed := READERS[name](tree)) is not None]
    if not claims:
        return None
    masks = {file for claimed in claims for photo in claimed.photographs if photo.annotation for file in photo.annotation.files}
    merged: dict[str, Photograph] = {
        str(file): Photograph(str(file), None, patient_of(file.parts[:-1]))
        for file in sibling_masks.photographs_of(tree)
        if str(file) not in masks
    }
    for at, claimed in enumerate(claims):
        for photo in claimed.photographs:
            _check(merged[photo.file], photo, claimed.name, before=claims[:at])
            merged[photo.file] = _joined(merged[photo.file], photo)
    photographs = tuple(merged[file] for file in sorted(merged))
    named = [claimed.name for claimed in claims if claimed.name in _LABELLING] or [claimed.name for claimed in claims]
    task = "classification" if any(photo.label for photo in photographs) else "segmentation"
    warnings = tuple(line for claimed in claims for line in claimed.warnings)
    return Layout("+".join(named), task, photographs, warnings, tree.says)  # type: ignore[arg-type]


def _check(a: Photograph, b: Photograph, reader: str, *, before: Sequence[Layout]) -> None:
    """BadData when a reader says of a photograph what contradicts those before it."""
    for name in ("label", "annotation"):
        one, other = getattr(a, name), getattr(b, name)
        if one and other and one != other:
            other_reader = next(
                each.name for each in before for photo in each.photographs if photo.file == a.file and getattr(photo, name) == one
            )
            raise BadData(
                f"{a.file!r} has two findings: {other_reader} says {name} {_said(one)}, {reader} says {_said(other)}; "
                f"--layout {other_reader} or --layout {reader} decides",
                field="layout", value=a.file[:160],
            )  # fmt: skip


def _joined(a: Photograph, b: Photograph) -> Photograph:
    """Two findings on one photograph as one."""
    return replace(
        a,
        label=a.label or b.label,
        patient=b.patient or a.patient,  # a table knows better than a folder
        eye=a.eye or b.eye,
        site=a.site or b.site,
        annotation=a.annotation or b.annotation,
        split=b.split or a.split,
    )


def _said(value: object) -> str:
    files = getattr(value, "files", None)
    return " and ".join(map(repr, files)) if files else str(value)
