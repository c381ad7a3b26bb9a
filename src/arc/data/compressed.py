"""Compressed: gzip, bzip2, xz and Zstandard streams, read in bounded pieces with a bounded decoder.

The file objects of the standard library bound the decoder's memory for none of the four, and gzip's loops in
Python over streams that hold nothing. Here one class drives all decoders, which share an interface: streams
may follow each other, as `pigz`, `bgzip`, `pzstd` and `cat` leave them, and every checksum is verified.
"""

import lzma
import sys
import zlib
from bz2 import BZ2Decompressor
from collections.abc import Callable
from typing import Final, Protocol

from arc.core.errors import BadData
from arc.data.members import CHUNK, bad

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MEMORY: Final = 256 << 20  # bytes an xz or LZMA decoder may take; what `xz -9` packs needs 65 MB
WINDOW_LOG: Final = 27  # 128 MiB, what `zstd` itself unpacks without being asked for more
_BARREN: Final = 1000  # streams of fewer than _SMALL bytes that may lie in one file; starting a decoder costs time
_SMALL: Final = 512
_PIECE: Final = 1 << 17  # compressed bytes read at a time
DAMAGED: Final = (EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, ValueError)


class Stream(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Decoder(Protocol):
    """What the decoders of bz2, lzma and Zstandard have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Inflate:
    """zlib as a `Decoder`: of gzip, whose CRC and length it verifies, or of bare Deflate."""

    def __init__(self, *, bare: bool = False) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether nothing is left of what was fed."""
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What was fed beyond the end."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Feed `data`; at most `max_length` bytes come out."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _xz() -> Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)


def _zstd() -> Decoder:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})


_DECODERS: Final[dict[str, Callable[[], Decoder]]] = {"tar.gz": Inflate, "tar.bz2": BZ2Decompressor, "tar.xz": _xz, "tar.zst": _zstd}


class Decompressed:
    """The content of a compressed stream; BadData when it is damaged or cut short."""

    def __init__(self, source: Stream, new: Callable[[], Decoder], *, streams: bool = True) -> None:
        self._source = source
        self._new = new
        self._decoder = new()
        self._streams = streams  # whether another may follow the first
        self._barren = 0  # streams with hardly any content, less those with some
        self._came = 0  # bytes out of the present stream
        self._block = b""  # decoded and not yet handed out, from _at on
        self._at = 0

    def read(self, size: int, /) -> bytes:
        """`size` bytes, fewer only at the end."""
        if self._at + size <= len(self._block):
            self._at += size
            return self._block[self._at - size : self._at]
        parts = []
        while size:
            if self._at == len(self._block):
                self._block, self._at = self._decoded(), 0
                if not self._block:
                    break
            parts.append(self._block[self._at : self._at + size])
            self._at += len(parts[-1])
            size -= len(parts[-1])
        return b"".join(parts)

    def _decoded(self) -> bytes:
        try:
            return self._next_block()
        except BadData:
            raise
        except MemoryError:
            raise bad(f"the compression needs more than {MEMORY >> 20} MiB of memory to be read") from None
        except DAMAGED as error:
            if isinstance(error, OSError) and error.errno is not None:  # the disk, not the data: bz2 raises a bare OSError
                raise
            raise bad(f"the compression is damaged: {ascii(str(error))[:160]}") from error

    def _next_block(self) -> bytes:
        while True:
            if self._decoder.eof:
                rest = self._after()
                if not rest:
                    return b""
                self._decoder = self._new()
                block = self._decoder.decompress(rest, CHUNK)
            else:
                hungry = self._decoder.needs_input
                more = self._source.read(_PIECE) if hungry else b""
                block = self._decoder.decompress(more, CHUNK)
                if hungry and not more and not block and not self._decoder.eof:
                    raise bad("the compression is cut short")
            if block:
                self._came += len(block)
                return block

    def _after(self) -> bytes:
        """What follows the end of a stream, padding skipped; a file of nothing but the smallest streams is refused."""
        self._barren = self._barren + 1 if self._came < _SMALL else max(self._barren - 1, 0)
        self._came = 0
        if self._barren > _BARREN:
            raise bad(f"it holds more than {_BARREN:,} compressed streams with next to nothing in them")
        rest = self._decoder.unused_data.lstrip(b"\0") if self._streams else b""
        while self._streams and not rest:
            more = self._source.read(_PIECE)
            if not more:
                break
            rest = more.lstrip(b"\0")
        return rest


def decompressed(source: Stream, form: str) -> Stream:
    """The TAR in a stream of one of the forms tar, tar.gz, tar.bz2, tar.xz and tar.zst."""
    return source if form == "tar" else Decompressed(source, _DECODERS[form])
