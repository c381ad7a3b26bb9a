"""data.unpack as a user meets it: an archive or a folder in, a dataset with a sealed part out, or nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from arc.core.errors import ArcError, BadData, Cancelled, TooLarge
from arc.data import manifest, unpack
from arc.data.spec import UnpackParams
from tests.unit.data.context import FolderContext, clinic, given, photograph, zipped


def make(tmp_path: Path, source: Path, *, name: str = "run", seed: int = 0, **params: Any) -> tuple[FolderContext, dict[str, Any]]:
    ctx = FolderContext(tmp_path / name, seed=seed, inputs={"archive": given(source)})
    return ctx, unpack.run(ctx, UnpackParams(name="clinic", **params)).result


def rows_of(ctx: FolderContext) -> dict[str, list[manifest.Row]]:
    return {
        "train": manifest.read(ctx.root / "dataset" / "train.csv"),
        "val": manifest.read(ctx.root / "dataset" / "val.csv"),
        "sealed": manifest.read(ctx.root / "sealed" / "sealed.csv"),
    }


def test_an_archive_becomes_a_dataset_whose_sealed_part_lies_apart(tmp_path: Path) -> None:
    ctx, result = make(tmp_path, zipped(tmp_path / "a.zip", clinic()))
    assert result["counts"] == {name: {"normal": count, "glaucoma": count} for name, count in (("train", 3), ("val", 1), ("sealed", 2))}
    assert (result["files"], result["format"], result["layout"], result["patients_known"]) == (12, "zip", "class_folders", False)
    rows = rows_of(ctx)
    for split, folder in (("train", "dataset"), ("val", "dataset"), ("sealed", "sealed")):
        for row in rows[split]:
            assert (ctx.root / folder / row.file).is_file()
    sealed = {row.sha256 for row in rows["sealed"]}
    assert sealed.isdisjoint(row.sha256 for row in rows["train"] + rows["val"])
    assert sorted(path.name for path in ctx.root.iterdir()) == ["dataset", "sealed"]
    assert json.loads((ctx.root / "dataset" / "dataset.json").read_text())["digest"] == result["digest"]


def test_the_same_archive_and_seed_give_the_same_digest_and_another_seed_another(tmp_path: Path) -> None:
    source = zipped(tmp_path / "a.zip", clinic())
    digests = [make(tmp_path, source, name=f"run{number}", seed=seed)[1]["digest"] for number, seed in enumerate((3, 3, 4))]
    assert digests[0] == digests[1] != digests[2]


def test_a_folder_gives_the_same_dataset_as_its_archive(tmp_path: Path) -> None:
    for name, data in clinic().items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(data)
    _, packed = make(tmp_path, zipped(tmp_path / "a.zip", clinic()))
    _, plain = make(tmp_path, tmp_path / "folder", name="plain")
    assert plain["digest"] == packed["digest"]
    assert plain["format"] == "folder"
    assert len(list((tmp_path / "folder").rglob("*.jpg"))) == 12


def test_both_eyes_of_a_patient_stay_together(tmp_path: Path) -> None:
    members = clinic(each=12)
    table = "file,patient,eye\n" + "".join(f"{file},P{number // 2},{'RL'[number % 2]}\n" for number, file in enumerate(members))
    ctx, result = make(tmp_path, zipped(tmp_path / "a.zip", members | {"labels.csv": table.encode()}))
    assert result["patients_known"] is True
    assert result["patients"] == {"train": 6, "val": 2, "sealed": 4}
    seen = [{row.patient for row in rows} for rows in rows_of(ctx).values()]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 12


def test_equal_pictures_are_reported_and_stay_together(tmp_path: Path) -> None:
    members = clinic(each=10)
    members["normal/copy.jpg"] = members["normal/03_n.jpg"]
    members["glaucoma/copy.jpg"] = members["normal/03_n.jpg"]
    ctx, result = make(tmp_path, zipped(tmp_path / "a.zip", members))
    assert any("3 photographs are the same picture" in line and "classes differ" in line for line in result["warnings"])
    where = [name for name, rows in rows_of(ctx).items() for row in rows if row.file.endswith(("copy.jpg", "normal/03_n.jpg"))]
    assert len(where) == 3
    assert len(set(where)) == 1


def test_masks_travel_with_their_photographs(tmp_path: Path) -> None:
    members = clinic()
    members |= {f"masks/{Path(name).stem}.png": photograph(0, form="PNG") for name in list(members)}
    with pytest.raises(BadData, match="mask"):
        make(tmp_path, zipped(tmp_path / "bad.zip", members), name="bad")
    Image.new("L", (40, 32), 128).save(tmp_path / "mask.png")
    mask = (tmp_path / "mask.png").read_bytes()
    members = {name: mask if name.startswith("masks/") else data for name, data in members.items()}
    ctx, _ = make(tmp_path, zipped(tmp_path / "a.zip", members))
    for name, rows in rows_of(ctx).items():
        for row in rows:
            assert (ctx.root / ("sealed" if name == "sealed" else "dataset") / row.mask).is_file()


def test_names_that_differ_only_by_folder_do_not_overwrite_each_other(tmp_path: Path) -> None:
    members = {f"{part}/{label}/x=1 (2).jpg": photograph(10 * index + len(part)) for part in ("a", "bb", "ccc") for index, label in enumerate(("glaucoma", "normal"))}  # fmt: skip
    ctx, _ = make(tmp_path, zipped(tmp_path / "a.zip", members))
    files = {row.file for rows in rows_of(ctx).values() for row in rows}
    assert files == {f"images/{label}/x_1_2{number}.jpg" for label in ("glaucoma", "normal") for number in ("", "-2", "-3")}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"normal/broken.jpg": photograph(1)[:100]}, BadData),
        ({"normal/text.png": b"not a picture"}, BadData),
        ({"../evil.jpg": photograph(1)}, BadData),
        ({"normal/large.png": photograph(1, form="PNG", size=(1200, 1000))}, TooLarge),
        ({"other/x.jpg": photograph(1)}, BadData),
    ],
)
def test_a_failed_unpack_leaves_nothing(tmp_path: Path, change: dict[str, bytes], error: type[ArcError]) -> None:
    ctx = FolderContext(tmp_path / "run", inputs={"archive": given(zipped(tmp_path / "a.zip", clinic() | change))})
    with pytest.raises(error) as caught:
        unpack.run(ctx, UnpackParams(max_megapixels=1.0))
    assert next(iter(change)).split("/")[-1][:4] in caught.value.message
    assert list(ctx.root.iterdir()) == []


def test_it_stops_when_asked_and_leaves_nothing(tmp_path: Path) -> None:
    ctx = FolderContext(tmp_path / "run", inputs={"archive": given(zipped(tmp_path / "a.zip", clinic()))})
    ctx.stop = True
    with pytest.raises(Cancelled):
        unpack.run(ctx, UnpackParams())
    assert list(ctx.root.iterdir()) == []


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="neither a file nor a folder"):
        make(tmp_path, tmp_path / "none.zip")


def test_cells_that_a_spreadsheet_would_run_are_disarmed(tmp_path: Path) -> None:
    row = manifest.Row(file="images/a.jpg", label="normal", index=0, patient="=1+1", eye="", site="@x", sha256="0" * 64, bytes=1)
    manifest.write(tmp_path / "m.csv", [row])
    assert "'=1+1" in (tmp_path / "m.csv").read_text()
    assert manifest.read(tmp_path / "m.csv")[0].cells() == row.cells()


@pytest.mark.parametrize(
    "text", ["", "file\nx\n", ",".join(manifest.COLUMNS) + "\na,b,c\n", ",".join(manifest.COLUMNS) + "\na,b,c,d,e,f,g,h,i,j\n"]
)
def test_a_damaged_manifest_is_bad_data(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(BadData):
        manifest.read(tmp_path / "m.csv")


def test_the_real_photographs_of_hrf_reach_every_split(tmp_path: Path, sample_data: Path) -> None:
    folder = sample_data / "hrf"
    if not folder.is_dir():
        pytest.skip(f"no photographs at {folder}")
    _, result = make(tmp_path, folder)
    assert result["layout"] == "class_folders+tables"
    assert result["counts"]["sealed"] == {"normal": 4, "glaucoma": 4}
    assert any("patients are not known" in line for line in result["warnings"])


def test_params_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="add up"):
        UnpackParams(train_share=0.5, val_share=0.5, sealed_share=0.5)
    with pytest.raises(ValueError, match="not a name"):
        UnpackParams(name="../x")


def test_the_setting_bounds_what_a_job_may_unpack(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "eyes.zip", clinic())
    ctx = FolderContext(tmp_path / "work", inputs={"archive": given(archive, info={"max_extracted_gb": 1e-6})})
    with pytest.raises(TooLarge, match="max_extracted_gb"):
        unpack.run(ctx, UnpackParams(name="eyes", max_extracted_gb=10.0))
