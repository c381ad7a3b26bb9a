"""TARs that broke other readers: links that lead out by way of each other, sizes that lie, headers without end.

CVE-2026-11940 and CVE-2026-82049 could not be looked up by their numbers, so no case bears them. No link of any kind is ever made,
symbolic or hard, and each way out that is known has a case: by a link in the path, over a file, by a link to a link, by length, by
pax records, by an empty name, by mode, and by a second archive.
"""

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from arc.core.errors import BadData, TooLarge
from arc.data.archive import unpack
from arc.data.members import Limits
from tests.unit.data.packers import bounded, header, pax, special, take, tar_of

SYM, LNK, DIR, REG = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.REGTYPE


def _beyond_path_max() -> list[tarfile.TarInfo]:
    """CVE-2025-4517: a chain of links so long that `realpath` gives up and lets the last one pass."""
    members, path = [], ""
    for letter in "abcdefghijklmnop":
        members += [special(path + "d" * 247, DIR), special(path + letter, SYM, link="d" * 247)]
        path += "d" * 247 + "/"
    short = "/".join("abcdefghijklmnop") + "/" + "l" * 254
    return [
        *members,
        special(short, SYM, link="../" * 16),
        special("escape", SYM, link=short + "/../../../etc"),
        special("flag", LNK, link="escape/flag"),
    ]


LINKED = {
    "slip by a link": [special("out", SYM, link=".."), ("out/evil", b"1")],
    "slip by an absolute link": [special("out", SYM, link="/tmp"), ("out/evil", b"1")],
    "link over a file": [("a", b"1"), special("a", SYM, link="/etc/passwd")],
    "dangling link": [special("a", SYM, link="nowhere")],
    "hard link out": [special("a", LNK, link="/etc/passwd")],
    "hard link inside": [("a", b"1"), special("b", LNK, link="a")],
    "CVE-2025-4517": _beyond_path_max(),
    "CVE-2025-4330": [
        special("a/b", SYM, link="c/../.."),
        special("a/c", SYM, link="."),
        special("h", LNK, link="a/b/secret"),
        ("h", b"1"),
    ],
    "CVE-2025-4138": [special("d", DIR), special("d/up", SYM, link=""), special("d/up/x", SYM, link="../..")],
    "CVE-2024-12718": [special("x", SYM, link=".."), special("x/.", DIR, mode=0o777)],
    "hard link to a link": [special("a", SYM, link="/etc/passwd"), special("b", LNK, link="a", mode=0o666)],
    "hard link without its target": [special("a", SYM, link="../secret"), special("b", LNK, link="sub/../a")],
    "links without names": [special("", SYM, link=".."), special("", SYM, link="/"), ("evil", b"1")],
    "pax link": [special("a", SYM, link="inside", linkpath="/etc/passwd"), ("a", b"1")],
    "pax path of a link": [special("plain", SYM, link="..", path="up"), ("up/evil", b"1")],
}


@pytest.mark.parametrize("members", LINKED.values(), ids=LINKED)
def test_no_link_of_any_kind_gets_through(tmp_path: Path, members: list[tarfile.TarInfo | tuple[str, bytes]]) -> None:
    for data in (tar_of(*members), gzip.compress(tar_of(*members))):
        with pytest.raises(BadData):
            take(tmp_path / str(len(data)), data, limits=Limits(path_bytes=10**5, depth=50))


def test_a_second_archive_finds_no_link_of_the_first(tmp_path: Path) -> None:
    with pytest.raises(BadData):
        take(tmp_path / "first", tar_of(special("out", SYM, link="..")))
    take(tmp_path / "second", tar_of(("out/evil", b"1")))
    source = tmp_path / "second/work/a.bin"
    with pytest.raises(FileExistsError):
        unpack(source, tmp_path / "second/work/out", limits=Limits())


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", "a\0b", "\u202egpj.exe"])
def test_the_name_in_an_extended_header_is_judged_like_any_other(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadData):
        take(tmp_path, tar_of(special("harmless", REG, path=path)))


def test_modes_of_a_tar_are_not_taken_over(tmp_path: Path) -> None:
    members = [special("setuid", REG, mode=0o6755), special("none", REG, mode=0), special("closed", DIR, mode=0), ("closed/file", b"1")]
    assert take(tmp_path, tar_of(*members)).files == 3  # `take` looks at the modes


SIZES = [
    b"-0000000001\0",
    b"\xff" * 12,
    b"\xff" * 11 + b"\x00",
    b"\x80" + b"\xff" * 11,
    b"\x80\0\0\0" + b"\x7f" + b"\xff" * 7,
    b"77777777777\0",
    b"0x000000400\0",
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [b"0", b"5", b"x", b"g", b"L", b"1", b"7"])
def test_a_size_that_lies_ends_at_once(tmp_path: Path, size: bytes, kind: bytes) -> None:
    with pytest.raises((BadData, TooLarge)):
        bounded(tmp_path, header(b"file", kind=kind, size=size) + os.urandom(2048)) if kind == b"0" else take(
            tmp_path, header(b"file", kind=kind, size=size) + os.urandom(2048)
        )


@pytest.mark.parametrize(
    "records",
    [
        pax(b"32 size=9223372036854775807000\n"),
        pax(b"28 size=9223372036854775807\n"),
        pax(b"12 size=-99\n"),
        pax(b"22 GNU.sparse.major=1\n"),
        pax(b"41 GNU.sparse.realsize=9223372036854775807\n"),
        pax(b"17 path=evil/../x\n"),
        pax(b"9 path=\xff\n"),
        pax(b"11 path=a"),
        pax(b"00000000000000 path=a\n"),
        pax(b"7 a=b\n" * 2 + b"6 a=b\n"),
        header(b"g", kind=b"g", size=b"00000000014\0") + b"12 path=abc\n".ljust(512, b"\0"),
        header(b"sparse", kind=b"S", size=b"00000001000\0"),
        header(b"link", kind=b"K", size=b"00000000001\0") + b"a".ljust(512, b"\0"),
        header(b"\xff\xfe"),
    ],
)  # fmt: skip
def test_extended_headers_that_lie_are_refused(tmp_path: Path, records: bytes) -> None:
    with pytest.raises((BadData, TooLarge)):
        take(tmp_path, records + header(b"file") + bytes(1024))


def test_headers_without_end_come_to_one(tmp_path: Path) -> None:
    loop = gzip.compress(pax(b"10 path=ab\n"[:11]) * 400_000, 1)
    with pytest.raises((BadData, TooLarge)):
        bounded(tmp_path, loop)


@pytest.mark.parametrize("kind", [b"x", b"L"])
def test_a_header_as_large_as_a_disk_takes_no_memory(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(TooLarge, match="header records"):
        bounded(tmp_path, gzip.compress(header(b"pax", kind=kind, size=b"07777777777\0") + bytes(50_000_000), 1))


def test_more_members_than_allowed_stop(tmp_path: Path) -> None:
    many = b"".join(header(b"%d" % index) for index in range(30_000))
    with pytest.raises(TooLarge, match="max_files"):
        bounded(tmp_path, gzip.compress(many, 1))


def test_a_header_whose_checksum_does_not_hold_is_refused(tmp_path: Path) -> None:
    data = bytearray(tar_of(("first", b"1"), ("second", b"2")))
    data[data.index(b"second")] ^= 1
    with pytest.raises(BadData, match="damaged"):
        take(tmp_path, bytes(data))


def test_a_tar_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tar_of(("a", b"1" * 700), ("b", b"2"), form=tarfile.USTAR_FORMAT)[: 512 * 6]
    assert take(tmp_path / "whole", whole).files == 2
    for length in range(1, 512 * 5, 100):
        with pytest.raises(BadData):
            take(tmp_path / str(length), whole[:length])
