"""Labels: what a table beside the photographs says of each.

Read are CSV (comma, semicolon or tab; UTF-8 with or without a mark, or UTF-16 with one) and XLSX, the latter in the
sandbox: values as they were saved, no formula is worked out and no link followed. A file is named relative to the
table, or by its bare name where that is unique, with or without its suffix. A path that leaves the folder, an
address or a formula in the place of a file is refused; elsewhere a formula is text like any other.
"""

import csv
import io
import posixpath
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from arc.core.errors import BadData, TooLarge
from arc.data.names import CLASSES, SKIP, Split, Words, eye_of
from arc.kit import sandbox

ALIASES: Final = {
    "file": "file filename file_name image image_name imagename imageid image_id imgname img path photograph",
    "label": "label class label_name diagnosis glaucoma glaucoma_label binarylabels target label(glaucoma=1) finding",
    "patient": "patient patient_id patientid subject subject_id case_id",
    "eye": "eye laterality side",
    "site": "site clinic hospital centre center",
    "split": "split partition subset",
    "mask": "mask mask_file segmentation",
}
_MOST_BYTES: Final = 64 << 20
_MOST_XLSX_BYTES: Final = 256 << 20  # unpacked
_MOST_ROWS: Final = 500_000
_MOST_COLUMNS: Final = 500
_LONGEST_CELL: Final = 200
_FORMULA: Final = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Labelled:
    """What is known of a photograph."""

    label: str | None = None
    patient: str | None = None
    eye: str = ""
    site: str = ""
    split: Split = ""
    mask: str = ""  # below the root


@dataclass(frozen=True)
class Table:
    """A table by file below the root, by bare name and by stem; a name that occurs twice finds nothing."""

    file: str
    rows: dict[str, Labelled] = field(default_factory=dict)
    by_name: dict[str, list[str]] = field(default_factory=dict)
    has_labels: bool = False

    def of(self, file: PurePosixPath) -> Labelled | None:
        """The row of a photograph, if there is one."""
        key = self.key_of(file)
        return self.rows[key] if key is not None else None

    def key_of(self, file: PurePosixPath) -> str | None:
        """The row's own name for a photograph, if it has one."""
        if str(file) in self.rows:
            return str(file)
        if (bare := str(file.with_suffix(""))) in self.rows:
            return bare
        for name in (file.name, file.stem):
            if len(self.by_name.get(name, [])) == 1:
                return self.by_name[name][0]
        return None


def columns_of(header: Sequence[str], words: Words) -> dict[str, int]:
    """Where each known column stands; a name of the mapping that is not there is BadData."""
    plain = ["_".join(cell.casefold().split()) for cell in header]
    found = {role: plain.index(alias) for role, aliases in ALIASES.items() for alias in reversed(aliases.split()) if alias in plain}
    for role, column in words.columns.items():
        if role in ALIASES:
            wanted = "_".join(column.casefold().split())
            if wanted not in plain:
                raise BadData(
                    f"the mapping names a column {column!a} for {role}; the table has {_listed(header)}",
                    field="mapping",
                    value=column[:160],
                )
            found = {other: at for other, at in found.items() if at != plain.index(wanted)} | {role: plain.index(wanted)}
    return found


def read(root: Path, file: str, words: Words) -> Table:
    """The table `file` below `root`; BadData when it cannot be trusted, saying the line."""
    rows = iter(rows_of(root, file))
    header = next(rows, [])
    columns = columns_of(header, words)
    if "file" not in columns:
        raise BadData(f"{file} has no column named file; it has {_listed(header)} (a mapping can say which column it is)", field="archive")
    table, folder = Table(file, has_labels="label" in columns), posixpath.dirname(file)
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        where = f"{file}, line {number}"
        if len(row) != len(header):
            raise BadData(f"{where}: {len(row)} cells where the first line has {len(header)}", field="archive")
        cells = {name: row[at] for name, at in columns.items()}
        path = inside(cells["file"], folder, where=where)
        if path in table.rows:
            raise BadData(f"{where}: {path!a} is named twice", field="archive")
        table.rows[path] = _labelled(cells, words, folder, where=where)
        table.by_name.setdefault(posixpath.basename(path), []).append(path)
    return table


def rows_of(root: Path, file: str) -> list[list[str]]:
    """The cells of a table as stripped text; BadData or TooLarge when it cannot be read."""
    path = root / file
    if path.stat().st_size > _MOST_BYTES:
        raise TooLarge(f"{file} is larger than {_MOST_BYTES >> 20} MB", field="archive")
    if path.suffix.casefold() == ".xlsx":
        rows: list[list[str]] = sandbox.parse(read_xlsx, path, cpu_s=60, memory_mb=1000, timeout_s=90.0, what=file)
        return rows
    return list(_csv(path.read_bytes(), file))


def read_xlsx(path: str) -> list[list[str]]:
    """The first sheet of a workbook that holds anything; called in the sandbox."""
    with zipfile.ZipFile(path) as members:
        if sum(member.file_size for member in members.infolist()) > _MOST_XLSX_BYTES:
            raise TooLarge(f"the workbook unpacks to more than {_MOST_XLSX_BYTES >> 20} MB", field="archive")
    import openpyxl  # by those alone that have a workbook to read: it takes longer to import than most tables to read

    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    for sheet in book.worksheets:
        rows: list[list[str]] = []
        for cells in sheet.iter_rows(max_col=_MOST_COLUMNS, max_row=_MOST_ROWS + 1, values_only=True):
            rows.append([_text(cell) for cell in cells])
            if len(rows) > _MOST_ROWS:
                raise TooLarge(f"the sheet has more than {_MOST_ROWS:,} rows", field="archive")
        rows = [row for row in rows if any(row)]
        if rows:
            widest = max(max(at for at, cell in enumerate(row) if cell) for row in rows) + 1
            return [[*row, *[""] * widest][:widest] for row in rows]
    return []


def _text(cell: object) -> str:
    """A cell as text; a whole number without its point, so that 1.0 reads as 1."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _csv(data: bytes, file: str) -> Iterator[list[str]]:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            yield [cell.strip() for cell in row]
    except UnicodeDecodeError:
        raise BadData(f"{file} is neither UTF-8 text nor UTF-16 with a mark", field="archive") from None
    except csv.Error as error:
        raise BadData(f"{file} cannot be read as CSV: {error}", field="archive") from None


def inside(cell: str, folder: str, *, where: str) -> str:
    """A file below the root named relative to `folder`; BadData when it names anything else."""
    plain = cell.replace("\\", "/")
    outside = plain.startswith("/") or ":" in plain or ".." in plain.split("/")
    if not cell or outside or cell.startswith(_FORMULA) or not cell.isprintable() or len(cell) > 1000:
        raise BadData(f"{where}: {ascii(cell)[:120]} does not name a file beside the table", field="archive")
    return posixpath.normpath(posixpath.join(folder, plain))


def _labelled(cells: Mapping[str, str], words: Words, folder: str, *, where: str) -> Labelled:
    for name in ("patient", "eye", "site", "split"):
        cell = cells.get(name, "")
        if len(cell) > _LONGEST_CELL or (cell and not cell.isprintable()):
            raise BadData(f"{where}: {name} {ascii(cell)[:80]} is too long or not printable", field="archive")
    label: str | None = None
    split: Split = ""
    if cells.get("label"):
        label = words.class_of(cells["label"])
        if label is None:
            raise BadData(
                f"{where}: label {ascii(cells['label'])[:80]} is neither {CLASSES[1]} nor {CLASSES[0]}; "
                f"a mapping label:WORD = {CLASSES[1]}, {CLASSES[0]} or {SKIP} says what it is",
                field="archive",
            )
    if cells.get("split"):
        split = words.split_of(cells["split"])
        if not split:
            raise BadData(f"{where}: split {ascii(cells['split'])[:80]} is none of train, val and test", field="archive")
    mask = inside(cells["mask"], folder, where=where) if cells.get("mask") else ""
    return Labelled(label, cells.get("patient") or None, eye_of(cells.get("eye", "")), cells.get("site", ""), split, mask)


def _listed(header: Sequence[str]) -> str:
    return ", ".join(ascii(cell)[:60] for cell in header[:10]) or "no columns"
