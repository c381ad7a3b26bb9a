"""Compressed streams: several in a row, damaged, endless, or asking for all memory there is."""

import bz2
import gzip
import lzma
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arc.core.errors import BadData, TooLarge
from tests.unit.data.packers import bounded, take, tar_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Compress = Callable[[bytes], bytes]
TAR = tar_of(("a.bin", os.urandom(500_000)), ("b.bin", b"text " * 20_000))


def _zstd(data: bytes, **settings: Any) -> bytes:
    return zstd.compress(data, options={getattr(zstd.CompressionParameter, name): value for name, value in settings.items()})


ALL: dict[str, Compress] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": lambda data: _zstd(data, checksum_flag=1)}


@pytest.mark.parametrize("compress", ALL.values(), ids=ALL)
def test_streams_that_follow_each_other_are_one(tmp_path: Path, compress: Compress) -> None:
    pieces = [TAR[at : at + 70_000] for at in range(0, len(TAR), 70_000)]
    assert take(tmp_path, b"".join(map(compress, pieces)) + compress(b"")).bytes == 600_000


@pytest.mark.parametrize("compress", ALL.values(), ids=ALL)
def test_damage_and_a_missing_end_are_found(tmp_path: Path, compress: Compress) -> None:
    data = compress(TAR)
    middle = len(data) // 2
    damaged = [data[:-1], data[:-4], data[:middle], data[:20], data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]]
    damaged += [data + b"something else", data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]]
    for number, bad in enumerate(damaged):
        with pytest.raises(BadData):
            take(tmp_path / str(number), bad)


@pytest.mark.parametrize("compress", ALL.values(), ids=ALL)
def test_streams_of_nothing_come_to_an_end(tmp_path: Path, compress: Compress) -> None:
    for name, content in (("empty", b""), ("byte", b"\0")):
        (tmp_path / name).mkdir()
        with pytest.raises(BadData):
            bounded(tmp_path / name, compress(content) * 100_000)


@pytest.mark.parametrize("compress", ALL.values(), ids=ALL)
def test_a_bomb_stops_within_seconds_and_little_memory(tmp_path: Path, compress: Compress) -> None:
    for name, tar in (("file", tar_of(("zeros", bytes(20_000_000)))), ("behind the end", tar_of(("a", b"1")))):
        data = compress(tar) + compress(bytes(10_000_000)) * 12
        (tmp_path / name).mkdir()
        with pytest.raises(TooLarge):
            bounded(tmp_path / name, data)


def test_decoders_that_want_all_memory_get_none(tmp_path: Path) -> None:
    xz = lzma.compress(TAR, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}])
    header = bytearray(xz[:24])
    assert header[12:17] == b"\x02\x00\x21\x01" + header[16:17]
    header[16] = 40  # a dictionary of 4 GB
    header[20:24] = zlib.crc32(header[12:20]).to_bytes(4, "little")
    with pytest.raises(BadData, match=r"[Mm]emory"):
        bounded(tmp_path, bytes(header) + xz[24:])


def test_a_zstandard_window_larger_than_zstd_s_own_limit_is_refused(tmp_path: Path) -> None:
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([(31 - 10) << 3]) + b"\x01\0\0"  # a window of 2 GB
    with pytest.raises(BadData):
        bounded(tmp_path, frame)
    assert take(tmp_path / "allowed", _zstd(TAR, window_log=27)).files == 2
