"""RIM-ONE: release 2, and the release for deep learning (DL) partitioned by hospital and at random.

DL: https://github.com/miag-ull/rim-one-dl. Its archive holds every photograph twice, once a partition, so one is
taken; by hospital, unless the other is asked for: the training set is from HUC (Tenerife), the test set from HUMS and
HCSC. The segmentations come in an archive of their own, PNG and DCSeg text; the PNG are read.
Release 2: the folder of glaucoma holds suspects too, which no file tells apart; it is read as glaucoma, with a warning.
"""

import re
from pathlib import PurePosixPath
from typing import Final

from arc.data.decode import SUFFIXES
from arc.data.layouts.class_folders import class_by_folder
from arc.data.layouts.sibling_masks import annotation_of, pairs_of
from arc.data.names import Part
from arc.data.tree import Annotation, Layout, Photograph, Tree

BY_HOSPITAL: Final = "rim_one_dl_by_hospital"
AT_RANDOM: Final = "rim_one_dl_at_random"
R2: Final = "rim_one_r2"
_FOLDERS: Final = {BY_HOSPITAL: "partitioned_by_hospital", AT_RANDOM: "partitioned_randomly"}
_SITES: Final = {"train": "HUC", "test": "HUMS or HCSC"}
_SEGMENTED: Final = re.compile(r"(?P<stem>r\d_.+)-\d+-(?P<part>disc|cup)-t", re.IGNORECASE)
_R2_GLAUCOMA: Final = re.compile(r"glaucoma and (glaucoma )?suspicious", re.IGNORECASE)


def claim_by_hospital(tree: Tree) -> Layout | None:
    """RIM-ONE DL in its partition by hospital."""
    return _claim_dl(tree, BY_HOSPITAL)


def claim_at_random(tree: Tree) -> Layout | None:
    """RIM-ONE DL in its random partition."""
    return _claim_dl(tree, AT_RANDOM)


def claim_r2(tree: Tree) -> Layout | None:
    """RIM-ONE release 2."""
    if not any(map(_R2_GLAUCOMA.fullmatch, tree.folders)):
        return None
    pairs = pairs_of(tree)
    photographs = [
        Photograph(str(file), "glaucoma" if _R2_GLAUCOMA.fullmatch(file.parent.name) else tree.words.class_of(file.parent.name), annotation=pairs.annotations.get(file))
        for file in pairs.photographs
    ]  # fmt: skip
    said = "the folder of glaucoma of RIM-ONE r2 holds suspects too; they are labelled glaucoma"
    return Layout(R2, "classification", tuple(photographs), (said,), tree.says)


def _claim_dl(tree: Tree, name: str) -> Layout | None:
    mine = _partition(tree, name)
    if not mine:
        return None
    sites = {file.stem: _SITES[split] for file in _partition(tree, BY_HOSPITAL) if (split := tree.split_of(file)) in _SITES}
    masks = _masks(tree)
    photographs = [
        Photograph(
            str(file), class_by_folder(tree, file), site=sites.get(file.stem, ""), annotation=masks.get(file.stem.casefold()), split=tree.split_of(file)
        )
        for file in mine
    ]  # fmt: skip
    other = next(each for each in _FOLDERS if each != name)
    there_too = _partition(tree, other)
    said = (f"the photographs are there in two partitions; {name} was taken, --layout {other} takes the other",) if there_too else ()
    return Layout(name, "classification", tuple(photographs), said, tree.says)


def _partition(tree: Tree, name: str) -> list[PurePosixPath]:
    folder = _FOLDERS[name]
    if folder not in tree.folders:
        return []
    return [file for file in tree.pictures if folder in (part.casefold() for part in file.parts[:-1])]


def _masks(tree: Tree) -> dict[str, Annotation]:
    """The reference segmentations by the stem of their photograph."""
    found: dict[str, list[tuple[Part, PurePosixPath]]] = {}
    for file in tree.with_suffix(SUFFIXES):
        match = _SEGMENTED.fullmatch(file.stem)
        if match:
            part: Part = "disc" if match["part"].casefold() == "disc" else "cup"
            found.setdefault(match["stem"].casefold(), []).append((part, file))
    return {stem: annotation_of(files[0][1], files) for stem, files in found.items()}
