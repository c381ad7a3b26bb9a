"""Archive: what kind it is, by content, and its members into a fresh folder, all of them or none.

Read: ZIP and TAR, the latter plain or in gzip, bzip2 or xz. Others are refused by their name. An archive
inside the archive stays a file. Members are checked and written by `arc.data.members`.
"""

import bz2
import gzip
import lzma
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from arc.core.errors import BadData
from arc.data import tar_reader, zip_reader
from arc.data.members import CHUNK, FIELD, Landing, Limits, bad

_XZ_MEMORY: Final = 256 << 20  # bytes a decoder may take; the default of `xz -9` needs 65 MB
_MAGIC: Final = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "tar.gz"),
    (b"BZh", "tar.bz2"),
    (b"\xfd7zXZ\x00", "tar.xz"),
)
_NOT_READ: Final = ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!", "RAR"), (b"\x28\xb5\x2f\xfd", "Zstandard"), (b"\x1f\x9d", "compress"))
ARCHIVE_SUFFIXES: Final = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".txz", ".zst", ".7z", ".rar"})


@dataclass(frozen=True)
class Unpacked:
    """What came out of an archive."""

    format: str  # zip, tar, tar.gz, tar.bz2, tar.xz
    files: int
    bytes: int


def sniff(source: Path) -> str:
    """The format of an archive by its first bytes; BadData naming what is read when it is none of them."""
    with source.open("rb") as handle:
        head = handle.read(tar_reader.BLOCK)
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[257:262] == b"ustar" or _old_tar(head):
        return "tar"
    other = next((name for magic, name in _NOT_READ if head.startswith(magic)), None)
    what = "empty" if not head else f"a {other} archive" if other else "no archive that is read here"
    raise BadData(f"the file is {what}; pack the photographs as ZIP or TAR (plain, gz, bz2 or xz)", field=FIELD, value=source.name[:160])


def unpack(source: Path, into: Path, *, limits: Limits, tell: Callable[[float], None] | None = None) -> Unpacked:
    """Write the members of `source` into `into`, which must not exist; on any error nothing is left of it.

    `tell` hears the share of the archive that is read, 0 to 1. BadData, TooLarge and NoSpace as they apply.
    """
    form = sniff(source)
    size = source.stat().st_size
    try:
        with Landing(into, limits, bytes_in=size) as landing:
            if form == "zip":
                zip_reader.extract(source, landing, tell=lambda: tell and tell(min(landing.bytes_out / size, 1.0)))
            else:
                _untar(source, form, landing, tell)
            if not landing.files:
                raise BadData("the archive holds no file", field=FIELD)
            return Unpacked(form, landing.files, landing.bytes_out)
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


def _untar(source: Path, form: str, landing: Landing, tell: Callable[[float], None] | None) -> None:
    with source.open("rb") as handle:
        size = source.stat().st_size
        stream: tar_reader.Stream = handle
        if form == "tar.gz":
            stream = gzip.GzipFile(fileobj=handle)
        elif form == "tar.bz2":
            stream = bz2.BZ2File(handle)
        elif form == "tar.xz":
            stream = _Xz(handle)
        try:
            tar_reader.extract(stream, landing, tell=lambda: tell and tell(min(handle.tell() / size, 1.0)))
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError) as error:
            raise bad(f"the compression is damaged: {ascii(str(error))[:160]}") from error
        except OSError as error:
            if error.errno is None:  # bz2 raises a bare OSError on bad data
                raise bad(f"the compression is damaged: {ascii(str(error))[:160]}") from error
            raise


class _Xz:
    """A reader of xz streams that keeps the decoder's memory bounded; `lzma.open` cannot."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        while True:
            if self._decoder.eof:
                rest = self._decoder.unused_data.lstrip(b"\0") or self._handle.read(CHUNK).lstrip(b"\0")
                if not rest:
                    return b""
                self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
                data = self._decoder.decompress(rest, size)
            else:
                more = self._handle.read(CHUNK) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not more:
                    raise EOFError("the xz stream is cut short")
                data = self._decoder.decompress(more, size)
            if data:
                return data


def _old_tar(head: bytes) -> bool:
    """Whether a block is the header of a TAR from before ustar: its checksum holds."""
    if len(head) < tar_reader.BLOCK or not any(head[:100]):
        return False
    stated = head[148:156].strip(b" \0")
    return stated.isdigit() and not stated.strip(b"01234567") and int(stated, 8) == sum(head[:148]) + 256 + sum(head[156:])
