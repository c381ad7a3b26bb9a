"""Pictures made to do harm (rows C30 to C34): each is refused by its name or read safely, in bounded memory."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from arc.core.errors import ArcError, BadData, TooLarge
from arc.data.photographs import convert, convert_all
from arc.kit import sandbox
from tests.unit.data.context import photograph

RULES = {"max_side_px": 0, "max_megapixels": 50.0, "format": "png"}


def converted(tmp_path: Path, data: bytes, *, name: str = "photo.jpg", **rules: Any) -> dict[str, Any]:
    (tmp_path / name).write_bytes(data)
    return convert({"source": str(tmp_path / name), "target": str(tmp_path / "out.png"), "mask": None}, RULES | rules)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, data: bytes = bytes(200), depth: int = 8, colour: int = 2, more: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def tiff(*tags: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A little-endian TIFF of one directory; each tag is (number, type, count, value)."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", following)


def gif(frames: int) -> bytes:
    frame = b"\x2c" + bytes(4) + struct.pack("<HH", 16, 16) + b"\0\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HH", 16, 16) + b"\x80\0\0" + bytes(6) + frame * frames + b";"


WIDE = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1), (278, 4, 1, 64)]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%touch /tmp/x) (r) file", "PostScript"),
        (b"\xc5\xd0\xd3\xc6" + bytes(60), "PostScript"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>', "SVG"),
        (b"GIF89a/*<script>*/=1;//" + bytes(40), "GIF"),
        (gif(20_000), "GIF"),
        (b"<!DOCTYPE html><html><body>", "HTML"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(30), "WebP"),
        (b"\0\0\0\x18ftypheic" + bytes(30), "HEIC"),
        (b"\0\0\0\x18ftypavif" + bytes(30), "AVIF"),
        (b"8BPS\0\x01" + bytes(30), "Photoshop"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(30), "JPEG 2000"),
    ],
)
@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.svg"])
def test_other_kinds_are_refused_by_their_name_whatever_they_are_called(tmp_path: Path, data: bytes, kind: str, name: str) -> None:
    with pytest.raises(BadData, match=f"it is a {kind}"):
        converted(tmp_path, data, name=name)


@pytest.mark.parametrize(
    "data",
    [
        png(50_000, 50_000),
        png(1, 100_000_000),
        png(2**31 - 1, 2**31 - 1),
        png(1_000_000, 1_000, depth=1, colour=0),
        tiff((256, 4, 1, 100_000), (257, 4, 1, 100_000), *WIDE[2:], (273, 4, 1, 8), (279, 4, 1, 8)),
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 1000, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(100),
    ],
)
def test_sizes_are_limited_by_the_header_alone(tmp_path: Path, data: bytes) -> None:
    with pytest.raises((TooLarge, BadData)) as caught:
        converted(tmp_path, data)
    assert caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"", b"plain text", bytes(range(256)) * 4, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0",
        png(64, 64), png(0, 64), png(64, 0), png(64, 64, data=bytes(64 * 193))[:-40],
        png(64, 64, data=bytes(64 * 193)).replace(b"IDAT", b"IDAX"),
        photograph(1)[:200], photograph(1, form="PNG")[:120],
        tiff(*WIDE, (273, 4, 1, 0xFFFFFF00), (279, 4, 1, 4096)),
        tiff(*WIDE, (273, 4, 0x7FFFFFFF, 8), (279, 4, 1, 4096)),
        tiff(*WIDE, (273, 4, 1, 8), (279, 4, 1, 4096), following=8),
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 1000, 0, 54, 40, -64, 64, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(100),
    ],
)  # fmt: skip
def test_damage_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises((BadData, TooLarge)):  # a negative width is a large one
        converted(tmp_path, data)


def test_a_directory_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "loop.tif").write_bytes(tiff(*WIDE, (273, 4, 1, 8), (279, 4, 1, 4096), following=8) + bytes(5000))
    task = {"source": str(tmp_path / "loop.tif"), "target": str(tmp_path / "out.png"), "mask": None}
    answer = sandbox.parse(convert_all, [task], RULES, cpu_s=10, timeout_s=30.0, write_mb=50)[0]
    assert answer.get("class") in {None, "BadData"}


def test_text_that_unpacks_without_end_is_cut_off(tmp_path: Path) -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 << 20), 9))
    (tmp_path / "a.png").write_bytes(png(64, 64, data=bytes(64 * 193), more=bomb))
    task = {"source": str(tmp_path / "a.png"), "target": str(tmp_path / "out.png"), "mask": None}
    answer = sandbox.parse(convert_all, [task], RULES, cpu_s=10, memory_mb=300, timeout_s=30.0, write_mb=50)[0]
    assert answer.get("class") in {None, "BadData"}


def test_a_real_bomb_of_forty_megapixels_stays_in_its_memory(tmp_path: Path) -> None:
    Image.new("L", (8000, 5000)).save(tmp_path / "a.png", compress_level=9)
    task = {"source": str(tmp_path / "a.png"), "target": str(tmp_path / "out.jpg"), "mask": None}
    answer = sandbox.parse(
        convert_all, [task], RULES | {"max_side_px": 512, "format": "jpeg"}, cpu_s=30, memory_mb=1000, timeout_s=60.0, write_mb=50
    )[0]
    assert (answer["width"], answer["height"]) == (512, 320)


def test_a_size_of_nought_keeps_the_size(tmp_path: Path) -> None:
    assert converted(tmp_path, photograph(1, size=(333, 222)))["width"] == 333


MODES = {
    "PNG": ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"],
    "TIFF": ["1", "L", "LA", "I;16", "I", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"],
    "JPEG": ["1", "L", "RGB", "CMYK", "YCbCr"],
    "BMP": ["1", "L", "P", "RGB", "RGBA"],
}


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in MODES.items() for mode in modes])
def test_every_mode_is_read(tmp_path: Path, form: str, mode: str) -> None:
    data = io.BytesIO()
    Image.new(mode, (33, 33)).save(data, form)
    assert converted(tmp_path, data.getvalue())["width"] == 33


def test_comments_and_profiles_stay_behind(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Patient", "Doctor Who", zip=True)
    data = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 99, np.uint8)).save(data, "PNG", pnginfo=info, icc_profile=b"profile of nobody" * 10)
    converted(tmp_path, data.getvalue())
    out = (tmp_path / "out.png").read_bytes()
    assert not any(word in out for word in (b"Doctor", b"iCCP", b"tEXt", b"zTXt"))


def test_the_comment_of_a_jpeg_stays_behind(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (32, 32)).save(data, "JPEG", comment=b"Doctor Who, born 1963", dpi=(300, 300))
    converted(tmp_path, data.getvalue(), format="jpeg")
    assert b"Doctor" not in (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize("seed", range(60))
def test_no_damage_gets_past_the_error_tree(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(photograph(2, form=["JPEG", "PNG", "TIFF", "BMP"][seed % 4]))
    for at in random.integers(0, min(len(data), 300), 4):
        data[at] = random.integers(256)
    try:
        converted(tmp_path, bytes(data))
    except ArcError:
        pass
