"""Drishti-GS1: photographs, soft maps averaged over four experts, and the diagnoses in a workbook.

Tree: https://cvit.iiit.ac.in/projects/mip/drishti-gs/mip-dataset2/Home.php. `{Training,Test}/Images/` holds the
photographs, in some copies sorted into GLAUCOMA and NORMAL; `{GT,Test_GT}/drishtiGS_NNN/SoftMap/` the maps of disc and
cup. The workbook has a title above its columns, a stray quotation mark after each file, and the patient of each
photograph, whose eyes lie on both sides of the published split. A second workbook, of notching, has the classes too;
it is the only one in some copies.
"""

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from arc.core.errors import BadData
from arc.data import labels
from arc.data.decode import SUFFIXES
from arc.data.layouts.class_folders import class_by_folder
from arc.data.layouts.sibling_masks import pairs_of
from arc.data.tree import TABLE_SUFFIXES, Annotation, Layout, Photograph, Tree

NAME = "drishti_gs"
_PHOTOGRAPH: Final = re.compile(r"drishtigs_\d{3}", re.IGNORECASE)
_SOFT: Final = re.compile(r"drishtigs_\d{3}_(od|cup)segsoftmap", re.IGNORECASE)
_HEADER: Final = "drishti-gs file"
_NUMBER: Final = "image number"
_HEADER_WITHIN: Final = 12  # rows


def claim(tree: Tree) -> Layout | None:
    """Drishti-GS1 with diagnoses where the workbook or folders have them; else with masks alone."""
    pictures = _once([file for file in tree.with_suffix(SUFFIXES) if _PHOTOGRAPH.fullmatch(file.stem)], tree)
    soft = [file for file in tree.with_suffix(SUFFIXES) if _SOFT.fullmatch(file.stem)]
    if not pictures or not soft:
        return None
    pairs = pairs_of(replace(tree, files=tuple(sorted([*pictures, *soft]))))
    diagnoses = _diagnoses(tree)
    photographs = [_photograph(tree, file, diagnoses, pairs.annotations.get(file)) for file in pictures]
    task = "classification" if any(photo.label for photo in photographs) else "segmentation"
    return Layout(NAME, task, tuple(photographs), (), tree.says)  # type: ignore[arg-type]


def _once(files: list[PurePosixPath], tree: Tree) -> list[PurePosixPath]:
    """Each photograph once: some copies hold it in ALL and in the folder of its class."""
    by_stem: dict[str, list[PurePosixPath]] = {}
    for file in files:
        by_stem.setdefault(file.stem.casefold(), []).append(file)
    return sorted(max(same, key=lambda file: (class_by_folder(tree, file) is not None, str(file))) for same in by_stem.values())


def _photograph(
    tree: Tree, file: PurePosixPath, diagnoses: dict[str, tuple[str | None, str | None]], made: Annotation | None
) -> Photograph:
    by_table, patient = diagnoses.get(file.stem.casefold(), (None, None))
    by_folder = class_by_folder(tree, file)
    if by_table and by_folder and by_table != by_folder:
        raise BadData(f"{str(file)!r} lies in a folder of class {by_folder}, but the workbook says {by_table}", field="archive")
    soft = replace(made, kind="soft") if made and made.kind == "disc_cup" else made
    return Photograph(str(file), by_table or by_folder, patient, annotation=soft, split=tree.split_of(file))


def _diagnoses(tree: Tree) -> dict[str, tuple[str | None, str | None]]:
    """Class and patient by stem: of the workbook of diagnoses, before that of notching, which knows classes by number."""
    diagnosed: dict[str, tuple[str | None, str | None]] = {}
    numbered: dict[str, tuple[str | None, str | None]] = {}
    for table in tree.with_suffix(TABLE_SUFFIXES):
        rows = labels.rows_of(tree.root, str(table))
        at = next((at for at, row in enumerate(rows[:_HEADER_WITHIN]) if {_HEADER, _NUMBER} & set(_folded(row))), None)
        if at is None:
            continue
        for row in rows[at + 1 :]:
            cells = dict(zip(_folded(rows[at]), row, strict=False))
            stem = cells.get(_HEADER, "").strip("'\N{RIGHT SINGLE QUOTATION MARK} ").casefold()
            number = cells.get(_NUMBER, "")
            if _PHOTOGRAPH.fullmatch(stem):
                diagnosed[stem] = (tree.words.class_of(cells.get("total", "")), cells.get("patient id") or None)
            elif number.isdecimal() and len(number) <= 3:
                said = next((cell for name, cell in cells.items() if name.startswith("normal/glaucom")), "")
                numbered[f"drishtigs_{int(number):03d}"] = (tree.words.class_of(said), None)
    return numbered | diagnosed


def _folded(row: list[str]) -> list[str]:
    return [" ".join(cell.casefold().split()) for cell in row]
