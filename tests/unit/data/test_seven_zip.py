"""7z: what packers write comes out whole; directories, dictionaries and files that lie are refused before they cost anything."""

import bz2
import io
import lzma
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import py7zr
import pytest

from arc.core.errors import BadData, TooLarge
from arc.data.members import Limits
from tests.unit.data.packers import bounded, number, seven_zip, seven_zip_of, take

CONTENT = {"a/photo.bin": os.urandom(70_000), "b/Bild äöü 目.txt": b"text " * 9000, "b/empty": b"", "last": b"x"}
LZMA2, LZMA, BZIP2, DEFLATE = b"\x21", b"\x03\x01\x01", b"\x04\x02\x02", b"\x04\x01\x08"
SYMLINK, REPARSE = 0x8000 | 0o120777 << 16, 0x400


def packed_by_py7zr(filters: list[dict[str, Any]] | None, *, plain_directory: bool = False, password: str | None = None) -> bytes:
    data = io.BytesIO()
    with py7zr.SevenZipFile(data, "w", filters=filters, password=password) as archive:
        archive.set_encoded_header_mode(not plain_directory)
        for name, content in CONTENT.items():
            archive.writestr(content, name)
    return data.getvalue()


@pytest.mark.parametrize("plain_directory", [True, False])
@pytest.mark.parametrize(
    "filters",
    [
        None,  # BCJ and LZMA2
        [{"id": py7zr.FILTER_COPY}],
        [{"id": py7zr.FILTER_LZMA}],
        [{"id": py7zr.FILTER_LZMA2, "preset": 9}],
        [{"id": py7zr.FILTER_BZIP2}],
        [{"id": py7zr.FILTER_DEFLATE}],
        [{"id": py7zr.FILTER_DELTA, "dist": 3}, {"id": py7zr.FILTER_LZMA2}],
        [{"id": py7zr.FILTER_ARM}, {"id": py7zr.FILTER_LZMA2}],
    ],
)
def test_what_another_packer_writes_comes_out_whole(tmp_path: Path, filters: list[dict[str, Any]] | None, plain_directory: bool) -> None:
    out = take(tmp_path, packed_by_py7zr(filters, plain_directory=plain_directory))
    assert (out.format, out.files, out.bytes) == ("7z", len(CONTENT), sum(map(len, CONTENT.values())))
    for name, content in CONTENT.items():
        assert (tmp_path / "work/out" / name).read_bytes() == content


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ([{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}], "PPMd"),
        ([{"id": py7zr.FILTER_ZSTD}], "Zstandard"),
        ([{"id": py7zr.FILTER_LZMA2}, {"id": py7zr.FILTER_CRYPTO_AES256_SHA256}], "encryption"),
        ([{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA}], r"030101\+03030103"),
    ],
)
def test_compressions_that_are_not_read_are_refused_by_name(tmp_path: Path, filters: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(BadData, match=says):
        take(tmp_path, packed_by_py7zr(filters, password="secret" if says == "encryption" else None))


@pytest.mark.parametrize("attributes", [SYMLINK, REPARSE, 0x8000 | 0o010644 << 16, 0x8000 | 0o060644 << 16])
def test_only_files_and_folders_are_made_from_a_7z(tmp_path: Path, attributes: int) -> None:
    for index, content in enumerate((b"/etc/passwd", b"")):
        with pytest.raises(BadData, match="only files and folders"):
            take(tmp_path / str(index), seven_zip_of(("ok", b"1"), ("thing", content, attributes)))


def test_modes_of_a_7z_are_not_taken_over(tmp_path: Path) -> None:
    assert take(tmp_path, seven_zip_of(("setuid", b"1", 0x8000 | 0o106777 << 16), ("none", b"2", 0x8000 | 0o100000 << 16))).files == 2


LIES = {
    "wrong CRC": seven_zip_of(("a", b"content"), crc=1),
    "pack larger than its files": seven_zip_of(("a", b"content"), size=9_000),
    "pack smaller than its files": seven_zip_of(("a", b"content"), ("b", b"more"), size=3),
    "packed bytes cut short": seven_zip_of(("a", b"content"), packed=b"con"),
    "more members than names": seven_zip_of(("a", b"content"), count=2),
    "members without end": seven_zip_of(("a", b"content"), count=2**60),
    "a file that deletes": seven_zip_of(("a", b"content"), ("b", b""), anti=True),
    "broken names": seven_zip_of(("a\ud800", b"content")),
    "BZip2 of nothing": seven_zip_of(("a", b"content"), method=BZIP2, packed=b"BZh9"),
    "LZMA of noise": seven_zip_of(("a", b"content"), method=LZMA, properties=b"\x5d\0\0\x10\0", packed=b"\x01" * 40),
    "LZMA with impossible settings": seven_zip_of(("a", b"content"), method=LZMA, properties=b"\xff\0\0\x10\0"),
    "LZMA2 without settings": seven_zip_of(("a", b"content"), method=LZMA2),
    "LZMA2 with impossible settings": seven_zip_of(("a", b"content"), method=LZMA2, properties=b"\x29"),
    "no such method": seven_zip_of(("a", b"content"), method=b"\x7f\x7f"),
    "no directory": seven_zip(b"", b""),
    "a directory of noise": seven_zip(b"", b"\x01\x04\xff" * 30),
    "packs without end": seven_zip(b"", b"\x01\x04\x06\0" + number(2**62) + b"\x09" + b"\0" * 50),
    "coders without end": seven_zip(b"", b"\x01\x04\x06\0\x01\x09\0\0\x07\x0b\x01\0" + number(2**62)),
    "coders in a circle": seven_zip(b"", b"\x01\x04\x06\0\x01\x09\0\0\x07\x0b\x01\0\x02\x01\0\x01\0\0\0\0\x0c\0\0\0\0"),
    "content beyond the end": seven_zip(b"", b"\x01\x04\x06" + number(2**62) + b"\x01\x09\x05\0"),
    "a directory in itself": seven_zip(b"", b"\x17\x06\0\x01\x09\0\0\x07\x0b\x01\0\x01\x01\0\x0c\0\0\0"),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_7z_that_lies_is_refused_at_once(tmp_path: Path, data: bytes) -> None:
    with pytest.raises((BadData, TooLarge)):
        take(tmp_path, data, limits=Limits())


def test_a_7z_cut_or_changed_anywhere_is_refused(tmp_path: Path) -> None:
    data = packed_by_py7zr([{"id": py7zr.FILTER_LZMA2}], plain_directory=True)  # py7zr gives a packed one no CRC
    for at in [*range(32), *range(32, len(data), 3001), *range(len(data) - 30, len(data))]:
        for kind, damaged in (("cut", data[:at]), ("changed", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])):
            if (kind, at) != ("changed", 6) and (kind, at) != ("changed", 7):  # the version of the format
                with pytest.raises((BadData, TooLarge)):
                    take(tmp_path / f"{kind}{at}", damaged)


def test_bombs_in_7z_stop_within_seconds_and_little_memory(tmp_path: Path) -> None:
    zeros = bytes(50_000_000)
    crc = zlib.crc32(zeros)
    raw = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    bombs = {
        "LZMA2": seven_zip_of(("a", zeros), method=LZMA2, properties=b"\x10", packed=lzma.compress(zeros, lzma.FORMAT_RAW, filters=raw)),
        "BZip2": seven_zip_of(("a", zeros), method=BZIP2, packed=bz2.compress(zeros), crc=crc),
        "many": seven_zip_of(*((f"{index}", b"") for index in range(30_000))),
        "dictionary": seven_zip_of(("a", b"1"), method=LZMA2, properties=b"\x28", size=2**32, packed=b"\x01\0\0a\0"),
        "directory": seven_zip(b"", b"\x17\x06\0\x01\x09\0\0\x07\x0b\x01\0\x01\x21\x21\x01\x28\x0c" + number(2**40) + b"\0\0"),
    }
    for name, data in bombs.items():
        (tmp_path / name).mkdir()
        with pytest.raises((BadData, TooLarge)):
            bounded(tmp_path / name, data)


def test_a_large_dictionary_for_little_content_takes_no_memory(tmp_path: Path) -> None:
    packed = lzma.compress(b"content", lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}])
    data = seven_zip_of(("a", b"content"), method=LZMA2, properties=b"\x28", packed=packed)  # 4 GB
    assert bounded(tmp_path, data, memory_mb=40) == ["7z", 1, 7]


def test_a_start_that_points_nowhere_is_refused(tmp_path: Path) -> None:
    start = struct.pack("<QQI", 2**63, 2**63, 0)
    with pytest.raises(BadData, match="cut short"):
        take(tmp_path, b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start)
