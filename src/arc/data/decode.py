"""Decode: a foreign picture file into pixels, inside the sandbox.

What a file is, its first bytes say; its size is read from the header and limited before anything is decoded. JPEG,
PNG, TIFF, BMP and DICOM are read, everything else is refused by its name; Ghostscript and other programs never run.
`LIMITS` is the one place where the limits of pictures stand, beside `max_megapixels`, which the asker sets.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageOps, UnidentifiedImageError

from arc.core.errors import BadData, TooLarge

FORMATS: Final = ("JPEG", "PNG", "TIFF", "BMP")  # that Pillow is allowed to try
READ: Final = "JPEG, PNG, TIFF, BMP and DICOM"
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"})
FOREIGN_SUFFIXES: Final = frozenset(
    {".gif", ".webp", ".svg", ".svgz", ".heic", ".heif", ".avif", ".eps", ".ps", ".psd", ".jp2", ".j2k", ".jxl", ".ico"}
)
LIMITS: Final = {
    "least_side_px": 16,  # of a photograph or mask
    "pages": 1,  # of a TIFF, and frames of a DICOM
    "dicom_header_bytes": 32 << 20,  # before the pixels
    "drawing_bytes": 48 << 20,  # of a JSON with polygons, which may hold its photograph once more
    "shapes": 200,  # in a JSON
    "points": 50_000,  # of an outline
    "contour_bytes": 4 << 20,  # of a text with an outline
}
_HEAD: Final = 4096
_STARTS: Final = (
    (b"GIF8", "GIF"),
    (b"%!PS", "PostScript (EPS)"),
    (b"\xc5\xd0\xd3\xc6", "PostScript (EPS)"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x01\x00", "icon (ICO)"),
)
_BRANDS: Final = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF", b"avis": "AVIF"}
# What Pillow raises on damaged files, besides its own classes.
DAMAGED: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    AttributeError,
    struct.error,
    zlib.error,
)


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its first bytes."""
    with path.open("rb") as handle:
        return handle.read(132)[128:] == b"DICM"


def foreign_kind(head: bytes) -> str | None:
    """The name of a kind of picture that is not read, by its first bytes; None when it may be read."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video or HEIC")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<") and (b"<svg" in text or text.startswith(b"<?xml")):
        return "SVG"
    if text.startswith((b"<!doctype", b"<html")):
        return "HTML"
    return next((name for start, name in _STARTS if head.startswith(start)), None)


def picture(path: Path, rules: Mapping[str, Any]) -> Image.Image:
    """The picture of a file, upright; BadData or TooLarge when it cannot be had. `rules`: max_megapixels."""
    with path.open("rb") as handle:
        kind = foreign_kind(handle.read(_HEAD))
    if kind is not None:
        raise BadData(f"it is a {kind} file; {READ} are read")
    return ImageOps.exif_transpose(decoded(path.read_bytes(), rules, formats=FORMATS))


def decoded(data: bytes, rules: Mapping[str, Any], *, formats: tuple[str, ...]) -> Image.Image:
    """The pixels of an encoded picture in one of `formats`, as they are stored; BadData or TooLarge."""
    most = float(rules["max_megapixels"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on metadata and large pictures; the limit below is ours and lower
            opened = Image.open(io.BytesIO(data), formats=formats)
            check_size(opened.width, opened.height, rules)
            if opened.format == "TIFF" and getattr(opened, "n_frames", 1) > LIMITS["pages"]:
                raise BadData("a TIFF of several pages; one photograph a file is read")
            opened.load()
            return opened
    except Image.DecompressionBombError:
        raise TooLarge(f"the photograph has more than {most:g} million pixels (max_megapixels)") from None
    except UnidentifiedImageError:
        raise BadData(f"it is no {', '.join(formats)} picture, or its header is damaged") from None
    except DAMAGED as error:
        raise BadData(f"it cannot be decoded: {str(error)[:160] or type(error).__name__}") from None


def check_size(width: int, height: int, rules: Mapping[str, Any]) -> None:
    """BadData or TooLarge for a picture of this size, before it is decoded."""
    most, least = float(rules["max_megapixels"]), LIMITS["least_side_px"]
    if width * height > most * 1e6:
        raise TooLarge(f"{width} x {height} pixels are more than {most:g} million (max_megapixels)")
    if width < least or height < least:
        raise BadData(f"{width} x {height} pixels are too few for a photograph")
