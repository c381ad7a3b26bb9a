"""Members: which names an archive may hold, how much it may unpack to, and the only way its bytes reach a disk.

Shared by the readers of ZIP, TAR and 7z. A name is taken as it is or refused, never cleaned; only regular
files and folders are made; a file is opened below a folder descriptor with O_EXCL and O_NOFOLLOW, so that
no link, even one planted meanwhile, is followed; bytes are counted as they are written. An archive inside the
archive lands in the same folder under the same counters (`inside`).

The standard library's `extractall` is not used: its tar filter has let archives out of the folder.
"""

import errno
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from arc.core.errors import BadData, NoSpace, TooLarge
from arc.data.kinds import HEAD, may_be_nested

FIELD: Final = "archive"
CHUNK: Final = 1 << 18
_DRIVE = re.compile(r"[A-Za-z]:")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_IN_NAMES = {"Cc", "Cs", "Zl", "Zp"}  # control characters, broken text, line and paragraph ends
_TURNS_TEXT = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # shows another name than there is
_NO_NAMES = frozenset({"", ".", ".."})
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Limits:
    """How much one archive may become, with all archives inside of it."""

    bytes_out: int = 10 * 10**9  # written, all files together
    file_bytes: int = 4 * 10**9  # one file
    files: int = 20_000  # members; also paths made, folders included
    ratio: float = 200.0  # bytes out per byte in, looked at above `ratio_from`
    ratio_from: int = 10 * 10**6
    depth: int = 20  # folders above a file
    path_bytes: int = 1024
    name_bytes: int = 255


def bad(message: str, name: str | None = None) -> BadData:
    """The refusal of an archive because of a member; the name is escaped, whatever it holds."""
    shown = None if name is None else ascii(name)[:160]
    return BadData(message if shown is None else f"member {shown}: {message}", field=FIELD, value=shown)


def too_large(message: str, name: str | None = None) -> TooLarge:
    """The refusal of an archive because of a limit."""
    return TooLarge(f"the archive {message}", field=FIELD, value=None if name is None else ascii(name)[:160])


def parts_of(name: str, limits: Limits) -> tuple[str, ...]:
    """The folder and file names in a member's name; BadData for every name that could mean more than itself."""
    if not name.isprintable():
        for character in name:
            if unicodedata.category(character) in _NOT_IN_NAMES or unicodedata.bidirectional(character) in _TURNS_TEXT:
                raise bad("the name holds a control character or is not valid text", name)
    if "\\" in name or name.startswith("/") or _DRIVE.match(name):
        raise bad("the name is an absolute or foreign path", name)
    long = 4 * len(name) > min(limits.path_bytes, limits.name_bytes)  # in UTF-8 it could be
    if long and len(os.fsencode(name)) > limits.path_bytes:
        raise bad(f"the name is longer than {limits.path_bytes} bytes", name)
    parts = name.removesuffix("/").split("/")
    while parts and parts[0] == ".":  # as `tar c .` writes them
        parts = parts[1:]
    if not _NO_NAMES.isdisjoint(parts):
        raise bad("the name has an empty, '.' or '..' part", name)
    if len(parts) > limits.depth + 1:
        raise bad(f"it lies deeper than {limits.depth} folders", name)
    if long and any(len(os.fsencode(part)) > limits.name_bytes for part in parts):
        raise bad(f"a part of the name is longer than {limits.name_bytes} bytes", name)
    return tuple(parts)


@dataclass
class Names:
    """Every path taken so far, so that no two members share one, not even on a disk that ignores case."""

    most: int
    taken: dict[str, tuple[str, str]] = field(default_factory=dict)  # folded path -> kind, path
    folders: dict[tuple[str, ...], str] = field(default_factory=dict)  # as named -> folded, with a slash at the end

    def take(self, parts: tuple[str, ...], kind: str) -> None:
        """Claim a path for a `file` or `folder`; BadData on a duplicate or collision, TooLarge when there are too many."""
        above = self._folder(parts[:-1])
        path = "/".join(parts)
        key = above + _folded(parts[-1])
        held = self.taken.get(key)
        if held is None:
            self._claim(key, kind, path)
        elif held != (kind, path):
            raise bad(f"its name collides with {ascii(held[1])[:160]}", path)
        elif kind == "file":
            raise bad("its name occurs twice", path)

    def fresh(self, parts: tuple[str, ...]) -> None:
        """BadData when something has this name already."""
        held = self.taken.get(self._folder(parts[:-1]) + _folded(parts[-1]))
        if held is not None:
            raise bad(f"its folder would collide with {ascii(held[1])[:160]}", "/".join(parts))

    def _folder(self, parts: tuple[str, ...]) -> str:
        """The folded path of a folder, claimed with all folders above it."""
        known = self.folders.get(parts)
        if known is None:
            if parts:
                self.take(parts, "folder")
            known = "".join(_folded(part) + "/" for part in parts)
            self.folders[parts] = known
        return known

    def _claim(self, key: str, kind: str, path: str) -> None:
        if len(self.taken) >= self.most:
            raise too_large(f"has more than {self.most:,} files and folders (max_files)", path)
        self.taken[key] = (kind, path)


def _folded(part: str) -> str:
    return part.lower() if part.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())


class Landing:
    """A fresh folder that members are written into; every limit is kept here."""

    def __init__(self, root: Path, limits: Limits, *, bytes_in: int) -> None:
        self.limits = limits
        self.bytes_out = 0
        self.files = 0
        self.members = 0
        self.archives: list[str] = []  # files that begin as an archive does
        self.most_bytes = min(limits.bytes_out, int(max(limits.ratio_from, limits.ratio * bytes_in)))
        self._names = Names(limits.files)
        self._above: tuple[str, ...] = ()
        root.mkdir(mode=0o700, parents=True, exist_ok=False)
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._parent: tuple[tuple[str, ...], int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()
        os.close(self._root)

    @contextmanager
    def inside(self, folder: str) -> Iterator[None]:
        """Within this context every member lands in `folder`, which no member may have made before."""
        parts = parts_of(folder, self.limits)
        self._names.fresh(parts)
        self._above = parts
        try:
            yield
        finally:
            self._above = ()

    def foresee(self, members: Iterable[tuple[str, bool]]) -> None:
        """Refuse names and folders (True) of a directory that is known beforehand, before anything is written."""
        names = Names(self.limits.files)
        for name, folder in members:
            if parts := self._parts(name):
                names.take(parts, "folder" if folder else "file")

    def folder(self, name: str) -> None:
        """Make a folder member."""
        self._count(name)
        parts = self._parts(name)
        if parts:
            self._names.take(parts, "folder")
            self._enter(parts)

    def file(self, name: str, chunks: Iterable[bytes]) -> int:
        """Write a file member from its chunks and return its size; TooLarge as soon as a limit is crossed."""
        self._count(name)
        parts = self._parts(name)
        if not parts or name.endswith("/"):
            raise bad("a file without a name", name)
        self._names.take(parts, "file")
        size = 0
        try:
            descriptor = os.open(parts[-1], _NEW, 0o600, dir_fd=self._enter(parts[:-1]))
        except OSError as error:
            raise _on_disk(error, name) from error
        try:
            for chunk in chunks:
                if not size and may_be_nested(name, chunk[:HEAD]):
                    self.archives.append("/".join(parts))
                size += len(chunk)
                self._grow(len(chunk), size, name)
                _write(descriptor, chunk, name)
        finally:
            os.close(descriptor)
        self.files += 1
        return size

    def _count(self, name: str) -> None:
        self.members += 1
        if self.members > self.limits.files:
            raise too_large(f"has more than {self.limits.files:,} members (max_files)", name)

    def _parts(self, name: str) -> tuple[str, ...]:
        parts = parts_of(name, self.limits)
        return parts_of("/".join((*self._above, *parts)), self.limits) if self._above and parts else parts

    def _grow(self, count: int, size: int, name: str) -> None:
        self.bytes_out += count
        if size > self.limits.file_bytes:
            raise too_large(f"holds a file of more than {self.limits.file_bytes / 1e9:g} GB", name)
        if self.bytes_out > self.most_bytes:
            raise self.over(name)

    def over(self, name: str | None = None) -> TooLarge:
        """The refusal of more bytes than may come out."""
        if self.most_bytes == self.limits.bytes_out:
            return too_large(f"unpacks to more than {self.limits.bytes_out / 1e9:g} GB (max_extracted_gb)", name)
        return too_large(f"unpacks to more than {self.limits.ratio:g} times its size", name)

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


def _write(descriptor: int, chunk: bytes, name: str) -> None:
    """All of a chunk: a disk that is nearly full takes a part of it without an error."""
    try:
        done = os.write(descriptor, chunk)
        while done < len(chunk):
            done += os.write(descriptor, chunk[done:])
    except OSError as error:
        raise _on_disk(error, name) from error


def _on_disk(error: OSError, name: str) -> Exception:
    if error.errno in _FULL:
        return NoSpace("the disk is full; the archive was not unpacked", field=FIELD)
    return bad(f"it cannot be written: {error.strerror}", name)
