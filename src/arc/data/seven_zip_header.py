"""The directory of a 7z archive: what lies where in it, and how it is compressed.

Follows `7zFormat.txt` of the LZMA SDK. A 7z packs many files into one stream, called a folder there and a `Pack`
here. Every count in the directory is held against the bytes that are left of it before anything is made of
it, so that no header can ask for more memory than itself. Packs whose decoders form more than a line (BCJ2)
are refused here, methods that are not known in `seven_zip`.
"""

import struct
from dataclasses import dataclass, replace
from typing import Final

from arc.data.members import Limits, bad, too_large

END: Final = 0x00  # the words of the format
_PACKED, _UNPACKED, _PARTS, _SIZE, _CRC, _FOLDER, _CODER_SIZES, _COUNTS = range(0x06, 0x0E)
_MOST_CODERS: Final = 4
_SEVERAL: Final = "the 7z uses a compression of several streams (BCJ2); pack with LZMA2, LZMA, BZip2 or Copy"
DAMAGED: Final = "the 7z's directory is damaged"


@dataclass(frozen=True)
class Coder:
    """One step of a compression."""

    method: bytes
    properties: bytes


@dataclass(frozen=True)
class Pack:
    """One compressed stream with the content of several files."""

    coders: tuple[Coder, ...]  # in the order of unpacking
    at: int  # bytes from the start of the file
    packed: int
    size: int
    crc: int | None
    parts: tuple[tuple[int, int | None], ...]  # size and CRC of each file in it


class Bytes:
    """A cursor over a directory; BadData as soon as it promises more than it holds."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > len(self._data) - self._at:
            raise bad("the 7z's directory is cut short")
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """A number of one to nine bytes; the first says by its leading ones how many follow."""
        first, value = self.byte(), 0
        for index in range(8):
            if not first & (0x80 >> index):
                return value + ((first & ((0x80 >> index) - 1)) << (8 * index))
            value += self.byte() << (8 * index)
        return value

    def count(self) -> int:
        """How many things follow, each of which takes at least a byte or a bit of what is left."""
        count = self.number()
        if count > 8 * (len(self._data) - self._at) + 8:
            raise bad("the 7z's directory promises more than it holds")
        return count

    def bits(self, count: int) -> list[bool]:
        """`count` booleans, eight a byte."""
        raw = self.take((count + 7) // 8)
        return [bool(raw[index >> 3] & (0x80 >> (index & 7))) for index in range(count)]

    def some(self, count: int) -> list[bool]:
        """Which of `count` things are stated: a byte for all, or a bit each."""
        if self.byte():
            return [True] * count
        return self.bits(count)

    def words(self, stated: list[bool]) -> list[int | None]:
        """A 32-bit number for each of the things that have one."""
        return [struct.unpack("<I", self.take(4))[0] if here else None for here in stated]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def expect(self, kind: int) -> None:
        """BadData unless this is the next byte."""
        if self.byte() != kind:
            raise bad(DAMAGED)


def streams(data: Bytes, *, start: int, end: int, limits: Limits) -> list[Pack]:
    """The packs of an archive whose packed bytes lie from `start` to `end`."""
    kind = data.byte()
    places: list[tuple[int, int]] = []
    packs: list[Pack] = []
    if kind == _PACKED:
        places = _places(data, start, end)
        kind = data.byte()
    if kind == _UNPACKED:
        packs = _packs(data, places)
        kind = data.byte()
    if kind == _PARTS:
        packs = _with_parts(data, packs, limits)
        kind = data.byte()
    if kind != END or len(packs) != len(places):
        raise bad(DAMAGED)
    return packs


def _places(data: Bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where each packed stream lies: position and size, one after the other."""
    at = start + data.number()
    count = data.count()
    places: list[tuple[int, int]] = []
    while (kind := data.byte()) != END:
        if kind == _SIZE:
            for _ in range(count):
                size = data.number()
                places.append((at, size))
                at += size
                if at > end:
                    raise bad("the 7z is cut short: its content lies beyond its end")
        elif kind == _CRC:
            data.words(data.some(count))
        else:
            raise bad(DAMAGED)
    return places


def _packs(data: Bytes, places: list[tuple[int, int]]) -> list[Pack]:
    data.expect(_FOLDER)
    count = data.count()
    data.expect(0)  # not in another stream
    if count != len(places):
        raise bad(_SEVERAL if count < len(places) else DAMAGED)
    chains = [_chain(data) for _ in range(count)]
    data.expect(_CODER_SIZES)
    sizes = [[data.number() for _ in coders] for coders, _ in chains]
    crcs: list[int | None] = [None] * count
    while (kind := data.byte()) != END:
        if kind != _CRC:
            raise bad(DAMAGED)
        crcs = data.words(data.some(count))
    return [
        Pack(coders, at, packed, size[last], crc, ((size[last], crc),))
        for (coders, last), (at, packed), size, crc in zip(chains, places, sizes, crcs, strict=True)
    ]


def _chain(data: Bytes) -> tuple[tuple[Coder, ...], int]:
    """The coders of a pack in the order of unpacking, and which of them as written gives the content."""
    count = data.number()
    if not 0 < count <= _MOST_CODERS:
        raise bad(DAMAGED)
    coders = []
    for _ in range(count):
        flags = data.byte()
        method = data.take(flags & 0x0F)
        if flags & 0x10:
            raise bad(_SEVERAL)
        coders.append(Coder(method, data.take(data.number()) if flags & 0x20 else b""))
    feeds = dict(_pair(data) for _ in range(count - 1))  # which coder gets its input from which
    last = next(iter(set(range(count)) - set(feeds.values())), 0)
    order = [last]
    while order[-1] in feeds and len(order) <= count:
        order.append(feeds[order[-1]])
    if sorted(order) != list(range(count)):
        raise bad(DAMAGED)
    return tuple(coders[index] for index in reversed(order)), last


def _pair(data: Bytes) -> tuple[int, int]:
    return data.number(), data.number()


def _with_parts(data: Bytes, packs: list[Pack], limits: Limits) -> list[Pack]:
    """The packs with the sizes and CRCs of the files in each."""
    kind = data.byte()
    counts = [1] * len(packs)
    if kind == _COUNTS:
        counts = [data.number() for _ in packs]
        kind = data.byte()
    if sum(counts) > limits.files:
        raise too_large(f"has more than {limits.files:,} members (max_files)")
    stated = kind == _SIZE
    sizes = [_sizes(data, pack, count, stated=stated) for pack, count in zip(packs, counts, strict=True)]
    if stated:
        kind = data.byte()
    stated_whole = [count == 1 and pack.crc is not None for pack, count in zip(packs, counts, strict=True)]
    unknown = sum(count for count, alone in zip(counts, stated_whole, strict=True) if not alone)
    crcs: list[int | None] = [None] * unknown
    while kind != END:
        if kind != _CRC:
            raise bad(DAMAGED)
        crcs = data.words(data.some(unknown))
        kind = data.byte()
    rest = iter(crcs)
    return [
        replace(pack, parts=tuple((size, pack.crc if alone else next(rest)) for size in of_pack))
        for pack, of_pack, alone in zip(packs, sizes, stated_whole, strict=True)
    ]


def _sizes(data: Bytes, pack: Pack, count: int, *, stated: bool) -> list[int]:
    """The size of each file of a pack: stated for all but the last, which has what is left."""
    if count > 1 and not stated:
        raise bad(DAMAGED)
    sizes = [data.number() for _ in range(count - 1)]
    rest = pack.size - sum(sizes)
    if rest < 0 or (count == 0 and rest):
        raise bad("the files of the 7z are larger than their pack")
    return [*sizes, rest] if count else []
