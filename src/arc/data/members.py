"""Members: which names an archive may hold, how much it may unpack to, and the only way its bytes reach a disk.

Shared by the ZIP and the TAR reader. A name is taken as it is or refused, never cleaned; only regular
files and folders are made; a file is opened below a folder descriptor with O_EXCL and O_NOFOLLOW, so that
no link, even one planted meanwhile, is followed; bytes are counted as they are written.

The standard library's `extractall` is not used: its tar filter has let archives out of the folder.
"""

import errno
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from arc.core.errors import BadData, NoSpace, TooLarge

FIELD: Final = "archive"
CHUNK: Final = 1 << 18
_DRIVE = re.compile(r"[A-Za-z]:")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Limits:
    """How much one archive may become."""

    bytes_out: int = 10 * 10**9  # written, all files together
    files: int = 20_000  # members, folders included
    ratio: float = 200.0  # bytes out per byte in, looked at above `ratio_from`
    ratio_from: int = 10 * 10**6
    depth: int = 20  # folders above a file
    path_bytes: int = 1024
    name_bytes: int = 255


def bad(message: str, name: str | None = None) -> BadData:
    """The refusal of an archive because of a member; the name is escaped, whatever it holds."""
    shown = None if name is None else ascii(name)[:160]
    return BadData(message if shown is None else f"member {shown}: {message}", field=FIELD, value=shown)


def parts_of(name: str, limits: Limits) -> tuple[str, ...]:
    """The folder and file names in a member's name; BadData for every name that could mean more than itself."""
    for character in name:
        if unicodedata.category(character) in {"Cc", "Cs"}:
            raise bad("the name holds a control character or is not valid text", name)
    if "\\" in name or name.startswith("/") or _DRIVE.match(name):
        raise bad("the name is an absolute or foreign path", name)
    if len(os.fsencode(name)) > limits.path_bytes:
        raise bad(f"the name is longer than {limits.path_bytes} bytes", name)
    parts = name.removesuffix("/").split("/")
    while parts and parts[0] == ".":  # as `tar c .` writes them
        parts = parts[1:]
    if any(part in {"", ".", ".."} for part in parts):
        raise bad("the name has an empty, '.' or '..' part", name)
    if len(parts) > limits.depth + 1:
        raise bad(f"it lies deeper than {limits.depth} folders", name)
    if any(len(os.fsencode(part)) > limits.name_bytes for part in parts):
        raise bad(f"a part of the name is longer than {limits.name_bytes} bytes", name)
    return tuple(parts)


@dataclass
class Names:
    """Every name taken so far, so that no two members share one, not even on a disk that ignores case."""

    taken: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = field(default_factory=dict)  # folded name -> kind, name
    files: set[tuple[str, ...]] = field(default_factory=set)

    def take(self, parts: tuple[str, ...], kind: str) -> None:
        """Claim a path for a `file` or `folder`; BadData on a duplicate or collision."""
        for upto in range(1, len(parts)):
            self._claim(parts[:upto], "folder")
        self._claim(parts, kind)

    def _claim(self, parts: tuple[str, ...], kind: str) -> None:
        key = tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
        held = self.taken.setdefault(key, (kind, parts))
        if held != (kind, parts):
            raise bad(f"its name collides with {ascii('/'.join(held[1]))[:160]}", "/".join(parts))
        if kind == "file" and key in self.files:
            raise bad("its name occurs twice", "/".join(parts))
        if kind == "file":
            self.files.add(key)


class Landing:
    """A fresh folder that members are written into; every limit is kept here."""

    def __init__(self, root: Path, limits: Limits, *, bytes_in: int) -> None:
        self.limits = limits
        self.bytes_in = max(bytes_in, 1)
        self.bytes_out = 0
        self.files = 0
        self.members = 0
        self._names = Names()
        root.mkdir(mode=0o700, parents=True, exist_ok=False)
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self._parent: tuple[tuple[str, ...], int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()
        os.close(self._root)

    def folder(self, name: str) -> None:
        """Make a folder member."""
        self._count(name)
        parts = parts_of(name, self.limits)
        if parts:
            self._names.take(parts, "folder")
            self._enter(parts)

    def file(self, name: str, chunks: Iterable[bytes], *, tell: Callable[[], None] | None = None) -> int:
        """Write a file member from its chunks and return its size; TooLarge as soon as a limit is crossed."""
        self._count(name)
        parts = parts_of(name, self.limits)
        if not parts or name.endswith("/"):
            raise bad("a file without a name", name)
        self._names.take(parts, "file")
        size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(parts[-1], flags, 0o600, dir_fd=self._enter(parts[:-1]))
        except OSError as error:
            raise _on_disk(error, name) from error
        with open(descriptor, "wb", buffering=0) as out:  # noqa: PTH123 - a descriptor, not a path
            for chunk in chunks:
                size += len(chunk)
                self._grow(len(chunk), name)
                try:
                    out.write(chunk)
                except OSError as error:
                    raise _on_disk(error, name) from error
                if tell is not None:
                    tell()
        self.files += 1
        return size

    def _count(self, name: str) -> None:
        self.members += 1
        if self.members > self.limits.files:
            raise TooLarge(f"the archive has more than {self.limits.files:,} members (max_files)", field=FIELD, value=ascii(name)[:160])

    def _grow(self, count: int, name: str) -> None:
        self.bytes_out += count
        if self.bytes_out > self.limits.bytes_out:
            limit = self.limits.bytes_out / 1e9
            raise TooLarge(f"the archive unpacks to more than {limit:g} GB (max_extracted_gb)", field=FIELD, value=ascii(name)[:160])
        if self.bytes_out > self.limits.ratio_from and self.bytes_out > self.limits.ratio * self.bytes_in:
            raise TooLarge(f"the archive unpacks to more than {self.limits.ratio:g} times its size", field=FIELD, value=ascii(name)[:160])

    def _enter(self, parts: tuple[str, ...]) -> int:
        """A descriptor of a folder, made if need be; the last one is kept open."""
        if not parts:
            return self._root
        if self._parent is not None and self._parent[0] == parts:
            return self._parent[1]
        self._leave()
        descriptor = os.dup(self._root)
        try:
            for part in parts:
                inner = _step_into(descriptor, part)
                os.close(descriptor)
                descriptor = inner
        except OSError as error:
            os.close(descriptor)
            raise _on_disk(error, "/".join(parts)) from error
        self._parent = (parts, descriptor)
        return descriptor

    def _leave(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None


def _step_into(descriptor: int, part: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(part, flags, dir_fd=descriptor)
    except FileNotFoundError:
        os.mkdir(part, 0o700, dir_fd=descriptor)
        return os.open(part, flags, dir_fd=descriptor)


def _on_disk(error: OSError, name: str) -> Exception:
    if error.errno in _FULL:
        return NoSpace("the disk is full; the archive was not unpacked", field=FIELD)
    return bad(f"it cannot be written: {error.strerror}", name)
