"""Archives that nobody thought of: whatever the bytes, all of them come out inside the folder, or an error of the caller's and nothing.

Good archives are flipped, cut and spliced; headers of TAR and ZIP and the directory of 7z are also changed with their
checksums put right, so that the change gets past the first door. Bounded: 500 archives, some 20 seconds.
"""

import bz2
import gzip
import lzma
import struct
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.errors import CallerError
from arc.data.members import Limits
from tests.unit.data.packers import SMALL, header, pax, seven_zip, seven_zip_of, special, take, tar_of, zip_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MEMBERS = (("a/one.txt", b"content of one" * 9), ("b" * 120, b"two"), ("c/Bild ä.png", bytes(range(256)) * 4))
_TAR = tar_of(*_MEMBERS, special("folder", tarfile.DIRTYPE))
_RAW = [{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]
_PACKED = lzma.compress(b"".join(content for _, content in _MEMBERS), lzma.FORMAT_RAW, filters=_RAW)
_SEVEN = seven_zip_of(*_MEMBERS, ("folder", None), method=b"\x21", properties=b"\x00", packed=_PACKED)
_INNER = zip_of(("one.zip", zip_of(*_MEMBERS)), ("two.tar.gz", gzip.compress(_TAR)), ("three.7z", _SEVEN))
_GOOD = {
    "zip": zip_of(*_MEMBERS, method=8),
    "stored": zip_of(*_MEMBERS),
    "nested": _INNER,
    "tar": _TAR,
    "gnu": tar_of(*_MEMBERS, form=tarfile.GNU_FORMAT),
    "gz": gzip.compress(_TAR),
    "bz2": bz2.compress(_TAR),
    "xz": lzma.compress(_TAR),
    "zst": zstd.compress(_TAR),
    "7z": _SEVEN,
}
_FOLDERS = iter(range(1_000_000))


def held(folder: Path, data: bytes, *, limits: Limits = SMALL) -> bool:
    """Whether it was unpacked; `take` asserts that nothing lies outside and that a refusal leaves nothing."""
    work = folder / str(next(_FOLDERS))
    try:
        out = take(work, data, limits=limits, nested=2)
    except CallerError:
        return False
    written = [path for path in (work / "work/out").rglob("*") if path.is_file()]
    assert out.files == len(written)
    assert out.bytes == sum(path.stat().st_size for path in written) <= limits.bytes_out
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("data", _GOOD.values(), ids=_GOOD)
def test_what_is_changed_was_good_before(folder: Path, data: bytes) -> None:
    assert held(folder, data)


_FLIPS = st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 255)), max_size=6)


@settings(max_examples=200)
@given(data=st.sampled_from(list(_GOOD.values())), flips=_FLIPS, cut=st.integers(0, 1 << 14) | st.none())
def test_flipped_and_cut(folder: Path, data: bytes, flips: list[tuple[int, int]], cut: int | None) -> None:
    damaged = bytearray(data if cut is None else data[: cut % len(data)])
    for at, value in flips:
        if damaged:
            damaged[at % len(damaged)] = value
    held(folder, bytes(damaged))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(list(_GOOD.values())), st.integers(0, 5000), st.integers(0, 5000)), min_size=1, max_size=4))
def test_spliced(folder: Path, pieces: list[tuple[bytes, int, int]]) -> None:
    first, rest = pieces[0], pieces[1:]
    held(folder, first[0][: first[1]] + b"".join(data[min(begin, end) : max(begin, end)] for data, begin, end in rest))


_NAMES = st.text(st.sampled_from("ab/.\\:\0 ä\u202e"), max_size=12) | st.text(max_size=8)
_SIZES = st.sampled_from([b"00000000000\0", b"00000000003\0", b"77777777777\0", b"\xff" * 12, b"\x80" + b"\xff" * 11]) | st.binary(
    min_size=12, max_size=12
)
_KINDS = st.sampled_from([bytes([kind]) for kind in b"01234567xgLKSDVNX"]) | st.binary(min_size=1, max_size=1)
_RECORDS = st.builds(lambda key, value: _record(key, value), st.sampled_from(["path", "size", "linkpath", "GNU.sparse.size", "x"]), _NAMES)


def _record(key: str, value: str) -> bytes:
    said = f" {key}={value}\n".encode("utf-8", "surrogatepass")
    length = len(said) + 1
    while len(str(length)) + len(said) != length:
        length += 1
    return str(length).encode() + said


_MEMBER = st.builds(
    lambda name, kind, size, body: header(name.encode("utf-8", "replace")[:100], kind=kind, size=size) + body.ljust(512, b"\0"),
    _NAMES, _KINDS, _SIZES, st.binary(max_size=40),
)  # fmt: skip
_BLOCKS = st.lists(_MEMBER | st.lists(_RECORDS, min_size=1, max_size=3).map(lambda records: pax(b"".join(records))), min_size=1, max_size=5)


@settings(max_examples=100)
@given(blocks=_BLOCKS, tight=st.booleans())
def test_tar_headers_with_checksums_that_hold(folder: Path, blocks: list[bytes], tight: bool) -> None:
    data = header(b"first") + b"".join(blocks) + bytes(1024)
    held(folder, gzip.compress(data, 1) if tight else data)


@settings(max_examples=100)
@given(
    names=st.lists(_NAMES, min_size=1, max_size=4),
    entry=st.integers(0, 45),
    value=st.sampled_from([0, 1, 0xFFFF, 0xFFFFFFFF]) | st.integers(0, 0xFFFFFFFF),
    both=st.booleans(),
)
def test_zip_directories(folder: Path, names: list[str], entry: int, value: int, both: bool) -> None:
    members = [(name.encode("utf-8", "replace").decode() or "x", b"content" * 30) for name in names]
    data = bytearray(zip_of(*members, method=8))
    at = data.index(b"PK\x01\x02") + 4 + entry % 42
    data[at : at + 4] = struct.pack("<I", value)
    if both:
        data[22:26] = struct.pack("<I", value)
    held(folder, bytes(data))


@settings(max_examples=100)
@given(flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4), cut=st.integers(0, 400) | st.none())
def test_7z_directories_with_checksums_that_hold(folder: Path, flips: list[tuple[int, int]], cut: int | None) -> None:
    offset, length = struct.unpack_from("<QQ", _SEVEN, 12)
    directory = bytearray(_SEVEN[32 + offset : 32 + offset + length])
    for at, value in flips:
        directory[at % len(directory)] = value
    held(folder, seven_zip(_PACKED, bytes(directory if cut is None else directory[:cut])))


@settings(max_examples=60)
@given(names=st.lists(_NAMES, min_size=1, max_size=4), attributes=st.integers(0, 0xFFFFFFFF), size=st.integers(0, 2**64 - 1) | st.just(8))
def test_7z_members(folder: Path, names: list[str], attributes: int, size: int) -> None:
    members = [(name, b"content!" if index == 0 else b"", attributes if index else 0) for index, name in enumerate(names)]
    held(folder, seven_zip_of(*members, size=size))
