"""DICOM photographs: which are read, what is kept of the patient, and what is refused by its name."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

from arc.core.errors import ArcError, BadData, TooLarge
from arc.data.photographs import convert

OPHTHALMIC_8 = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
OPHTHALMIC_16 = "1.2.840.10008.5.1.4.1.1.77.1.5.2"
CT = "1.2.840.10008.5.1.4.1.1.2"
COLOURS = np.zeros((32, 40, 3), np.uint8)
COLOURS[:, :20] = (200, 60, 20)


def dicom(path: Path, pixels: Any, *, syntax: str = ExplicitVRLittleEndian, stored: int = 8, kind: str = OPHTHALMIC_8, data: bytes | None = None, **change: Any) -> Path:  # fmt: skip
    """A DICOM file of these pixels, made here."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = kind, "1.2.3.4", syntax
    content = Dataset()
    content.file_meta = meta
    content.SOPClassUID, content.SOPInstanceUID = kind, "1.2.3.4"
    content.PatientName, content.PatientID, content.PatientBirthDate, content.ImageLaterality = "Who^Doctor", "MRN-77", "19400101", "L"
    content.Rows, content.Columns = pixels.shape[:2]
    content.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    content.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    content.PlanarConfiguration = 0
    content.BitsAllocated, content.BitsStored, content.HighBit, content.PixelRepresentation = (
        (8 if stored == 8 else 16),
        stored,
        stored - 1,
        0,
    )
    content.PixelData = data if data is not None else pixels.tobytes()
    for name, value in change.items():
        setattr(content, name, value)
    content.save_as(path, enforce_file_format=True)
    return path


def converted(path: Path, **rules: Any) -> tuple[dict[str, Any], Image.Image]:
    out = path.with_name("out.png")
    task = {"source": str(path), "target": str(out), "mask": None}
    answer = convert(task, {"max_side_px": 0, "max_megapixels": 1.0, "format": "png"} | rules)
    with Image.open(out) as image:
        image.load()
        return answer, image


def jpeg(pixels: Any, form: str = "JPEG") -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, form, quality=95)
    return data.getvalue()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_photograph_keeps_its_pixels_and_a_hash_of_its_patient(tmp_path: Path, syntax: str) -> None:
    answer, image = converted(dicom(tmp_path / "a.dcm", COLOURS, syntax=syntax))
    assert (np.asarray(image) == COLOURS).all()
    assert (answer["patient"], answer["eye"]) == (hashlib.sha256(b"MRN-77").hexdigest()[:16], "L")
    kept = (tmp_path / "out.png").read_bytes() + str(answer).encode()
    assert not any(secret in kept for secret in (b"Who", b"MRN-77", b"1940"))


def test_baseline_jpeg_is_read(tmp_path: Path) -> None:
    path = dicom(
        tmp_path / "a.dcm", COLOURS, syntax=JPEGBaseline8Bit, data=encapsulate([jpeg(COLOURS)]), PhotometricInterpretation="YBR_FULL_422"
    )
    _, image = converted(path)
    assert np.abs(np.asarray(image)[5, 5].astype(int) - COLOURS[5, 5]).max() < 6


def test_planes_twelve_bits_inverted_grey_and_luma(tmp_path: Path) -> None:
    planes = np.moveaxis(COLOURS, -1, 0).tobytes()
    assert (np.asarray(converted(dicom(tmp_path / "p.dcm", COLOURS, data=planes, PlanarConfiguration=1))[1]) == COLOURS).all()
    twelve = np.full((32, 40), 0x0801, np.uint16)
    assert converted(dicom(tmp_path / "t.dcm", twelve, stored=12, kind=OPHTHALMIC_16))[1].getpixel((0, 0)) == (128, 128, 128)
    grey = np.full((32, 40), 55, np.uint8)
    assert converted(dicom(tmp_path / "g.dcm", grey, PhotometricInterpretation="MONOCHROME1"))[1].getpixel((0, 0)) == (200, 200, 200)
    luma = np.full((32, 40, 3), 128, np.uint8)
    assert converted(dicom(tmp_path / "l.dcm", luma, PhotometricInterpretation="YBR_FULL"))[1].getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": CT}, "CT Image Storage"),
        ({"syntax": JPEG2000Lossless, "data": encapsulate([b"\xff\x4f"])}, "JPEG 2000"),
        ({"NumberOfFrames": 2}, "2 frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"BitsStored": 4, "HighBit": 3}, "4 in 8 bits"),
        ({"data": b"short!"}, "cannot be read as DICOM"),
        ({"syntax": JPEGBaseline8Bit, "data": encapsulate([b"GIF89a" + bytes(60)])}, "no JPEG picture"),
        ({"syntax": JPEGBaseline8Bit, "data": encapsulate([jpeg(COLOURS[:20])])}, "its header says"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadData, match=says):
        converted(dicom(tmp_path / "a.dcm", COLOURS, **change))


def test_the_size_is_limited_by_the_header(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="million"):
        converted(dicom(tmp_path / "a.dcm", COLOURS, Rows=60_000, Columns=60_000))


@pytest.mark.filterwarnings("ignore")  # the library warns of much in damaged files, before it refuses them
@pytest.mark.parametrize("seed", range(40))
def test_no_damage_gets_past_the_error_tree(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(dicom(tmp_path / "a.dcm", COLOURS).read_bytes())
    for at in random.integers(132, len(data) if seed % 2 else 700, 8):
        data[at] = random.integers(256)
    (tmp_path / "a.dcm").write_bytes(data[: random.integers(133, len(data))] if seed % 3 == 0 else data)
    try:
        converted(tmp_path / "a.dcm")
    except ArcError:
        pass
