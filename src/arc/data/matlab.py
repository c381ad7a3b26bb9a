"""MATLAB: a `.mat` file becomes a plain folder of pictures and a labels.csv, as `arc.data.layout` reads them.

Version 5 (`save -v7`, SciPy) and 7.3 (HDF5, h5py) are told apart by content. The file is opened in one child of
`arc.kit.sandbox`, because both libraries can be crashed by a crafted file; here only its first bytes are seen.
What holds the photographs, masks, classes, patients and eyes: `matlab_fields`; how numbers become 8 bits:
`matlab_stacks`.

The odd case: version 4 has neither cells nor a mark of its own; it is refused by name.
"""

import csv
import shutil
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from arc.core.errors import BadData, NoSpace
from arc.data.matlab_values import FIELD, MatLimits
from arc.kit import sandbox

SUFFIX: Final = ".mat"
_HEADER: Final = 128
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_PLACES: Final = (512, 0, 1024, 2048)  # where HDF5 may begin; MATLAB puts its own header of 512 bytes before
_VERSION_5: Final = {b"\x00\x01IM": "5", b"\x01\x00MI": "5"}
_COLUMNS: Final = ("label", "patient", "eye")
_PNG_MB: Final = 250  # one PNG of the most pixels allowed


@dataclass(frozen=True)
class Expanded:
    """What came out of a MATLAB file."""

    images: int
    masks: int
    labelled: int  # images of a known class
    warnings: tuple[str, ...]


def sniff(source: Path) -> str:
    """The version of a MATLAB file by its content, `5` or `7.3`; BadData saying what it is otherwise."""
    with source.open("rb") as handle:
        head = handle.read(max(_PLACES) + len(_HDF5))
    if any(head[at:].startswith(_HDF5) for at in _PLACES):
        return "7.3"
    if version := _VERSION_5.get(head[124:_HEADER]):
        if len(head) == _HEADER:
            raise _bad("it holds no variable", source)
        return version
    if _old(head):
        raise _bad("it is a MATLAB file of version 4; save it with -v7 or -v7.3", source)
    raise _bad("it is no MATLAB file: neither version 5 nor 7.3, or its header is damaged", source)


def expand(source: Path, into: Path, *, limits: MatLimits, mapping: Mapping[str, str] | None = None) -> Expanded:
    """Write the photographs of `source` to `into`/images, masks to `into`/masks, the rest to `into`/labels.csv.

    `into` must not exist; nothing is left of it on any error. `mapping`: role (image, mask, label, patient, eye)
    to the name of a variable, and `axes` to the order of a stack's sides (HW, HWC, HWN, NHW, HWCN, NHWC).
    BadData, TooLarge, InvalidSpec (of the mapping) and NoSpace as they apply.
    """
    version = sniff(source)
    into.mkdir(mode=0o700)
    try:
        for folder in ("images", "masks"):
            (into / folder).mkdir(mode=0o700)
        answer = _ask(version, source, into, limits, dict(mapping or {}))
        stems = [str(stem) for stem in answer["stems"]]
        if not answer["masks"]:
            (into / "masks").rmdir()
        _table(into / "labels.csv", stems, answer)
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise
    labelled = sum(bool(label) for label in answer["label"] or ())
    return Expanded(len(stems), int(answer["masks"]), labelled, tuple(map(str, answer["warnings"])))


def read_version_5(source: str, into: str, mapping: dict[str, str], limits: dict[str, Any]) -> Any:
    """In the child: the pictures of a version 5 file; see `matlab_rows.write`."""
    from arc.data import matlab5, matlab_rows

    rules = MatLimits(**limits)
    return matlab_rows.write(matlab5.columns(Path(source), rules), Path(into), mapping, rules)


def read_version_73(source: str, into: str, mapping: dict[str, str], limits: dict[str, Any]) -> Any:
    """In the child: the pictures of a version 7.3 file; see `matlab_rows.write`."""
    from arc.data import matlab73, matlab_rows

    rules = MatLimits(**limits)
    return matlab_rows.write(matlab73.columns(Path(source), rules), Path(into), mapping, rules)


def _ask(version: str, source: Path, into: Path, limits: MatLimits, mapping: dict[str, str]) -> dict[str, Any]:
    seconds = limits.timeout_s + limits.timeout_s_per_mb * source.stat().st_size / 1e6
    answer = sandbox.parse(
        read_version_5 if version == "5" else read_version_73,
        source,
        into.absolute(),
        mapping,
        asdict(limits),
        cpu_s=int(seconds) + 1,
        memory_mb=limits.memory_mb,
        timeout_s=seconds,
        write_mb=_PNG_MB,
    )
    if answer.get("full"):
        raise NoSpace("the disk is full; the MATLAB file was not unpacked", field=FIELD)
    return answer


def _table(path: Path, stems: list[str], answer: Mapping[str, Any]) -> None:
    """labels.csv with the columns that are known."""
    known = [name for name in _COLUMNS if answer[name] is not None]
    if not known:
        return
    with path.open("x", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["file", *known])
        rows.writerows([f"images/{stem}.png", *cells] for stem, *cells in zip(stems, *(answer[name] for name in known), strict=True))


def _old(head: bytes) -> bool:
    """Whether a file begins as version 4 does: a type MOPT of decimal digits, sides, and the length of a name."""
    if len(head) < 20 or not any(head[:20]):
        return False
    for order in "<>":
        kind, _, _, imaginary, length = struct.unpack(f"{order}5I", head[:20])
        digits = f"{kind:04d}"
        if kind < 5000 and digits[1] == "0" and digits[2] <= "5" and digits[3] <= "2" and imaginary <= 1 and 1 <= length <= 1024:
            return True
    return False


def _bad(message: str, source: Path) -> BadData:
    return BadData(message, field=FIELD, value=source.name[:160])
