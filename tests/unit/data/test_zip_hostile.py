"""ZIPs whose directory tells another story than their members, and those that grow."""

import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from arc.core.errors import BadData, NoSpace, TooLarge
from arc.data.members import Limits
from tests.unit.data.packers import bounded, take, unix, zip_of

ENTRY, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
DEFLATED = zipfile.ZIP_DEFLATED


def _with(data: bytes, *changes: tuple[bytes, int, bytes]) -> bytes:
    """A ZIP with other bytes at a place behind the first occurrence of a signature."""
    changed = bytearray(data)
    for signature, at, value in changes:
        begin = data.index(signature) + at
        changed[begin : begin + len(value)] = value
    return bytes(changed)


PLAIN = zip_of(("name.txt", b"content " * 20))
TIGHT = zip_of(("name.txt", b"content " * 20), method=DEFLATED)
LIES = {
    "CRC in both places": _with(PLAIN, (ENTRY, 16, b"abcd"), (LOCAL, 14, b"abcd")),
    "CRC of a compressed member": _with(TIGHT, (ENTRY, 16, b"abcd")),
    "size too small": _with(TIGHT, (ENTRY, 24, b"\x05\0\0\0")),
    "size too large": _with(TIGHT, (ENTRY, 24, b"\xff\xff\0\0")),
    "packed size too small": _with(TIGHT, (ENTRY, 20, b"\x05\0\0\0")),
    "packed size beyond the end": _with(TIGHT, (ENTRY, 20, b"\xff\xff\xff\0")),
    "packed size zero": _with(TIGHT, (ENTRY, 20, b"\0\0\0\0")),
    "stored with another size": _with(PLAIN, (ENTRY, 20, b"\x05\0\0\0")),
    "another name before the member": _with(PLAIN, (LOCAL, 30, b"evil.txt")),
    "another method before the member": _with(PLAIN, (LOCAL, 8, b"\x08\0")),
    "a name that is no UTF-8": _with(PLAIN, (ENTRY, 8, b"\0\x08"), (ENTRY, 46, b"\xff\xfe"), (LOCAL, 30, b"\xff\xfe")),
    "offset beyond the end": _with(PLAIN, (ENTRY, 42, b"\xff\xff\xff\x0f")),
    "offset into the content": _with(PLAIN, (ENTRY, 42, b"\x08\0\0\0")),
    "directory beyond the end": _with(PLAIN, (END, 16, b"\xff\xff\xff\x0f")),
    "directory too large": _with(PLAIN, (END, 12, b"\xff\xff\xff\x0f")),
    "more members than there are": _with(PLAIN, (END, 8, b"\x09\0\x09\0"), (END, 12, b"\xff\0\0\0")),
    "no members": _with(PLAIN, (END, 8, b"\0\0\0\0")),
    "strong encryption": _with(PLAIN, (ENTRY, 8, b"\x41\0")),
    "hidden by a masked directory": _with(PLAIN, (ENTRY, 8, b"\0\x20")),
    "AES": _with(PLAIN, (ENTRY, 10, b"\x63\0"), (LOCAL, 8, b"\x63\0")),
    "a folder with content": zip_of(("folder/", b"content")),
    "no end": PLAIN[: PLAIN.index(END)],
    "an end alone": END,
    "a start alone": LOCAL,
    "an empty archive": END + bytes(18),
}  # fmt: skip


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_zip_that_contradicts_itself_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises((BadData, TooLarge)):
        take(tmp_path, data)


def test_something_behind_the_compression_of_a_member_is_refused(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b"content " * 20) + packer.flush()
    padded = packed + b"x" * 300_000
    data = bytearray(zip_of(("name.txt", padded)))
    crc = struct.pack("<I", zlib.crc32(b"content " * 20))
    changes = [(LOCAL, 8, b"\x08\0"), (LOCAL, 14, crc), (ENTRY, 10, b"\x08\0"), (ENTRY, 16, crc), (ENTRY, 24, struct.pack("<I", 160))]
    with pytest.raises(BadData, match="compression"):
        take(tmp_path, _with(bytes(data), *changes))


def test_the_directory_may_be_in_any_order_and_behind_something_else(tmp_path: Path) -> None:
    data = zip_of(("a", b"1"), ("b", b"22"), ("c", b"333"))
    at, end = data.index(ENTRY), data.index(END)
    each = (end - at) // 3
    backwards = data[at + 2 * each : end] + data[at + each : at + 2 * each] + data[at : at + each]
    assert take(tmp_path / "backwards", data[:at] + backwards + data[end:]).files == 3
    with_descriptors = zip_of(("a", b"1"))
    assert take(tmp_path / "comment", with_descriptors[:-2] + b"\x05\0hello").files == 1


def test_a_zip_written_to_a_pipe_is_read(tmp_path: Path) -> None:
    class Pipe:
        def __init__(self) -> None:
            self.data = b""

        def write(self, data: bytes) -> int:
            self.data += data
            return len(data)

        def flush(self) -> None:
            pass

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", DEFLATED) as archive:  # type: ignore[call-overload] # sizes follow each member
        archive.writestr("a/photo.txt", b"content " * 99)
    assert take(tmp_path, pipe.data).bytes == 792


def test_bombs_of_every_kind_stop_within_seconds_and_little_memory(tmp_path: Path) -> None:
    zeros = zip_of(("bomb", bytes(100_000_000)), method=DEFLATED)
    lying = _with(zeros, (ENTRY, 24, struct.pack("<I", 1_000_000)), (LOCAL, 22, struct.pack("<I", 1_000_000)))
    many = zip_of(*((f"{index}", b"") for index in range(30_000)))
    deep = zip_of(*((f"{index}/{'d/' * 18}f", b"") for index in range(2_000)))
    for number, (data, says) in enumerate([(zeros, "times its size"), (lying, "stated|damaged"), (many, "max_files"), (deep, "max_files")]):
        (tmp_path / str(number)).mkdir()
        with pytest.raises((BadData, TooLarge), match=says):
            bounded(tmp_path / str(number), data)


def test_many_members_of_the_same_bytes_are_refused(tmp_path: Path) -> None:
    kernel = zip_of(("0", bytes(5_000_000)), method=DEFLATED)
    at, end = kernel.index(ENTRY), kernel.index(END)
    entry = kernel[at:end]
    entries = b"".join(entry[:46] + bytes([65 + index]) + entry[47:] for index in range(40))
    finish = struct.pack("<4s4H2IH", END, 0, 0, 40, 40, len(entries), at, 0)
    with pytest.raises(BadData, match="overlaps"):
        take(tmp_path, kernel[:at] + entries + finish, limits=Limits())


def test_one_file_has_a_limit_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="a file of more than"):
        take(tmp_path, zip_of(("a", b"1" * 1000), ("b", b"2" * 3000)), limits=Limits(file_bytes=2000))


def test_names_that_only_look_dangerous_come_out_as_they_are(tmp_path: Path) -> None:
    names = ["-rf", "--checkpoint-action=exec=sh", "$(touch x)", "%2e%2e%2fevil", "..evil", "a..b", "~", "con.txt", "x;y", "naïve 'quote'.jpg", "...", ".hidden", "sitecustomize.py", "torch/__init__.py"]  # fmt: skip
    assert take(tmp_path, zip_of(*((name, b"1") for name in names))).files == len(names)
    assert sorted(str(path.relative_to(tmp_path / "work/out")) for path in (tmp_path / "work/out").rglob("*") if path.is_file()) == sorted(
        names
    )


def test_a_full_disk_is_not_the_archive_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    import os

    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, *rest, **more: real("/dev/full", os.O_WRONLY) if path == "a" else real(path, flags, *rest, **more)
    )
    with pytest.raises(NoSpace):
        take(tmp_path, zip_of((unix("a", 0o100644), b"1")))
