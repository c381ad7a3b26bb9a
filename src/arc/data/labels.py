"""labels.csv: what a table beside the photographs says of each.

Needed is a column with the file; label, patient, eye and site are read when they are there. A file is named
relative to the table, or by its bare name where that is unique. A path that leaves the folder is refused.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from arc.core.errors import BadData, TooLarge
from arc.data.names import CLASSES, class_of, eye_of

_COLUMNS: Final = {
    "file": ("file", "filename", "image", "path"),
    "label": ("label", "class", "label_name", "diagnosis"),
    "patient": ("patient", "patient_id", "subject", "subject_id"),
    "eye": ("eye", "laterality"),
    "site": ("site", "clinic", "hospital"),
}
_MOST_BYTES: Final = 64 << 20
_LONGEST_CELL: Final = 200


@dataclass(frozen=True)
class Labelled:
    """What is known of a photograph."""

    label: str | None = None
    patient: str | None = None
    eye: str = ""
    site: str = ""


@dataclass(frozen=True)
class Table:
    """A labels.csv, by file below the root and by bare name."""

    file: str
    by_path: Mapping[str, Labelled]
    by_name: Mapping[str, Labelled]

    def of(self, file: PurePosixPath) -> Labelled | None:
        """The row of a photograph, if there is one."""
        return self.by_path.get(str(file)) or self.by_name.get(file.name)


def read(root: Path, files: list[str]) -> Table | None:
    """The labels.csv among `files` below `root`; None without one, BadData when it cannot be trusted."""
    tables = [file for file in files if PurePosixPath(file).name.casefold() == "labels.csv"]
    if not tables:
        return None
    if len(tables) > 1:
        raise BadData(f"there are {len(tables)} tables ({', '.join(map(ascii, tables[:4]))}); one labels.csv is read", field="archive")
    file = tables[0]
    rows = _rows(root / file, file)
    header = next(rows, [])
    columns = _columns(header, file)
    by_path: dict[str, Labelled] = {}
    by_name: dict[str, list[Labelled]] = {}
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise BadData(f"{file}, line {number}: {len(row)} cells where the first line has {len(header)}", field="archive")
        cells = {name: row[at].strip() for name, at in columns.items()}
        path = _inside(cells["file"], PurePosixPath(file).parent, where=f"{file}, line {number}")
        if path in by_path:
            raise BadData(f"{file}, line {number}: {path!a} is named twice", field="archive")
        by_path[path] = labelled = _labelled(cells, where=f"{file}, line {number}")
        by_name.setdefault(PurePosixPath(path).name, []).append(labelled)
    return Table(file, by_path, {name: rows[0] for name, rows in by_name.items() if len(rows) == 1})


def _rows(path: Path, file: str) -> Iterator[list[str]]:
    if path.stat().st_size > _MOST_BYTES:
        raise TooLarge(f"{file} is larger than {_MOST_BYTES >> 20} MB", field="archive")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return iter(list(csv.reader(io.StringIO(text, newline=""), strict=True)))
    except UnicodeDecodeError:
        raise BadData(f"{file} is not UTF-8 text", field="archive") from None
    except csv.Error as error:
        raise BadData(f"{file} cannot be read as CSV: {error}", field="archive") from None


def _columns(header: list[str], file: str) -> dict[str, int]:
    """Where each known column stands."""
    folded = [cell.strip().casefold() for cell in header]
    found = {name: folded.index(alias) for name, aliases in _COLUMNS.items() for alias in reversed(aliases) if alias in folded}
    if "file" not in found:
        raise BadData(f"{file} has no column named file; it has {', '.join(map(ascii, header[:10]))}", field="archive")
    return found


def _inside(cell: str, folder: PurePosixPath, *, where: str) -> str:
    if (
        not cell
        or cell.startswith(("/", "\\"))
        or "://" in cell
        or ".." in PurePosixPath(cell.replace("\\", "/")).parts
        or not cell.isprintable()
    ):
        raise BadData(f"{where}: {ascii(cell)[:120]} does not name a file beside the table", field="archive")
    return str(folder / cell.replace("\\", "/"))


def _labelled(cells: Mapping[str, str], *, where: str) -> Labelled:
    for name in ("patient", "eye", "site"):
        cell = cells.get(name, "")
        if len(cell) > _LONGEST_CELL or (cell and not cell.isprintable()):
            raise BadData(f"{where}: {name} {ascii(cell)[:80]} is too long or not printable", field="archive")
    label = None
    if cells.get("label"):
        label = class_of(cells["label"])
        if label is None:
            raise BadData(f"{where}: label {ascii(cells['label'])[:80]} is neither {CLASSES[1]} nor {CLASSES[0]}", field="archive")
    return Labelled(label, cells.get("patient") or None, eye_of(cells.get("eye", "")), cells.get("site", ""))
