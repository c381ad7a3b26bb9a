"""REFUGE: 1,200 photographs in three archives with masks 255 background, 128 disc, 0 cup (turned around when read).

Tree: https://refuge.grand-challenge.org. `Training400/{Glaucoma,Non-Glaucoma}/`, `REFUGE-Validation400/` and `Test400/`
hold the photographs, `.../Disc_Cup_Masks/` the masks, and workbooks the classes of validation and test. A common copy
has `{train,val,test}/{Images,Masks or gts}/` with an `index.json` each. Photographs whose class nobody says are left
out, with a warning, where others have one.
"""

import json
import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from arc.core.errors import BadData
from arc.data import labels
from arc.data.layouts.class_folders import class_by_folder
from arc.data.layouts.sibling_masks import pairs_of
from arc.data.names import Split, class_of, split_of
from arc.data.tree import TABLE_SUFFIXES, Layout, Photograph, Tree, shown

NAME = "refuge"
_MASKS: Final = "disc_cup_masks"
_INDEX: Final = "index.json"
_OF_COPY: Final = frozenset({"images", "masks", "gts"})
_SPLIT: Final = re.compile(r"(training|validation|test)400", re.IGNORECASE)
_MOST_INDEX_BYTES: Final = 8 << 20


def claim(tree: Tree) -> Layout | None:
    """REFUGE as it was published or as it is commonly copied."""
    published = _MASKS in tree.folders
    indices = [file for file in tree.files if file.name == _INDEX and split_of(file.parent.name)]
    if not published and not indices:
        return None
    mine = tree if published else replace(tree, files=tuple(file for file in tree.files if file.parent.name.casefold() in _OF_COPY))
    pairs = pairs_of(mine)
    said = _of_tables(tree) | {stem: label for index in indices for stem, label in _of_index(tree, index).items()}
    photographs = [
        Photograph(
            str(file), class_by_folder(tree, file) or said.get(file.stem.casefold()), annotation=pairs.annotations.get(file), split=_split_of(tree, file)
        )
        for file in pairs.photographs
    ]  # fmt: skip
    known = [photo for photo in photographs if photo.label]
    unknown = [photo.file for photo in photographs if not photo.label]
    if known and unknown:
        warning = f"{len(unknown)} photographs of REFUGE were left out, as nothing says their class: {shown(unknown[:3])}"
        return Layout(NAME, "classification", tuple(known), (warning,), tree.says)
    return Layout(NAME, "classification" if known else "segmentation", tuple(photographs), (), tree.says)


def _split_of(tree: Tree, file: PurePosixPath) -> Split:
    for part in reversed(file.parts[:-1]):
        match = _SPLIT.search(part)
        if match:
            return split_of(match[1])
    return tree.split_of(file)


def _of_tables(tree: Tree) -> dict[str, str]:
    """Classes by stem, of the workbooks that have a column for them."""
    found: dict[str, str] = {}
    for table in tree.with_suffix(TABLE_SUFFIXES):
        rows = labels.rows_of(tree.root, str(table))
        columns = labels.columns_of(rows[0], tree.words) if rows else {}
        if not {"file", "label"} <= set(columns):
            continue
        for row in rows[1:]:
            cells = dict(enumerate(row))
            label = tree.words.class_of(cells.get(columns["label"], ""))
            if label:
                found[PurePosixPath(cells.get(columns["file"], "")).stem.casefold()] = label
    return found


def _of_index(tree: Tree, index: PurePosixPath) -> dict[str, str]:
    """Classes by stem, of the copy's index; BadData when it is not what it should be."""
    path = tree.root / index
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig")) if path.stat().st_size <= _MOST_INDEX_BYTES else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise BadData(f"{str(index)!a} cannot be read as the index of REFUGE", field="archive", value=str(index)[:160])
    rows = [row for row in content.values() if isinstance(row, dict) and isinstance(row.get("ImgName"), str)]
    labelled = {PurePosixPath(row["ImgName"]).stem.casefold(): class_of(str(row.get("Label"))) for row in rows}
    return {stem: label for stem, label in labelled.items() if label}
