"""The members that the directory of a 7z names: names, which are folders, which are empty, which are more than files.

Attributes are those of Windows; in their upper half most packers state a Unix mode, by which links are told.
"""

import stat
from dataclasses import dataclass
from typing import Final

from arc.data.members import Limits, bad, too_large
from arc.data.seven_zip_header import DAMAGED, END, Bytes

_EMPTY, _EMPTY_FILE, _ANTI, _NAMES = range(0x0E, 0x12)
_ATTRIBUTES: Final = 0x15
_PADDING: Final = 0x19
_HAS_UNIX_MODE: Final = 0x8000
_REPARSE_POINT: Final = 0x400


@dataclass(frozen=True)
class Entry:
    """One member; `has_content` says that the next part of the packs is its content."""

    name: str
    folder: bool
    has_content: bool


def entries(data: Bytes, *, limits: Limits) -> list[Entry]:
    """The members in the order of the directory; BadData for one that is no plain file or folder."""
    count = data.number()
    if count > limits.files:
        raise too_large(f"has more than {limits.files:,} members (max_files)")
    said = _properties(data)
    empty = said[_EMPTY].bits(count) if _EMPTY in said else [False] * count
    barren = sum(empty)
    plain = iter(said[_EMPTY_FILE].bits(barren) if _EMPTY_FILE in said else [False] * barren)
    if _ANTI in said and any(said[_ANTI].bits(barren)):
        raise bad("it deletes files; only files and folders are unpacked")
    names = _names(said.get(_NAMES, Bytes(b"")), count)
    attributes = _attributes(said[_ATTRIBUTES], count) if _ATTRIBUTES in said else [None] * count
    found = []
    for name, is_empty, attribute in zip(names, empty, attributes, strict=True):
        entry = Entry(name, folder=is_empty and not next(plain), has_content=not is_empty)
        if not _is_plain(attribute or 0):
            raise bad("it is a link or a device; only files and folders are unpacked", name)
        found.append(entry)
    return found


def _properties(data: Bytes) -> dict[int, Bytes]:
    said: dict[int, Bytes] = {}
    while (kind := data.byte()) != END:
        content = Bytes(data.take(data.number()))
        if kind in said and kind != _PADDING:
            raise bad(DAMAGED)
        said[kind] = content
    return said


def _names(data: Bytes, count: int) -> list[str]:
    """`count` names in UTF-16, each with a zero at its end."""
    if not count:
        return []
    data.expect(0)  # not in another stream
    raw = data.rest()
    try:
        names = raw.decode("utf-16-le").split("\0")
    except UnicodeDecodeError:
        raise bad("a name is not UTF-16") from None
    if len(names) != count + 1 or names[-1]:
        raise bad(DAMAGED)
    return names[:-1]


def _attributes(data: Bytes, count: int) -> list[int | None]:
    stated = data.some(count)
    data.expect(0)
    return data.words(stated)


def _is_plain(attributes: int) -> bool:
    if attributes & _REPARSE_POINT:
        return False
    return not attributes & _HAS_UNIX_MODE or stat.S_IFMT(attributes >> 16) in {0, stat.S_IFREG, stat.S_IFDIR}
