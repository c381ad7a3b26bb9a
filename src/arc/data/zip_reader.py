"""ZIP: members into a landing folder, with every lie of the format looked for first.

The central directory is sized before it is read; links, devices, encryption, rare compressions,
overlapping members (the trick of small bombs) and impossible ratios are refused before a byte is written;
sizes and CRCs are checked while reading.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from arc.core.errors import BadData, TooLarge
from arc.data.members import CHUNK, FIELD, Landing, Limits, bad

_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
_LOCATOR64 = b"PK\x06\x07"
_LONGEST_ENTRY = 46 + 3 * 4096  # bytes of a directory entry that we would still read
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    struct.error,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
)


def extract(source: Path, landing: Landing, *, tell: Callable[[], None]) -> None:
    """Write every member of the ZIP; BadData or TooLarge on the first that is not as it should be."""
    with source.open("rb") as handle:
        _sized(handle, landing.limits)
        try:
            archive = zipfile.ZipFile(handle)
        except BROKEN as error:
            raise bad(f"the ZIP cannot be read: {ascii(str(error))[:160]}") from error
        entries = archive.infolist()
        _checked(entries, landing.limits)
        for entry in entries:
            if entry.is_dir():
                landing.folder(entry.orig_filename)
            else:
                landing.file(entry.orig_filename, _chunks(archive, entry), tell=tell)


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(entry) as member:
            while chunk := member.read(CHUNK):
                yield chunk
    except BROKEN as error:
        raise bad(f"it is damaged: {ascii(str(error))[:160]}", entry.orig_filename) from error


def _checked(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(entries) > limits.files:
        raise TooLarge(f"the archive has more than {limits.files:,} members (max_files)", field=FIELD, value=len(entries))
    total = 0
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == 3 else 0
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise bad("it is a link or a device; only files and folders are unpacked", entry.orig_filename)
        if entry.flag_bits & 0x2041:
            raise bad("it is encrypted", entry.orig_filename)
        if entry.compress_type not in _METHODS:
            raise bad(f"compression method {entry.compress_type} is not read; use deflate", entry.orig_filename)
        if entry.is_dir() and entry.file_size:
            raise bad("a folder with content", entry.orig_filename)
        if entry.file_size > limits.ratio_from and entry.file_size > limits.ratio * max(entry.compress_size, 1):
            raise TooLarge(
                f"member {ascii(entry.orig_filename)[:160]} unpacks to more than {limits.ratio:g} times its size",
                field=FIELD,
                value=entry.file_size,
            )
        total += entry.file_size
    if total > limits.bytes_out:
        raise TooLarge(f"the archive unpacks to more than {limits.bytes_out / 1e9:g} GB (max_extracted_gb)", field=FIELD, value=total)
    _apart(entries)


def _apart(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share bytes of the archive."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise bad("it overlaps another member", entry.orig_filename)
        end = entry.header_offset + 30 + len(entry.orig_filename) + entry.compress_size


def _sized(handle: IO[bytes], limits: Limits) -> None:
    """Refuse a central directory that is too large to read, from the record at the end of the file."""
    size = handle.seek(0, 2)
    handle.seek(max(size - (1 << 16) - 22 - 20, 0))
    tail = handle.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise bad("the ZIP is cut short: its directory is missing")
    count, directory = struct.unpack_from("<HI", tail, at + 10)
    if tail[max(at - 20, 0) : at].startswith(_LOCATOR64):
        (offset,) = struct.unpack_from("<Q", tail, at - 12)
        if offset + 56 > size:
            raise bad("the ZIP's directory lies outside of it")
        handle.seek(offset)
        record = handle.read(56)
        if not record.startswith(_END64):
            raise bad("the ZIP's directory is damaged")
        count, directory = struct.unpack_from("<QQ", record, 32)
    if count > limits.files or directory > limits.files * _LONGEST_ENTRY:
        raise TooLarge(f"the archive has more than {limits.files:,} members (max_files)", field=FIELD, value=count)
    if count == 0:
        raise BadData("the archive is empty", field=FIELD)
    handle.seek(0)
