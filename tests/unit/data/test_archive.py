"""Hostile and honest archives: the first are refused whole and leave nothing, the second come out byte for byte."""

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.errors import ArcError, BadData, TooLarge
from arc.data.archive import sniff
from arc.data.members import Limits
from tests.unit.data.packers import seven_zip_of, special, take, tar_of, unix, zip_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNICODE = "Bilder/Glaukom äöü/目.jpg"


@pytest.mark.parametrize(
    ("pack", "form"),
    [
        (lambda: zip_of(("a/b.txt", b"one"), (UNICODE, b"two")), "zip"),
        (lambda: zip_of(("a/b.txt", b"one"), (UNICODE, b"two"), method=zipfile.ZIP_DEFLATED), "zip"),
        (lambda: tar_of(("a/b.txt", b"one"), (UNICODE, b"two")), "tar"),
        (lambda: tar_of(("./a/b.txt", b"one"), (UNICODE, b"two"), form=tarfile.GNU_FORMAT), "tar"),
        (lambda: gzip.compress(tar_of(("a/b.txt", b"one"), (UNICODE, b"two"))), "tar.gz"),
        (lambda: bz2.compress(tar_of(("a/b.txt", b"one"), (UNICODE, b"two"))), "tar.bz2"),
        (lambda: lzma.compress(tar_of(("a/b.txt", b"one"), (UNICODE, b"two"))), "tar.xz"),
        (lambda: zstd.compress(tar_of(("a/b.txt", b"one"), (UNICODE, b"two"))), "tar.zst"),
        (lambda: b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstd.compress(tar_of(("a/b.txt", b"one"), (UNICODE, b"two"))), "tar.zst"),
        (lambda: seven_zip_of(("a/b.txt", b"one"), (UNICODE, b"two"), ("folder", None)), "7z"),
    ],
)
def test_honest_archives_come_out_whole(tmp_path: Path, pack: Callable[[], bytes], form: str) -> None:
    out = take(tmp_path, pack(), name="wrongly_named.pdf")
    assert (out.format, out.files, out.bytes) == (form, 2, 6)
    assert (tmp_path / "work/out/a/b.txt").read_bytes() == b"one"
    assert (tmp_path / "work/out" / UNICODE).read_bytes() == b"two"


def test_long_names_come_out_as_they_are(tmp_path: Path) -> None:
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        name = "/".join(["folder" * 8] * 4) + "/picture.jpg"
        (tmp_path / str(form)).mkdir()
        assert take(tmp_path / str(form), tar_of((name, b"x" * 600), form=form)).files == 1
        assert (tmp_path / str(form) / "work/out" / name).stat().st_size == 600


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "../../evil", "a/../../evil", "/etc/evil", "//evil", "..\\evil", "a\\..\\evil", "C:/evil", "C:evil", "..",
        "a/./b", "a//b", "../out-sibling/x", "a/..", ".", "", "x\u2028y", "cup\u202egpj.exe", "\u2066a\u2069", "n\0ul", "esc\x1b[2J", "x" * 256, "a/\x01b", "a\nb", "tab\there", "x" * 300, "d/" * 40 + "f", "d/" * 1500 + "f", "/".join(["y" * 200] * 8), "p" * 5000,
    ],
)  # fmt: skip
def test_names_that_could_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    packs: list[Callable[[], bytes]] = [
        lambda: zip_of(("ok.txt", b"1"), (name, b"2")),
        lambda: tar_of(("ok.txt", b"1"), special("x", tarfile.REGTYPE, path=name)),
        lambda: seven_zip_of(("ok.txt", b"1"), (name, b"2")),
    ]
    for number, pack in enumerate(packs):
        if name or number == 0:  # a 7z ends a name at a NUL, a pax header without a path has none
            with pytest.raises(BadData):
                take(tmp_path / str(number), pack())


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, link="/etc/passwd"), special("hard", tarfile.LNKTYPE, link="../../etc/passwd"),
        special("fifo", tarfile.FIFOTYPE), special("chr", tarfile.CHRTYPE), special("blk", tarfile.BLKTYPE),
        special("sparse", tarfile.GNUTYPE_SPARSE), special("volume", b"V"),
    ],
)  # fmt: skip
def test_only_files_and_folders_are_made_from_a_tar(tmp_path: Path, member: tarfile.TarInfo) -> None:
    with pytest.raises(BadData, match="only files and folders"):
        take(tmp_path, tar_of(("ok.txt", b"1"), member))


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o020644, 0o060644, 0o140644])
def test_only_files_and_folders_are_made_from_a_zip(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BadData, match="only files and folders"):
        take(tmp_path, zip_of(("ok.txt", b"1"), (unix("thing", mode), b"/etc/passwd")))


def test_modes_of_an_archive_are_not_taken_over(tmp_path: Path) -> None:
    take(tmp_path, zip_of((unix("setuid", 0o104755), b"1"), (unix("none", 0o100000), b"2")))
    for name in ("setuid", "none"):
        assert (tmp_path / "work/out" / name).stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    "names", [("a", "a"), ("A.jpg", "a.jpg"), ("d/a", "D/b"), ("a", "a/b"), ("a/b", "a"), ("\u00e9", "e\u0301"), ("Straße", "STRASSE")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_meet_on_some_disk_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    for number, data in enumerate((zip_of(*((name, b"1") for name in names)), tar_of(*((name, b"1") for name in names)))):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(BadData, match=r"collides|twice"):
            take(tmp_path / str(number), data)


def test_a_folder_may_be_named_twice(tmp_path: Path) -> None:
    take(tmp_path, tar_of(special("d", tarfile.DIRTYPE), special("d", tarfile.DIRTYPE), ("d/f", b"1")))
    assert (tmp_path / "work/out/d/f").exists()


BOMB = b"\0" * 5_000_000


@pytest.mark.parametrize(
    "pack",
    [
        lambda: zip_of(("bomb", BOMB), method=zipfile.ZIP_DEFLATED),
        lambda: gzip.compress(tar_of(("bomb", BOMB))),
        lambda: bz2.compress(tar_of(("bomb", BOMB))),
        lambda: lzma.compress(tar_of(("bomb", BOMB))),
        lambda: tar_of(("large", os.urandom(3_000_000))),
        lambda: zip_of(*((f"{number}", b"") for number in range(60))),
        lambda: tar_of(*((f"{number}", b"") for number in range(60))),
        lambda: tar_of(*(special(f"d{number}", tarfile.DIRTYPE) for number in range(60))),
        lambda: gzip.compress(tar_of(("first", b"1")) + b"\0" * 60_000_000),
    ],
)
def test_bombs_stop_at_the_limits(tmp_path: Path, pack: Callable[[], bytes]) -> None:
    with pytest.raises(TooLarge):
        take(tmp_path, pack())


def test_the_ratio_stops_a_bomb_that_the_total_would_let_pass(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="times its size"):
        take(tmp_path, gzip.compress(tar_of(("bomb", BOMB))), limits=Limits(ratio_from=100_000))


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of(("bomb", b"\0" * 90_000), method=zipfile.ZIP_DEFLATED))
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(signature) + at, 100)
    with pytest.raises(BadData):
        take(tmp_path, bytes(data))


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of(("a", b"12345678"), ("b", b"12345678")))
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)  # the second entry points at the first member
    with pytest.raises(BadData, match="overlaps"):
        take(tmp_path, bytes(data))


def test_encryption_and_rare_compressions_are_refused_by_name(tmp_path: Path) -> None:
    data = bytearray(zip_of(("a", b"1")))
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 8, 1)
    (tmp_path / "1").mkdir()
    with pytest.raises(BadData, match="encrypted"):
        take(tmp_path / "1", bytes(data))
    (tmp_path / "2").mkdir()
    with pytest.raises(BadData, match="deflate"):
        take(tmp_path / "2", zip_of(("a", b"1" * 99), method=zipfile.ZIP_BZIP2))


def _field(data: bytes, at: int, value: bytes) -> bytes:
    """A TAR whose first header has other bytes at a place, with a checksum that holds."""
    header = bytearray(data[:512])
    header[at : at + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (124, b"\xff" * 12),
        (124, b"-0000000512\0"),
        (124, b"99999999999\0"),
        (124, b"\x80" + b"\xff" * 11),
        (156, b"x"),
        (0, b"\xff\xfe"),
        (156, b"S"),
    ],
)
def test_tar_headers_that_made_other_readers_hang_end_at_once(tmp_path: Path, at: int, value: bytes) -> None:
    with pytest.raises((BadData, TooLarge)):
        take(tmp_path, _field(tar_of(("name", b"content"), form=tarfile.USTAR_FORMAT), at, value))


@pytest.mark.parametrize(
    "record", [b"999 path=a\n", b"3 a\n", b"11 path=../x\n", b"0 path=a\n", b"x path=a\n", b"20 GNU.sparse.map=0\n", b"12 size=-512\n"]
)
def test_pax_records_are_checked(tmp_path: Path, record: bytes) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = b"x", len(record)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(record))
        archive.addfile(tarfile.TarInfo("file"))
    with pytest.raises(BadData):
        take(tmp_path, data.getvalue())


def test_damage_anywhere_refuses_all_of_it(tmp_path: Path) -> None:
    good_zip = zip_of(*((f"{number}.txt", os.urandom(300)) for number in range(4)))
    good_tar = gzip.compress(tar_of(*((f"{number}.txt", os.urandom(300)) for number in range(4))))
    flipped = bytearray(good_zip)
    flipped[good_zip.index(b"3.txt") + 60] ^= 1
    cases = [bytes(flipped), good_zip[:-30], good_zip[: len(good_zip) // 2], good_tar[:-5], good_tar[:-9] + b"\0" * 9]
    cases += [tar_of(("a", b"1" * 2000))[:1500], tar_of(("a", b"1" * 2000))[: 512 * 5], gzip.compress(b"no tar at all" * 100)]
    for number, data in enumerate(cases):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(BadData):
            take(tmp_path / str(number), data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "7z is cut short"),
        (b"\x28\xb5\x2f\xfd", "cut short"),
        (b"\x1f\x9d\x90", "compress"),
        (b"%PDF-1.7", "no archive"),
    ],
)
def test_what_is_no_archive_is_refused_by_name(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(BadData, match=says):
        take(tmp_path, data, name="photos.zip")


@pytest.mark.parametrize("data", [zip_of(), tar_of(), tar_of(special("folder", tarfile.DIRTYPE))])
def test_an_archive_without_a_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadData):
        take(tmp_path, data)


_ZIP = zip_of(("a/one.txt", b"content of one" * 9), ("b.txt", b"two"), method=zipfile.ZIP_DEFLATED)
_TAR = tar_of(("a/one.txt", b"content of one" * 9), ("b" * 120, b"two"))


@settings(max_examples=150)
@given(data=st.sampled_from([_ZIP, _TAR]), changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_damage_gets_past_the_error_tree(tmp_path_factory: pytest.TempPathFactory, data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    try:
        take(tmp_path_factory.mktemp("fuzz"), bytes(damaged))
    except ArcError:
        pass


def test_the_format_is_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(_TAR)
    assert sniff(path) == "tar"
