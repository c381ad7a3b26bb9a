"""ZIP: members into a landing folder, with every lie of the format looked for first.

The directory is sized before the standard library reads it; links, devices, encryption, rare compressions,
overlapping members (the trick of small bombs) and impossible ratios are refused before a byte is written.
The members themselves are read here, in the order of the file: sizes, CRC and the name that stands before
each must be those of the directory.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from arc.core.errors import BadData, TooLarge
from arc.data.members import CHUNK, FIELD, Landing, Limits, bad, too_large

_LOCAL = struct.Struct("<4s5H3I2H")  # what stands before a member
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
_LOCATOR64 = b"PK\x06\x07"
_LONGEST_ENTRY = 46 + 3 * 4096  # bytes of a directory entry that we would still read
_UTF8 = 0x800
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, struct.error, ValueError, NotImplementedError, RuntimeError, OverflowError)


def extract(handle: IO[bytes], landing: Landing, *, tell: Callable[[], None]) -> None:
    """Write every member of the ZIP; BadData or TooLarge on the first that is not as it should be.

    `handle` stands at the member that is being read, so that its position says how far the work is.
    """
    _sized(handle, landing.limits)
    try:
        entries = zipfile.ZipFile(handle).infolist()
    except _BROKEN as error:
        raise bad(f"the ZIP cannot be read: {ascii(str(error))[:160]}") from error
    entries.sort(key=lambda entry: entry.header_offset)
    _checked(entries, landing)
    landing.foresee((entry.orig_filename, _is_folder(entry)) for entry in entries)
    for entry in entries:
        if _is_folder(entry):
            landing.folder(entry.orig_filename)
        else:
            landing.file(entry.orig_filename, _content(handle, entry))
            tell()


def _content(handle: IO[bytes], entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a member; BadData unless they are all that the directory promises."""
    name = entry.orig_filename
    _go_to(handle, entry)
    size = crc = 0
    for chunk in _inflated(handle, entry) if entry.compress_type == zipfile.ZIP_DEFLATED else _compressed(handle, entry):
        size += len(chunk)
        if size > entry.file_size:
            break
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if size != entry.file_size:
        raise bad("it is damaged: its size is not the stated one", name)
    if crc != entry.CRC:
        raise bad("it is damaged: its CRC is not the stated one", name)


def _go_to(handle: IO[bytes], entry: zipfile.ZipInfo) -> None:
    """Place `handle` at the content of a member, whose own header must name it as the directory does."""
    handle.seek(entry.header_offset)
    head = handle.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
        raise bad("it is damaged: it does not begin where the directory says", entry.orig_filename)
    _, _, _, method, _, _, _, _, _, name_length, extra_length = _LOCAL.unpack(head)
    try:
        name = handle.read(name_length).decode("utf-8" if entry.flag_bits & _UTF8 else "cp437")
    except UnicodeDecodeError:
        name = ""
    if name != entry.orig_filename or method != entry.compress_type:
        raise bad("it is damaged: the directory tells another story", entry.orig_filename)
    handle.seek(extra_length, 1)


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.orig_filename.endswith("/")  # `is_dir` breaks on an empty name


def _compressed(handle: IO[bytes], entry: zipfile.ZipInfo) -> Iterator[bytes]:
    left = entry.compress_size
    while left:
        data = handle.read(min(left, CHUNK))
        if not data:
            raise bad("it is cut short", entry.orig_filename)
        left -= len(data)
        yield data


def _inflated(handle: IO[bytes], entry: zipfile.ZipInfo) -> Iterator[bytes]:
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    for data in _compressed(handle, entry):
        while data and not decoder.eof:
            try:
                chunk = decoder.decompress(data, CHUNK)
            except zlib.error as error:
                raise bad(f"it is damaged: {ascii(str(error))[:160]}", entry.orig_filename) from error
            if chunk:
                yield chunk
            data = decoder.unconsumed_tail
        if data:
            raise bad("it is damaged: something follows its compression", entry.orig_filename)
    if tail := decoder.flush():
        yield tail
    if not decoder.eof or decoder.unused_data:
        raise bad("it is damaged: its compression does not end where it should", entry.orig_filename)


def _checked(entries: list[zipfile.ZipInfo], landing: Landing) -> None:
    limits = landing.limits
    if len(entries) > limits.files:
        raise too_large(f"has more than {limits.files:,} members (max_files)")
    total = end = 0
    for entry in entries:
        name = entry.orig_filename
        kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == 3 else 0
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise bad("it is a link or a device; only files and folders are unpacked", name)
        if entry.flag_bits & 0x2041:
            raise bad("it is encrypted", name)
        if entry.compress_type not in _METHODS:
            raise bad(f"compression method {entry.compress_type} is not read; use deflate", name)
        if _is_folder(entry) and entry.file_size:
            raise bad("a folder with content", name)
        if entry.header_offset < end:
            raise bad("it overlaps another member", name)
        end = entry.header_offset + _LOCAL.size + len(name) + entry.compress_size
        if entry.file_size > limits.ratio_from and entry.file_size > limits.ratio * max(entry.compress_size, 1):
            raise too_large(f"holds a file that unpacks to more than {limits.ratio:g} times its size", name)
        total += entry.file_size
    if total > limits.bytes_out - landing.bytes_out:
        raise too_large(f"unpacks to more than {limits.bytes_out / 1e9:g} GB (max_extracted_gb)")


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
