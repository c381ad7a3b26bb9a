"""Tables: a CSV or XLSX beside the photographs that says of each its class, patient, eye, site, split or mask.

A table named `labels` is meant before others; else the one that names files and says something of them. Two are
refused: a mapping `table = FILE` decides.
"""

from pathlib import PurePosixPath
from typing import Final

from arc.core.errors import BadData
from arc.data import labels
from arc.data.layouts.sibling_masks import photographs_of
from arc.data.tree import TABLE_SUFFIXES, Annotation, Layout, Photograph, Tree, shown

NAME = "tables"
_MOST_TABLES: Final = 20  # that are looked into


def claim(tree: Tree) -> Layout | None:
    """The photographs that the table names; None without a table. BadData when it cannot be trusted."""
    file = table_of(tree)
    if file is None:
        return None
    table = labels.read(tree.root, file, tree.words)
    masks = {row.mask for row in table.rows.values() if row.mask}
    missing = sorted(masks - {str(each) for each in tree.files}) if masks else []
    if missing:
        raise BadData(f"{file} names a mask that is not there: {shown(missing)}", field="archive", value=missing[0][:160])
    pictures = [picture for picture in photographs_of(tree) if str(picture) not in masks]
    found, named = [], set()
    for picture in pictures:
        key = table.key_of(picture)
        if key is not None:
            named.add(key)
            found.append(_photograph(tree, picture, table.rows[key]))
    lost = [key for key in table.rows if key not in named]
    warnings = [f"{file} names {len(lost)} photographs that are not there, such as {shown(lost[:3])}"] if lost else []
    if not found:
        raise BadData(f"{file} names no photograph that is there; it names {shown(lost)} (--layout can pass it over)", field="archive")
    task = "classification" if table.has_labels else "segmentation"
    return Layout(NAME, task, tuple(found), tuple(warnings), tree.says)  # type: ignore[arg-type]


def table_of(tree: Tree) -> str | None:
    """The table that is meant; None when there is none, BadData when there are several."""
    wanted = tree.words.columns.get("table")
    tables = [str(file) for file in tree.with_suffix(TABLE_SUFFIXES)]
    if wanted is not None:
        if wanted not in tables:
            raise BadData(
                f"the mapping names a table {wanted!a} that is not there; there are {shown(tables)}", field="mapping", value=wanted[:160]
            )
        return wanted
    named = [file for file in tables if PurePosixPath(file).stem.casefold() == "labels"]
    speaking = named or [file for file in tables[:_MOST_TABLES] if _speaks(tree, file)]
    if len(speaking) > 1:
        raise BadData(
            f"there are {len(speaking)} tables ({shown(speaking[:4])}); one is read: a mapping table = FILE says which",
            field="mapping", value=None,
        )  # fmt: skip
    return speaking[0] if speaking else None


def _speaks(tree: Tree, file: str) -> bool:
    """Whether the first line of a table says that it is about files and something else."""
    try:
        columns = labels.columns_of((labels.rows_of(tree.root, file) or [[]])[0], tree.words)
    except BadData as error:
        if error.field == "mapping":
            return False  # the columns that the mapping names are in another table
        raise
    return "file" in columns and len(columns) > 1


def _photograph(tree: Tree, file: PurePosixPath, row: labels.Labelled) -> Photograph:
    by_folder = tree.split_of(file)
    if row.split and by_folder and row.split != by_folder:
        raise BadData(
            f"{str(file)!r} lies in a folder of {by_folder}, but the table says {row.split}; --layout can pass the table over",
            field="layout", value=str(file)[:160],
        )  # fmt: skip
    annotation = Annotation("labels", (row.mask,)) if row.mask else None
    return Photograph(str(file), row.label, row.patient, row.eye, row.site, annotation, row.split or by_folder)
