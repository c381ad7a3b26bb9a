"""Manifest: one row a photograph, as CSV, and the digest of a dataset version.

A cell that a spreadsheet would take for a formula gets an apostrophe in front when written.
"""

import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from arc.core.errors import BadData

COLUMNS: Final = ("file", "label", "class", "patient", "eye", "site", "sha256", "bytes", "mask", "mask_sha256")
SCHEMA: Final = "manifest.schema.json"  # beside the manifests of a version (`arc.data.tables`)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Row(BaseModel):
    """One photograph of a split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str  # below the folder of the manifest
    label: str  # empty where a dataset has masks and no classes
    index: int  # of the class, -1 without one; the column is named class
    patient: str
    eye: str
    site: str
    sha256: str  # of the file
    bytes: int  # of the file
    mask: str = ""  # below the folder of the manifest, or empty
    mask_sha256: str = ""

    def cells(self) -> list[str]:
        """The row as it stands in a CSV, in the order of COLUMNS."""
        words = [self.file, self.label, self.patient, self.eye, self.site, self.mask]
        file, label, patient, eye, site, mask = ("'" + word if word.startswith(_FORMULA) else word for word in words)
        return [file, label, str(self.index), patient, eye, site, self.sha256, str(self.bytes), mask, self.mask_sha256]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write a manifest."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(row.cells() for row in rows)


def read(path: Path) -> list[Row]:
    """The rows of a manifest; BadData when it is none."""
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            table = csv.DictReader(handle, strict=True)
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise BadData(f"{path.name} does not have the columns {', '.join(COLUMNS)}", field="dataset")
            return [_row(cells) for cells in table]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise BadData(f"{path.name} cannot be read as a manifest: {error}", field="dataset") from error


def _row(cells: dict[str, str]) -> Row:
    return Row(index=int(cells["class"]), **{name: cells[name] for name in COLUMNS if name != "class"})


def digest(rows: Iterable[tuple[str, Row]]) -> str:
    """SHA-256 in hex over the sorted lines (split, the row's cells), sealed rows included."""
    lines = sorted("\x1f".join([split, *row.cells()]) for split, row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
