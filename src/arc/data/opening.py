"""Opening: from what was handed over (a folder, an archive, a `.mat` file) to a folder that can be looked at."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from arc.core.errors import BadData, Cancelled
from arc.core.ports import RunContext
from arc.data import archive, matlab
from arc.data.decode import SUFFIXES
from arc.data.matlab_values import MatLimits
from arc.data.members import Limits
from arc.data.spec import UnpackParams

_ROLES: Final = frozenset({"image", "mask", "label", "patient", "eye", "axes"})  # of a mapping, that say which variable is what


@dataclass(frozen=True)
class Opened:
    """A folder to look at."""

    root: Path
    format: str  # folder, mat, or that of the archive
    bytes_in: int
    warnings: tuple[str, ...] = ()
    mapping: Mapping[str, str] | None = None  # what is left of it for the tables


def open_source(ctx: RunContext, params: UnpackParams, source: Path, work: Path) -> Opened:
    """The folder with what is in `source`; BadData, TooLarge or NoSpace. Only below `work` anything is written."""
    if source.is_dir():
        return _with_matlab(params, Opened(source, "folder", 0, mapping=params.mapping), work)
    if not source.is_file():
        raise BadData("the archive is neither a file nor a folder", field="archive", value=source.name[:160])
    size = source.stat().st_size
    ctx.phase("unpack")
    if _is_matlab(source):
        return _with_matlab(params, Opened(source.parent, "mat", size, mapping=params.mapping), work, [source])
    house = float(str(ctx.input("archive").info.get("max_extracted_gb", params.max_extracted_gb)))  # the setting of that name
    out = archive.unpack(
        source,
        work / "members",
        limits=Limits(bytes_out=int(min(params.max_extracted_gb, house) * 1e9), files=params.max_files),
        tell=_Teller(ctx),
        nested=params.nested_archives,
    )
    ctx.log("unpacked", format=out.format, files=out.files, bytes=out.bytes)
    nested = tuple(f"{name!a} is an archive in the archive and was not unpacked (nested_archives)" for name in out.nested_found[:20])
    return _with_matlab(params, Opened(work / "members", out.format, size, nested, params.mapping), work)


class _Teller:
    """Says how far it is in steps of a twentieth, and ends the work when asked to stop."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx, self._said = ctx, -1

    def __call__(self, share: float) -> None:
        if self._ctx.should_stop():
            raise Cancelled("asked to stop while unpacking")
        if int(share * 20) != self._said:
            self._said = int(share * 20)
            self._ctx.progress(share, 1.0, unit="archive")


def _is_matlab(file: Path) -> bool:
    with file.open("rb") as handle:
        head = handle.read(8)
    return head.startswith(b"MATLAB") or file.suffix.casefold() == matlab.SUFFIX


def _with_matlab(params: UnpackParams, opened: Opened, work: Path, files: Sequence[Path] | None = None) -> Opened:
    """The folder itself, or, where it holds `.mat` files and no pictures, one with what is in them."""
    if files is None:
        found = [file for file in opened.root.rglob("*") if file.is_file() and not file.is_symlink()]
        files = sorted(file for file in found if file.suffix.casefold() == matlab.SUFFIX)
        if not files or any(file.suffix.casefold() in SUFFIXES for file in found):
            return opened
    roles = {role: name for role, name in params.mapping.items() if role in _ROLES}
    rest = {role: name for role, name in params.mapping.items() if role not in _ROLES}
    into, warnings = work / "matlab", list(opened.warnings)
    if len(files) == 1:
        warnings += matlab.expand(files[0], into, limits=MatLimits(), mapping=roles).warnings
        return Opened(into, opened.format, opened.bytes_in, tuple(warnings), rest)
    into.mkdir(mode=0o700)
    rows: list[dict[str, str]] = []
    for number, file in enumerate(files, start=1):
        part = work / f"matlab-{number}"
        said = matlab.expand(file, part, limits=MatLimits(), mapping=roles)
        warnings += [f"{file.name!a}: {what}" for what in said.warnings]
        rows += _moved(part, into, f"{number:04d}")
    _write(into / "labels.csv", rows)
    return Opened(into, opened.format, opened.bytes_in, tuple(warnings), rest)


def _moved(part: Path, into: Path, prefix: str) -> list[dict[str, str]]:
    """Put the pictures of one file among those of the others; what its labels.csv says of them, under their new names."""
    for file in sorted(part.rglob("*.png")):
        target = into / file.parent.name / f"{prefix}-{file.name}"
        target.parent.mkdir(exist_ok=True)
        file.rename(target)
    table = part / "labels.csv"
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return [row | {"file": f"images/{prefix}-{Path(row['file']).name}"} for row in rows]


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """One labels.csv of all; none where nothing is known."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if columns:
        with path.open("x", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, columns, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
