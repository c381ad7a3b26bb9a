"""Photographs: a foreign picture file into a plain one, inside the sandbox.

The size is read from the header and limited before anything is decoded; JPEG, PNG, TIFF and BMP are the
formats allowed; the orientation that a camera noted is applied; everything else in the file (names, places,
comments) is left behind. Grey, palette, 16-bit, CMYK and transparent pictures become 8-bit RGB: 16 bits
keep their upper half, transparency becomes black, as the surround of a fundus photograph is.

Runs in the child that `arc.kit.sandbox` starts, so this module imports Pillow and numpy alone.
"""

import errno
import hashlib
import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from arc.core.errors import ArcError, BadData, TooLarge

FORMATS: Final = ("JPEG", "PNG", "TIFF", "BMP")
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"})
MASK_VALUES: Final = frozenset({0, 1, 128, 255})
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# What Pillow raises on damaged files, besides its own classes.
_DAMAGED = (
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


def convert_all(tasks: list[dict[str, Any]], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Convert each {source, target, mask, mask_target}; one answer each, an {error, class} for those that fail.

    `rules`: max_side_px, max_megapixels, format (jpeg or png). Called through the sandbox with many files.
    """
    answers = []
    for task in tasks:
        try:
            answers.append(convert(task, rules))
        except ArcError as error:
            answers.append({"error": error.message, "class": error.kind})
        except OSError as error:
            if error.errno not in _FULL:
                raise
            answers.append({"error": "the disk is full", "class": "NoSpace"})
    return answers


def convert(task: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
    """Convert one photograph and its mask; {width, height, sha256, bytes, mask_sha256}. BadData or TooLarge."""
    source, target = Path(task["source"]), Path(task["target"])
    photograph, original = _open(source, rules)
    side = int(rules["max_side_px"])
    answer: dict[str, Any] = {"mask_sha256": ""}
    if task.get("mask"):
        mask = _mask(Path(task["mask"]), original, rules)
        mask.thumbnail((side, side), Image.Resampling.NEAREST, reducing_gap=None)
        mask_target = Path(task["mask_target"])
        mask.save(mask_target, "PNG")
        answer["mask_sha256"] = hashlib.sha256(mask_target.read_bytes()).hexdigest()
    photograph.thumbnail((side, side), Image.Resampling.LANCZOS)
    if rules["format"] == "png":
        photograph.save(target, "PNG")
    else:
        photograph.save(target, "JPEG", quality=95, subsampling=0)
    data = target.read_bytes()
    return answer | {"width": photograph.width, "height": photograph.height, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _open(path: Path, rules: Mapping[str, Any]) -> tuple[Image.Image, tuple[int, int]]:
    """The picture as RGB, upright, and the size it had."""
    opened = _decoded(path, rules)
    upright = ImageOps.exif_transpose(opened)
    return _rgb(upright), upright.size


def _decoded(path: Path, rules: Mapping[str, Any]) -> Image.Image:
    most = float(rules["max_megapixels"])
    try:
        with path.open("rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on metadata and large pictures; the limit below is ours and lower
            opened = Image.open(handle, formats=FORMATS)
            if opened.width * opened.height > most * 1e6:
                raise TooLarge(f"{opened.width} x {opened.height} pixels are more than {most:g} million (max_megapixels)")
            if opened.width < 16 or opened.height < 16:
                raise BadData(f"{opened.width} x {opened.height} pixels are too few for a photograph")
            if getattr(opened, "n_frames", 1) > 1 and opened.format == "TIFF":
                raise BadData("a TIFF of several pages; one photograph a file is read")
            opened.load()
            return opened
    except Image.DecompressionBombError:
        raise TooLarge(f"the photograph has more than {most:g} million pixels (max_megapixels)") from None
    except UnidentifiedImageError:
        raise BadData(f"it is no {', '.join(FORMATS)} picture, or its header is damaged") from None
    except _DAMAGED as error:
        raise BadData(f"it cannot be decoded: {str(error)[:160] or type(error).__name__}") from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in {"I;16", "I;16B", "I;16L", "I;16N", "I"}:
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
            raise BadData(f"pixel values from {values.min()} to {values.max()} do not fit 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise BadData("pixels are floating point numbers; 8 or 16 bits are read")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        over = image.convert("RGBA")
        black = Image.new("RGBA", over.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, over).convert("RGB")
    return image.convert("RGB")


def _mask(path: Path, size: tuple[int, int], rules: Mapping[str, Any]) -> Image.Image:
    """The mask with 0 background, 128 disc, 255 cup (or as binary as it was); BadData when it does not fit."""
    try:
        mask = ImageOps.exif_transpose(_decoded(path, rules))
    except ArcError as error:
        raise BadData(f"its mask {path.name!r}: {error.message}") from None
    if mask.size != size:
        raise BadData(f"its mask {path.name!r} has {mask.width} x {mask.height} pixels, the photograph {size[0]} x {size[1]}")
    values = np.asarray(mask.convert("L"))
    surplus = set(np.unique(values).tolist()) - MASK_VALUES
    if surplus:
        raise BadData(f"its mask {path.name!r} holds {sorted(surplus)[:5]}; 0, 128 and 255 are read")
    return Image.fromarray(np.where(values == 1, 255, values).astype(np.uint8))
