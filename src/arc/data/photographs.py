"""Photographs: a foreign picture file into a plain one, inside the sandbox.

The size is read from the header and limited before anything is decoded (`arc.data.decode`); the orientation that a
camera noted is applied; everything else in the file (names, places, comments) is left behind. Grey, palette, 16-bit,
CMYK and transparent pictures become 8-bit RGB: 16 bits keep their upper half, transparency becomes black, as the
surround of a fundus photograph is. Of a DICOM file the patient, hashed, and the eye are told.

Runs in the child that `arc.kit.sandbox` starts, so this module imports Pillow and numpy alone.
"""

import errno
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from arc.core.errors import ArcError, BadData
from arc.data import dicom
from arc.data.decode import is_dicom, picture
from arc.data.masks import mask_of

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def convert_all(tasks: list[dict[str, Any]], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Convert each {source, target, mask: {kind, files} or nothing, mask_target}; one answer each, an {error, class} for those that fail.

    `rules`: max_side_px (0 keeps the size), max_megapixels, format (jpeg or png). Called through the sandbox with many files.
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
    """Convert one photograph and its mask; {width, height, sha256, bytes, mask_sha256, patient, eye}. BadData or TooLarge."""
    source, target = Path(task["source"]), Path(task["target"])
    patient = eye = ""
    if is_dicom(source):
        opened = dicom.read(source, rules)
        photograph, patient, eye = _rgb(opened.image), opened.patient, opened.eye
    else:
        photograph = _rgb(picture(source, rules))
    mask_sha256 = ""
    if task.get("mask"):
        mask = _within(mask_of(task["mask"], photograph.size, rules), rules, Image.Resampling.NEAREST)
        mask_target = Path(task["mask_target"])
        mask.save(mask_target, "PNG")
        mask_sha256 = hashlib.sha256(mask_target.read_bytes()).hexdigest()
    photograph = _within(photograph, rules, Image.Resampling.LANCZOS)
    photograph.info = {}  # comments and colour profiles, which would be written along
    if rules["format"] == "png":
        photograph.save(target, "PNG")
    else:
        photograph.save(target, "JPEG", quality=95, subsampling=0)
    data = target.read_bytes()
    return {
        "width": photograph.width,
        "height": photograph.height,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "mask_sha256": mask_sha256,
        "patient": patient,
        "eye": eye,
    }


def _within(image: Image.Image, rules: Mapping[str, Any], resampling: Image.Resampling) -> Image.Image:
    """The picture with its longer side within the limit; as it is when there is none (0)."""
    side = int(rules["max_side_px"])
    if side:
        image.thumbnail((side, side), resampling, reducing_gap=None if resampling == Image.Resampling.NEAREST else 2.0)
    return image


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
