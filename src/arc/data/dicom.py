"""DICOM: a fundus photograph as a camera's archive keeps it, inside the sandbox.

Read are single pictures of the classes for photographs (ophthalmic 8 and 16 bit, VL photographic, secondary capture),
uncompressed or as baseline JPEG, which Pillow decodes. Name, birth date and everything else stay behind; of the
patient's number a short SHA-256 is kept, so that both eyes stay together and nobody is named.

Not covered: other compressions, several frames, and numbers so few that hashing all of them finds the one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from arc.core.errors import BadData
from arc.data.decode import DAMAGED, LIMITS, check_size, decoded

_CLASSES: Final = {
    "1.2.840.10008.5.1.4.1.1.77.1.5.1": "Ophthalmic Photography 8 Bit",
    "1.2.840.10008.5.1.4.1.1.77.1.5.2": "Ophthalmic Photography 16 Bit",
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VL Photographic",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture",
}
_PLAIN: Final = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})  # implicit and explicit, little endian
_JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
_COLOURS: Final = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "MONOCHROME1", "MONOCHROME2"})
_HASHED_DIGITS: Final = 16


@dataclass(frozen=True)
class Opened:
    """A picture and what may be kept of the rest."""

    image: Image.Image
    patient: str  # short SHA-256 of the patient's number, or empty
    eye: str  # R, L, or empty


def read(path: Path, rules: Mapping[str, Any]) -> Opened:
    """The photograph in a DICOM file; BadData saying what is not read, TooLarge beyond max_megapixels."""
    from pydicom import dcmread  # where a DICOM file is met: it takes longer to import than a photograph to convert
    from pydicom.errors import InvalidDicomError

    try:
        data = dcmread(path, defer_size=LIMITS["dicom_header_bytes"])
        _check_kind(data)
        check_size(int(data.Columns), int(data.Rows), rules)
        image = _jpeg(data, rules) if data.file_meta.TransferSyntaxUID == _JPEG_BASELINE else _plain(data)
        number = str(data.get("PatientID") or "").strip()
        eye = str(data.get("ImageLaterality") or data.get("Laterality") or "").strip().upper()
    except (InvalidDicomError, NotImplementedError, RecursionError, *DAMAGED) as error:
        raise BadData(f"it cannot be read as DICOM: {type(error).__name__}") from None
    patient = hashlib.sha256(number.encode()).hexdigest()[:_HASHED_DIGITS] if number else ""
    return Opened(image, patient, eye if eye in {"R", "L"} else "")


def _check_kind(data: Any) -> None:
    if data.SOPClassUID not in _CLASSES:
        raise BadData(f"it is DICOM of class {str(data.SOPClassUID.name)[:80]}; read are {', '.join(_CLASSES.values())}")
    syntax = data.file_meta.TransferSyntaxUID
    if syntax not in _PLAIN and syntax != _JPEG_BASELINE:
        raise BadData(f"it is DICOM in {str(syntax.name)[:80]}; uncompressed and baseline JPEG are read")
    if int(data.get("NumberOfFrames") or 1) > LIMITS["pages"]:
        raise BadData(f"it is DICOM of {int(data.NumberOfFrames)} frames; one photograph a file is read")
    if data.PhotometricInterpretation not in _COLOURS:
        raise BadData(f"it is DICOM with colours as {str(data.PhotometricInterpretation)[:40]}; read are {', '.join(sorted(_COLOURS))}")


def _jpeg(data: Any, rules: Mapping[str, Any]) -> Image.Image:
    from pydicom.encaps import generate_frames

    image = decoded(next(generate_frames(data.PixelData, number_of_frames=1)), rules, formats=("JPEG",))
    if image.size != (int(data.Columns), int(data.Rows)):
        raise BadData(f"its picture has {image.width} x {image.height} pixels, its header says {data.Columns} x {data.Rows}")
    return _uninverted(image, data)


def _plain(data: Any) -> Image.Image:
    """Uncompressed pixels as an 8-bit picture; of more bits the upper ones are kept."""
    rows, columns, samples = int(data.Rows), int(data.Columns), int(data.SamplesPerPixel)
    allocated, stored = int(data.BitsAllocated), int(data.BitsStored)
    if allocated not in {8, 16} or not 8 <= stored <= allocated or samples not in {1, 3} or int(data.get("PixelRepresentation") or 0):
        raise BadData(f"it is DICOM with {samples} samples of {stored} in {allocated} bits; 1 or 3 unsigned ones of 8 to 16 bits are read")
    if data.PhotometricInterpretation == "YBR_FULL_422":
        raise BadData("it is uncompressed DICOM with halved colours (YBR_FULL_422), which is not read")
    count = rows * columns * samples
    values = np.frombuffer(data.PixelData, "u1" if allocated == 8 else "<u2", count=count).astype(np.uint16)
    eight = np.minimum(values >> (stored - 8), 255)
    planes = samples == 3 and int(data.get("PlanarConfiguration") or 0) == 1
    pixels = eight.astype(np.uint8).reshape((samples, rows, columns) if planes else (rows, columns, samples))
    pixels = np.moveaxis(pixels, 0, -1) if planes else pixels
    if samples == 1:
        return _uninverted(Image.fromarray(pixels[:, :, 0]), data)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if data.PhotometricInterpretation == "YBR_FULL":
        return Image.frombytes("YCbCr", image.size, image.tobytes()).convert("RGB")
    return image


def _uninverted(image: Image.Image, data: Any) -> Image.Image:
    return Image.eval(image, lambda value: 255 - value) if data.PhotometricInterpretation == "MONOCHROME1" else image
