"""What becomes of a foreign picture file: plain RGB of a bounded size, or a refusal that names the file."""

import errno
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from arc.core.errors import ArcError, BadData, TooLarge
from arc.data.photographs import convert, convert_all
from arc.kit import sandbox
from tests.unit.data.context import photograph

RULES = {"max_side_px": 64, "max_megapixels": 1.0, "format": "jpeg"}


def converted(tmp_path: Path, data: bytes, *, mask: bytes | None = None, **rules: Any) -> dict[str, Any]:
    source = tmp_path / "photo.img"
    source.write_bytes(data)
    task: dict[str, Any] = {
        "source": str(source),
        "target": str(tmp_path / "out.jpg"),
        "mask": None,
        "mask_target": str(tmp_path / "out.png"),
    }
    if mask is not None:
        (tmp_path / "mask.png").write_bytes(mask)
        task["mask"] = {"kind": "labels", "files": [str(tmp_path / "mask.png")]}
    return convert(task, RULES | rules)


def seen(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP"])
def test_each_format_of_the_list_is_read(tmp_path: Path, form: str) -> None:
    answer = converted(tmp_path, photograph(1, size=(128, 96), form=form))
    assert (answer["width"], answer["height"]) == (64, 48)
    assert seen(tmp_path / "out.jpg").mode == "RGB"


def test_a_small_photograph_keeps_its_size(tmp_path: Path) -> None:
    assert converted(tmp_path, photograph(1, size=(33, 33)))["width"] == 33


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (32, 32), 200), (200, 200, 200)),
        (Image.new("RGBA", (32, 32), (255, 0, 0, 0)), (0, 0, 0)),
        (Image.new("RGBA", (32, 32), (255, 0, 0, 255)), (255, 0, 0)),
        (Image.new("LA", (32, 32), (200, 255)), (200, 200, 200)),
        (Image.new("P", (32, 32), 0), (0, 0, 0)),
        (Image.new("1", (32, 32), 1), (255, 255, 255)),
        (Image.fromarray(np.full((32, 32), 0x80FF, np.uint16)), (128, 128, 128)),
    ],
)
def test_modes_become_eight_bit_rgb(tmp_path: Path, image: Image.Image, expected: tuple[int, int, int]) -> None:
    converted(tmp_path, saved(image, "PNG"), format="png")
    assert seen(tmp_path / "out.jpg").getpixel((5, 5)) == expected


def test_cmyk_is_read(tmp_path: Path) -> None:
    converted(tmp_path, saved(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = seen(tmp_path / "out.jpg").getpixel((5, 5))
    assert red > 200 > 60 > max(green, blue)


def test_the_orientation_is_applied_and_everything_else_left_behind(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x013B] = "Dr Who"
    answer = converted(tmp_path, photograph(1, size=(48, 32), exif=exif))
    assert (answer["width"], answer["height"]) == (32, 48)
    assert b"Dr Who" not in (tmp_path / "out.jpg").read_bytes()
    assert not seen(tmp_path / "out.jpg").getexif()


def test_the_same_bytes_give_the_same_digest(tmp_path: Path) -> None:
    assert converted(tmp_path, photograph(1)) == converted(tmp_path, photograph(1))


def _png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data does not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 200)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"text", bytes(range(256)), b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", photograph(1)[:300], photograph(1, form="PNG")[:-300],
        b"%!PS-Adobe-3.0 EPSF", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a\x10\0\x10\0\0\0\0;", _png(100, 100), _png(0, 10),
        saved(Image.new("RGB", (8, 8)), "PNG"), saved(Image.new("F", (32, 32)), "TIFF"),
        saved(Image.new("L", (32, 32)), "TIFF", save_all=True, append_images=[Image.new("L", (32, 32))]),
        photograph(1, form="PNG").replace(b"IDAT", b"IDAX"),
    ],
)  # fmt: skip
def test_damaged_and_foreign_files_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadData):
        converted(tmp_path, data)


@pytest.mark.parametrize("data", [_png(30_000, 30_000), _png(1, 1_000_001), saved(Image.new("L", (1100, 1000)), "PNG")])
def test_the_size_is_limited_by_the_header_alone(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TooLarge, match="million"):
        converted(tmp_path, data)


def _mask(values: list[int], size: tuple[int, int] = (40, 32)) -> bytes:
    pixels = np.resize(np.array(values, np.uint8), (size[1], size[0]))
    return saved(Image.fromarray(pixels), "PNG")


def test_a_mask_goes_through_the_same_geometry_with_its_values(tmp_path: Path) -> None:
    converted(tmp_path, photograph(1), mask=_mask([0, 128, 255]), max_side_px=32)
    mask = np.asarray(seen(tmp_path / "out.png"))
    assert mask.shape == seen(tmp_path / "out.jpg").size[::-1]
    assert set(np.unique(mask).tolist()) == {0, 128, 255}


@pytest.mark.parametrize(("mask", "says"), [(_mask([0, 255], (20, 20)), "pixels"), (_mask([0, 77]), "77"), (b"nothing", "mask")])
def test_masks_that_do_not_fit_are_refused(tmp_path: Path, mask: bytes, says: str) -> None:
    with pytest.raises(BadData, match=says):
        converted(tmp_path, photograph(1), mask=mask)


def test_many_go_through_the_sandbox_at_once_and_each_has_its_answer(tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(photograph(1))
    (tmp_path / "bad.jpg").write_bytes(photograph(1)[:200])
    tasks = [{"source": str(tmp_path / name), "target": str(tmp_path / f"{name}.out"), "mask": ""} for name in ("good.jpg", "bad.jpg")]
    good, bad = sandbox.parse(convert_all, tasks, RULES, write_mb=10)
    assert good["sha256"]
    assert bad["class"] == "BadData"


def test_a_full_disk_is_not_the_fault_of_the_photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "good.jpg").write_bytes(photograph(1))
    monkeypatch.setattr(Image.Image, "save", full)
    task = {"source": str(tmp_path / "good.jpg"), "target": str(tmp_path / "out.jpg"), "mask": ""}
    assert convert_all([task], RULES) == [{"error": "the disk is full", "class": "NoSpace"}]


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_gets_past_the_error_tree(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(photograph(2, form=["JPEG", "PNG", "TIFF", "BMP"][seed % 4]))
    for at in random.integers(0, len(data), 6):
        data[at] = random.integers(256)
    try:
        converted(tmp_path, bytes(data))
    except ArcError:
        pass
