"""A folder that is registered as it is, and a version whose patients are split anew."""

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from arc.artifacts import tree
from arc.core.errors import BadData
from arc.core.inputs import ResolvedInput
from arc.core.recipe import Done
from arc.data import manifest, register, resplit
from arc.data.derive_spec import ResplitParams
from arc.data.manifest import Row
from arc.data.spec import RegisterParams
from arc.data.splits import SPLITS
from tests.unit.data.context import FolderContext, clinic, given, photograph


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve photographs of each class, of twelve patients, two of them at another site."""
    root = tmp_path / "eyes"
    lines = ["file,label,patient,eye,site"]
    for name, data in clinic(each=12).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        number = len(lines) - 1
        lines.append(f"{name},{path.parent.name},P{number},R,{'B' if number % 4 == 0 else 'A'}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def registered(folder: Path, work: Path, **params: Any) -> tuple[FolderContext, Done]:
    ctx = FolderContext(work, inputs={"folder": given(folder)})
    return ctx, register.run(ctx, RegisterParams(name="eyes", **params))


def rows_of(root: Path) -> dict[str, list[Row]]:
    return {split: manifest.read(root / ("sealed" if split == "sealed" else "dataset") / f"{split}.csv") for split in SPLITS}


def version(root: Path, result: dict[str, Any]) -> ResolvedInput:
    splits = {split: str(root / ("sealed" if split == "sealed" else "dataset") / f"{split}.csv") for split in SPLITS}
    info = result | {"name": "eyes", "version": 1, "job_id": None, "created_at": "2026-01-02T03:04:05Z"}
    return ResolvedInput(ref="dataset:eyes@1", path=str(root / "dataset"), sealed_path=str(root / "sealed"), splits=splits, info=info)


def test_a_folder_is_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    ctx, done = registered(folder, tmp_path / "work", licence="CC0", description="the first year")
    rows = rows_of(ctx.root)
    assert {split: len(found) for split, found in rows.items()} == {"train": 14, "val": 4, "sealed": 6}
    for split, found in rows.items():
        for row in found:
            taken = ctx.root / ("sealed" if split == "sealed" else "dataset") / row.file
            original = folder / row.label / Path(row.file).name
            assert taken.read_bytes() == original.read_bytes()
            assert taken.samefile(original)  # no byte was copied
            assert (row.patient[0], row.eye, row.bytes) == ("P", "R", taken.stat().st_size)
    assert (done.result["licence"], done.result["description"], done.result["patients_known"]) == ("CC0", "the first year", True)
    assert done.result["parameters"]["register"]["train_share"] == 0.6
    for name, seal in (("dataset", "seal"), ("sealed", "sealed_seal")):
        tree.check(ctx.root / name, done.result[seal])


def test_the_same_folder_has_the_same_digest_and_another_label_another(folder: Path, tmp_path: Path) -> None:
    first = registered(folder, tmp_path / "1")[1].result["digest"]
    assert registered(folder, tmp_path / "2")[1].result["digest"] == first
    table = folder / "labels.csv"
    table.write_text(table.read_text().replace(",R,", ",L,", 1))
    assert registered(folder, tmp_path / "3")[1].result["digest"] != first


def test_an_edit_in_the_old_place_is_noticed_before_the_next_use(folder: Path, tmp_path: Path) -> None:
    ctx, done = registered(folder, tmp_path / "work")
    row = rows_of(ctx.root)["train"][0]
    with (folder / row.label / Path(row.file).name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(BadData, match=Path(row.file).name.replace(".", r"\.")):
        tree.check(ctx.root / "dataset", done.result["seal"])


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [("glaucoma/t.tif", photograph(99, form="TIFF"), "neither JPEG nor PNG"), ("normal/x.jpg", b"GIF89a", "neither JPEG nor PNG")],
)
def test_what_needs_converting_is_for_unpack(tmp_path: Path, name: str, data: bytes, what: str) -> None:
    root = tmp_path / "eyes"
    for member, content in (clinic() | {name: data}).items():
        (root / member).parent.mkdir(parents=True, exist_ok=True)
        (root / member).write_bytes(content)
    with pytest.raises(BadData, match=what) as caught:
        registered(root, tmp_path / "work")
    assert caught.value.field == "folder"
    assert not (tmp_path / "work" / "dataset").exists()


def test_an_archive_is_not_registered(tmp_path: Path) -> None:
    file = tmp_path / "eyes.zip"
    file.write_bytes(b"PK")
    with pytest.raises(BadData, match="unpacked"):
        registered(file, tmp_path / "work")


def test_where_patients_are_not_known_one_picture_is_one_patient(tmp_path: Path) -> None:
    root = tmp_path / "eyes"
    for member, content in clinic(each=8).items():
        (root / member).parent.mkdir(parents=True, exist_ok=True)
        (root / member).write_bytes(content)
    shutil.copyfile(min((root / "normal").iterdir()), root / "normal" / "again.jpg")
    ctx, done = registered(root, tmp_path / "work")
    patients = [row.patient for rows in rows_of(ctx.root).values() for row in rows]
    assert (done.result["patients_known"], max(Counter(patients).values())) == (False, 2)
    assert any("same picture" in warning for warning in done.result["warnings"])


def test_a_version_is_split_anew_and_what_is_sealed_stays_sealed(folder: Path, tmp_path: Path) -> None:
    first, done = registered(folder, tmp_path / "1")
    ctx = FolderContext(tmp_path / "2", seed=11, inputs={"dataset": version(first.root, done.result)})
    again = resplit.run(ctx, ResplitParams())
    old, new = rows_of(first.root), rows_of(ctx.root)
    assert {row.file for row in new["sealed"]} == {row.file for row in old["sealed"]}
    assert {row.file for row in new["train"]} != {row.file for row in old["train"]}
    assert sorted(row.file for rows in new.values() for row in rows) == sorted(row.file for rows in old.values() for row in rows)
    assert again.result["made_from"] == "eyes@1"
    assert set(again.result["parameters"]) == {"register", "split"}
    assert "sealed split as it was" in again.result["split_rule"]
    some = new["train"][0].file
    assert os.stat(ctx.root / "dataset" / some).st_ino == os.stat(next(path for path in first.root.rglob(Path(some).name))).st_ino
    tree.check(ctx.root / "dataset", again.result["seal"])
    tree.check(first.root / "dataset", done.result["seal"])


def test_a_site_is_left_out(folder: Path, tmp_path: Path) -> None:
    first, done = registered(folder, tmp_path / "1")
    ctx = FolderContext(tmp_path / "2", inputs={"dataset": version(first.root, done.result)})
    resplit.run(ctx, ResplitParams(split_by="site", sealed_site="B", redraw_sealed=True))
    found = rows_of(ctx.root)
    assert {row.site for row in found["sealed"]} == {"B"}
    assert {row.site for split in ("train", "val") for row in found[split]} == {"A"}


@pytest.mark.parametrize("params", [{"split_by": "keep"}, {"split_by": "site", "sealed_site": "B"}, {"sealed_site": "B"}])
def test_what_cannot_be_done_anew_is_refused_beforehand(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ResplitParams(**params)


def test_a_mask_travels_with_its_photograph(tmp_path: Path) -> None:
    root = tmp_path / "eyes"
    for number in range(12):
        for kind, image in (("images", Image.effect_noise((40, 32), 80).convert("RGB")), ("masks", Image.new("L", (40, 32), 255))):
            (root / kind).mkdir(parents=True, exist_ok=True)
            image.save(root / kind / f"{number}.png")
    ctx, done = registered(root, tmp_path / "work")
    assert (done.result["task"], done.result["classes"], done.result["counts"]["train"]) == ("segmentation", (), {"photographs": 7})
    for split, rows in rows_of(ctx.root).items():
        for row in rows:
            place = ctx.root / ("sealed" if split == "sealed" else "dataset")
            assert Path(row.mask).name == Path(row.file).name
            assert (place / row.mask).is_file()
