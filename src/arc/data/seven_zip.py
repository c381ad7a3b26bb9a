"""7z: members into a landing folder, read with our own parser of the directory and the decoders of the standard library.

A library for 7z reads directories and dictionaries as large as they say they are. Here the size of a directory,
of every dictionary and of what comes out are known before memory is taken, so no child process is needed.
Read: Copy, Deflate, LZMA, LZMA2, BZip2, and LZMA2 behind Delta or BCJ; encryption and everything else is refused by its
name. Every file must have a CRC, as every packer writes it.
"""

import lzma
import struct
import zlib
from bz2 import BZ2Decompressor
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

from arc.data.compressed import MEMORY, Decoder, Decompressed, Inflate, Stream
from arc.data.members import CHUNK, Landing, Limits, bad, too_large
from arc.data.seven_zip_files import Entry, entries
from arc.data.seven_zip_header import DAMAGED, END, Bytes, Coder, Pack, streams

_START: Final = struct.Struct("<6s2BIQQI")
_HEADER, _ARCHIVE, _ADDITIONAL, _STREAMS, _FILES = range(0x01, 0x06)
_PACKED_HEADER: Final = 0x17
_ENTRY_BYTES: Final = 1024  # of the directory, for each member that it may have
_SMALLEST_DICTIONARY: Final = 4096
_COPY, _LZMA, _LZMA2, _BZIP2, _DEFLATE = b"\x00", b"\x03\x01\x01", b"\x21", b"\x04\x02\x02", b"\x04\x01\x08"
_DELTA: Final = b"\x03"
_BCJ: Final = {
    b"\x04": lzma.FILTER_X86,
    b"\x03\x03\x01\x03": lzma.FILTER_X86,
    b"\x03\x03\x02\x05": lzma.FILTER_POWERPC,
    b"\x03\x03\x04\x01": lzma.FILTER_IA64,
    b"\x03\x03\x05\x01": lzma.FILTER_ARM,
    b"\x03\x03\x07\x01": lzma.FILTER_ARMTHUMB,
    b"\x03\x03\x08\x05": lzma.FILTER_SPARC,
}
_PACK_WITH: Final = "pack with LZMA2, LZMA, BZip2, Deflate or Copy and without a password"
_NOT_READ: Final = {
    b"\x06\xf1\x07\x01": "encryption",
    b"\x03\x03\x01\x1b": "BCJ2",
    b"\x03\x04\x01": "PPMd",
    b"\x04\x01\x09": "Deflate64",
    b"\x04\xf7\x11\x01": "Zstandard",
}


def extract(handle: IO[bytes], landing: Landing, *, tell: Callable[[], None]) -> None:
    """Write every member of the 7z; BadData or TooLarge on the first that is not as it should be."""
    packs, members = _directory(handle, landing.limits)
    landing.foresee((member.name, member.folder) for member in members)
    contents = _contents(handle, packs, tell)
    for member in members:
        if member.folder:
            landing.folder(member.name)
        elif not member.has_content:
            landing.file(member.name, ())
        else:
            size, crc, stream = next(contents)
            landing.file(member.name, _content(stream, size, crc, member.name, tell))


def _directory(handle: IO[bytes], limits: Limits) -> tuple[list[Pack], list[Entry]]:
    """The packs and the members; they agree on how many files have content."""
    data, end = _header(handle, limits)
    if data is None:
        return [], []
    kind = data.byte()
    packs: list[Pack] = []
    members: list[Entry] = []
    if kind == _STREAMS:
        packs = streams(data, start=_START.size, end=end, limits=limits)
        kind = data.byte()
    if kind == _FILES:
        members = entries(data, limits=limits)
        kind = data.byte()
    if kind != END or sum(len(pack.parts) for pack in packs) != sum(member.has_content for member in members):
        raise bad(DAMAGED)
    total = sum(pack.size for pack in packs)
    if total > limits.bytes_out:
        raise too_large(f"unpacks to more than {limits.bytes_out / 1e9:g} GB (max_extracted_gb)")
    return packs, members


def _header(handle: IO[bytes], limits: Limits) -> tuple[Bytes | None, int]:
    """The directory, unpacked if need be and past its first byte, and where the packed content ends."""
    size = handle.seek(0, 2)
    handle.seek(0)
    start = handle.read(_START.size)
    if len(start) < _START.size:
        raise bad("the 7z is cut short")
    _, _, _, start_crc, offset, length, crc = _START.unpack(start)
    if zlib.crc32(start[12:]) != start_crc:
        raise bad("the 7z's first bytes are damaged")
    if not length:
        return None, size
    if offset + length > size - _START.size:
        raise bad("the 7z is cut short: its directory is missing")
    most = limits.files * _ENTRY_BYTES
    if length > most:
        raise too_large(f"has a directory of more than {most:,} bytes (max_files)")
    end = handle.seek(_START.size + offset)
    raw = handle.read(length)
    if zlib.crc32(raw) != crc:
        raise bad(DAMAGED)
    if raw[0] == _PACKED_HEADER:
        raw = _unpacked_header(handle, Bytes(raw[1:]), end, most=most, limits=limits)
    if raw[:1] != bytes([_HEADER]):
        raise bad(DAMAGED)
    return Bytes(raw[1:]), end


def _unpacked_header(handle: IO[bytes], data: Bytes, end: int, *, most: int, limits: Limits) -> bytes:
    packs = streams(data, start=_START.size, end=end, limits=limits)
    if len(packs) != 1:
        raise bad(DAMAGED)
    if packs[0].size > most:
        raise too_large(f"has a directory of more than {most:,} bytes (max_files)")
    return b"".join(_content(_stream(handle, packs[0]), packs[0].size, packs[0].crc, None, lambda: None))


def _contents(handle: IO[bytes], packs: list[Pack], tell: Callable[[], None]) -> Iterator[tuple[int, int, Stream]]:
    """Size, CRC and stream of each file with content; the stream is to be read before the next is asked for."""
    for pack in packs:
        stream = _stream(handle, pack)
        for size, crc in pack.parts:
            if crc is None:
                raise bad("the 7z states no checksum for a file")
            yield size, crc, stream
        tell()


def _content(stream: Stream, size: int, crc: int | None, name: str | None, tell: Callable[[], None]) -> Iterator[bytes]:
    """The next `size` bytes; BadData unless they have this CRC, where there is one (py7zr states none for a directory)."""
    found = 0
    while size:
        chunk = stream.read(min(size, CHUNK))
        if not chunk:
            raise bad("the compression is cut short", name)
        size -= len(chunk)
        found = zlib.crc32(chunk, found)
        yield chunk
        tell()
    if crc is not None and found != crc:
        raise bad("it is damaged: its CRC is not the stated one", name)


class _Section:
    """A part of a file as a stream."""

    def __init__(self, handle: IO[bytes], at: int, size: int) -> None:
        self._handle = handle
        self._left = size
        handle.seek(at)

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        data = self._handle.read(min(size, self._left))
        self._left -= len(data)
        return data


def _stream(handle: IO[bytes], pack: Pack) -> Stream:
    """The content of a pack, decoded as it is read."""
    section = _Section(handle, pack.at, pack.packed)
    methods = [coder.method for coder in pack.coders]
    for method in methods:
        if method in _NOT_READ:
            raise bad(f"the 7z uses {_NOT_READ[method]}, which is not read here; {_PACK_WITH}")
    if methods == [_COPY]:
        return section
    if methods == [_DEFLATE]:
        return Decompressed(section, lambda: Inflate(bare=True), streams=False)
    if methods == [_BZIP2]:
        return Decompressed(section, BZ2Decompressor, streams=False)
    filters = _filters(pack)
    return Decompressed(section, lambda: _raw(filters), streams=False)


def _raw(filters: list[dict[str, Any]]) -> Decoder:
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except (lzma.LZMAError, ValueError) as error:
        raise bad(f"the 7z's compression has impossible settings: {ascii(str(error))[:160]}") from error


def _filters(pack: Pack) -> list[dict[str, Any]]:
    """The decoders of a pack as `lzma` wants them: in the order of packing."""
    first, *others = pack.coders
    if first.method == _LZMA and not others and len(first.properties) == 5:
        settings, dictionary = struct.unpack("<BI", first.properties)
        if settings >= 9 * 5 * 5:
            raise bad(DAMAGED)
        packer = {"id": lzma.FILTER_LZMA1, "lc": settings % 9, "lp": settings // 9 % 5, "pb": settings // 45}
    elif first.method == _LZMA2 and len(first.properties) == 1 and first.properties[0] <= 40:
        bits = first.properties[0]
        packer, dictionary = {"id": lzma.FILTER_LZMA2}, (2 | bits & 1) << (bits // 2 + 11)
    else:
        raise bad(f"the 7z's compression {_named(pack.coders)} is not read here; {_PACK_WITH}")
    needed = max(min(dictionary, pack.size), _SMALLEST_DICTIONARY)  # nothing reaches further back than to the start
    if needed > MEMORY:
        raise too_large(f"needs a dictionary of more than {MEMORY >> 20} MiB; pack with a smaller one")
    return [*(_filter(coder, pack) for coder in reversed(others)), packer | {"dict_size": needed}]


def _filter(coder: Coder, pack: Pack) -> dict[str, Any]:
    if coder.method == _DELTA and len(coder.properties) == 1:
        return {"id": lzma.FILTER_DELTA, "dist": coder.properties[0] + 1}
    if coder.method in _BCJ and not coder.properties:
        return {"id": _BCJ[coder.method]}
    raise bad(f"the 7z's compression {_named(pack.coders)} is not read here; {_PACK_WITH}")


def _named(coders: tuple[Coder, ...]) -> str:
    return "+".join(coder.method.hex() for coder in coders)
