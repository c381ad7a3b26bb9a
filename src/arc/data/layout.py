"""Layout: which files of a tree are photographs, of which class, whose, in which split, and with which mask.

Every reader in `arc.data.layouts` is asked. A named dataset's reader goes before ARC's own layout, and that before the
general ones, which are put together. Whatever could mean two things is refused, saying what was found and how to
decide: `--layout NAME` names the reader (or several joined by +), `--mapping FILE` says what tables and folders call
things. The trees are written down in `docs/reference/layouts.md`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from arc.core.errors import BadData, InvalidSpec
from arc.data.layouts import drishti, general, polygons, refuge, rim_one, standard
from arc.data.names import CLASSES, SKIP, words_of
from arc.data.tree import Annotation, Layout, Photograph, Tree, files_below, look, shown

__all__ = ["EXPECTED", "LAYOUTS", "Annotation", "Layout", "Photograph", "files_below", "recognise"]

EXPECTED: Final = (
    "expected are folders named glaucoma and normal with JPEG, PNG, TIFF, BMP or DICOM photographs, a table with columns file and label, "
    "or photographs with masks; --layout and --mapping say what cannot be seen"
)
_NAMED: Final[Mapping[str, Callable[[Tree], Layout | None]]] = {
    rim_one.BY_HOSPITAL: rim_one.claim_by_hospital,
    rim_one.AT_RANDOM: rim_one.claim_at_random,
    rim_one.R2: rim_one.claim_r2,
    drishti.NAME: drishti.claim,
    refuge.NAME: refuge.claim,
    polygons.G1020: polygons.claim_g1020,
    polygons.ORIGA: polygons.claim_origa,
}
_STEPS_BACK: Final = {rim_one.AT_RANDOM: rim_one.BY_HOSPITAL}  # one dataset in two partitions
LAYOUTS: Final = (*_NAMED, standard.NAME, *general.READERS)


def recognise(root: Path, *, most_files: int, layout: str | None = None, mapping: Mapping[str, str] | None = None) -> Layout:
    """The photographs below `root` with what is known of each; BadData when it cannot be said for sure.

    `layout` names the reader instead of asking all; `mapping` gives role -> column and `label:WORD` -> class.
    InvalidSpec when either is not understood; TooLarge beyond `most_files`.
    """
    tree = look(root, most_files=most_files, words=words_of(mapping or {}))
    if not tree.pictures:
        raise BadData(f"no photograph was found; {EXPECTED}. Found: {shown(tree.files)}", field="archive")
    found = _claimed(tree) if layout is None else _asked(tree, layout)
    if found is None:
        raise BadData(f"{len(tree.pictures)} photographs belong to no class, such as {shown(tree.pictures)}; {EXPECTED}", field="archive")
    return _checked(replace(found, warnings=(*tree.warnings, *found.warnings)))


def _claimed(tree: Tree) -> Layout | None:
    """What the readers say unasked; BadData when two datasets are claimed."""
    claims = {name: claimed for name, claim in _NAMED.items() if (claimed := claim(tree)) is not None}
    for name, before in _STEPS_BACK.items():
        if before in claims:
            claims.pop(name, None)
    if len(claims) > 1:
        ways = " or ".join(f"--layout {name}" for name in claims)
        raise BadData(f"the archive holds several datasets; {ways} takes one", field="layout")
    return next(iter(claims.values()), None) or standard.claim(tree) or general.combine(tree)


def _asked(tree: Tree, layout: str) -> Layout | None:
    """What the reader of that name says; InvalidSpec when there is none of that name, BadData when it does not fit."""
    names = layout.split("+")
    if not set(names) <= (set(general.READERS) if len(names) > 1 else set(LAYOUTS)):
        known = f"{', '.join(LAYOUTS)}; the last {len(general.READERS)} can be joined by +"
        raise InvalidSpec(f"there is no layout {layout!a}; there are {known}", field="layout", value=layout[:160])
    if names[0] in general.READERS:
        found = general.combine(tree, names)
    else:
        found = (_NAMED | {standard.NAME: standard.claim})[layout](tree)  # type: ignore[operator]
    if found is None:
        raise BadData(f"the archive does not have the layout {layout}; {EXPECTED}", field="layout", value=layout)
    return found


def _checked(found: Layout) -> Layout:
    """What holds for every layout; what a mapping leaves out is left out here."""
    skipped = sum(photo.label == SKIP for photo in found.photographs)
    photographs = [photo for photo in found.photographs if photo.label != SKIP]
    warnings = list(found.warnings)
    if skipped:
        warnings.append(f"{skipped} photographs were left out, as the mapping says")
    unmasked = [photo.file for photo in photographs if photo.annotation is None]
    if found.task == "classification":
        _check_classes(photographs)
        if 0 < len(unmasked) < len(photographs):
            warnings.append(f"{len(unmasked)} of {len(photographs)} photographs have no mask")
    elif unmasked or not photographs:
        raise BadData(f"{len(unmasked)} photographs have neither class nor mask, such as {shown(unmasked)}; {EXPECTED}", field="archive")
    return replace(found, photographs=tuple(photographs), warnings=tuple(warnings))


def _check_classes(photographs: list[Photograph]) -> None:
    unknown = [photo.file for photo in photographs if photo.label is None]
    if unknown:
        raise BadData(f"{len(unknown)} photographs belong to no class, such as {shown(unknown)}; {EXPECTED}", field="archive")
    counts = Counter(photo.label for photo in photographs)
    if set(counts) != set(CLASSES):
        raise BadData(f"only photographs of class {', '.join(sorted(map(str, counts)))} were found; {EXPECTED}", field="archive")
