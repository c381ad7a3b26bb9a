"""From a tree to converted photographs with their masks: in their order, on several threads, the first bad one named."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from arc.core.errors import BadData
from arc.data import unpack
from arc.data.ingest import Kept, convert
from arc.data.layout import recognise
from arc.data.spec import UnpackParams
from tests.unit.data.context import FolderContext, clinic, given, photograph
from tests.unit.data.test_dicom import COLOURS, dicom
from tests.unit.data.trees import plant


def mask(pixels: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(data, "PNG")
    return data.getvalue()


def kept(tmp_path: Path, *, threads: int = 1, **params: Any) -> tuple[FolderContext, list[Kept]]:
    ctx = FolderContext(tmp_path / "run")
    ctx.threads = threads
    found = recognise(tmp_path / "tree", most_files=10_000)
    return ctx, convert(ctx, UnpackParams(**params), tmp_path / "tree", found.photographs, into=tmp_path / "out")


def test_any_number_of_threads_gives_the_same_in_the_same_order(tmp_path: Path) -> None:
    for name in ("one", "three"):
        plant(tmp_path / name / "tree", clinic(each=10))
    _, alone = kept(tmp_path / "one")
    ctx, together = kept(tmp_path / "three", threads=3)
    assert [(each.source, each.file, each.sha256) for each in alone] == [(each.source, each.file, each.sha256) for each in together]
    assert [done for done, *_ in ctx.said] == [7, 14, 20]


def test_the_first_bad_photograph_is_named_whichever_thread_meets_it(tmp_path: Path) -> None:
    members = clinic(each=10)
    for name in ("normal/09_n.jpg", "glaucoma/03_g.jpg", "normal/00_n.jpg"):
        members[name] = b"damaged"
    plant(tmp_path / "tree", members)
    with pytest.raises(BadData, match="03_g") as caught:
        kept(tmp_path, threads=4)
    assert caught.value.value == "glaucoma/03_g.jpg"


def test_masks_without_classes_lie_beside_photographs_without_classes(tmp_path: Path) -> None:
    plant(tmp_path / "tree", {"images/a.jpg": photograph(1), "masks/a.png": mask(np.full((32, 40), 128))})
    _, [photo] = kept(tmp_path, max_side_px=None)
    assert (photo.file, photo.mask, photo.source.label) == ("images/a.jpg", "masks/a.png", None)
    assert photo.mask_path is not None
    assert Path(photo.mask_path).is_file()


def test_a_dicom_file_tells_patient_and_eye(tmp_path: Path) -> None:
    plant(tmp_path / "tree", {"normal/b.jpg": photograph(1), "glaucoma/c.jpg": photograph(2)})
    dicom(tmp_path / "tree" / "normal" / "a.dcm", COLOURS)
    _, photos = kept(tmp_path)
    told = {each.file: (each.source.patient, each.source.eye) for each in photos}
    assert told["images/normal/b.jpg"] == (None, "")
    patient, eye = told["images/normal/a.jpg"]
    assert (len(patient or ""), eye) == (16, "L")


def test_a_mask_of_another_size_names_both(tmp_path: Path) -> None:
    plant(tmp_path / "tree", {"images/a.jpg": photograph(1), "masks/a.png": mask(np.zeros((9 * 4, 40)))})
    with pytest.raises(BadData, match=r"a\.jpg.*its mask 'a\.png'.*40 x 36 pixels"):
        kept(tmp_path)


def test_a_set_of_masks_is_unpacked_without_classes(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for at in range(8):
        members |= {f"images/{at}.jpg": photograph(at), f"masks/{at}.png": mask(np.where(np.eye(32, 40) > 0, 255, 128))}
    ctx = FolderContext(tmp_path / "run", inputs={"archive": given(plant(tmp_path / "tree", members))})
    result = unpack.run(ctx, UnpackParams(name="discs")).result
    assert (result["task"], list(result["classes"]), result["layout"], result["files"]) == ("segmentation", [], "sibling_masks", 8)


def test_the_split_of_the_folders_can_be_kept(tmp_path: Path) -> None:
    members = {f"{split}/{label}/{split}{at}.jpg": photograph(100 * len(split + label) + 10 * len(label) + ord(split[0]) + at, size=(240, 200)) for split in ("train", "val", "test") for label in ("glaucoma", "normal") for at in (1, 2)}  # fmt: skip
    ctx = FolderContext(tmp_path / "run", inputs={"archive": given(plant(tmp_path / "tree", members))})
    unpack.run(ctx, UnpackParams(name="kept", split_by="keep"))
    assert sorted(path.name[:4] for path in (ctx.root / "sealed" / "images").rglob("*.jpg")) == ["test"] * 4
