"""A whole validation: of a version made by unpack, of a folder, and with each kind of trouble planted."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from arc.core.errors import BadData
from arc.core.inputs import ResolvedInput
from arc.core.recipe import Done
from arc.data import manifest, synthetic, tables, unpack, validate
from arc.data.judge_spec import ValidateParams
from arc.data.manifest import Row
from arc.data.spec import SyntheticFundusParams, UnpackParams
from tests.unit.data.context import FolderContext


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A version of 24 synthetic patients with masks: its folders and what unpack said."""
    root = tmp_path_factory.mktemp("made")
    drawn = FolderContext(root / "draw")
    synthetic.run(drawn, SyntheticFundusParams(patients=24, size_px=96, label_noise=0.0))
    (_, archive) = drawn.saved["synthetic-fundus.zip"]
    ctx = FolderContext(root / "unpack", inputs={"archive": ResolvedInput(ref="path:x", path=str(archive))})
    done = unpack.run(ctx, UnpackParams(name="eyes"))
    return ctx.root, done.result


class Version:
    """A copy of the version that a test may spoil."""

    def __init__(self, root: Path, made: tuple[Path, dict[str, Any]]) -> None:
        self.root, (source, self.result) = root, made
        for name in ("dataset", "sealed"):
            shutil.copytree(source / name, root / name)

    def table(self, split: str) -> Path:
        return self.root / ("sealed" if split == "sealed" else "dataset") / f"{split}.csv"

    def rows(self, split: str) -> list[Row]:
        return manifest.read(self.table(split))

    def path(self, split: str, file: str) -> Path:
        return self.table(split).parent / file

    def validated(self, **params: Any) -> tuple[FolderContext, Done]:
        splits = {split: str(self.table(split)) for split in ("train", "val", "sealed")}
        info = self.result | {"name": "eyes", "version": 3, "job_id": None, "created_at": "2026-01-02T03:04:05Z"}
        given = ResolvedInput(
            ref="dataset:eyes@3", path=str(self.root / "dataset"), sealed_path=str(self.root / "sealed"), splits=splits, info=info
        )
        ctx = FolderContext(self.root / "validate", inputs={"dataset": given})
        return ctx, validate.run(ctx, ValidateParams(**params))


@pytest.fixture
def version(tmp_path: Path, made: tuple[Path, dict[str, Any]]) -> Version:
    return Version(tmp_path, made)


def findings(done: Done, check: str, kind: str = "failures") -> list[dict[str, Any]]:
    (found,) = (one for one in done.result["validations"] if one["check"] == check)
    told: list[dict[str, Any]] = found[kind]
    return told


def test_a_version_that_was_just_made_passes(version: Version) -> None:
    ctx, done = version.validated()
    assert done.result["failed"] == [], done.result["errors"]
    assert done.metrics["passed"] == 1
    assert {one["check"]: one["examined"] for one in done.result["validations"]}["pictures.decode"] == 48
    assert json.loads(ctx.saved["validation.json"][1].read_text())["passed"] is True
    page = ctx.saved["validation.html"][1].read_text()
    assert "eyes@3 holds" in page


def planted(version: Version) -> dict[str, str]:
    """Check -> the file that was spoilt for it, each a different photograph or mask."""
    rows = [row for row in version.rows("train") if row.mask]
    spoilt = {
        "pictures.decode": rows[0].file,
        "pictures.degenerate": rows[1].file,
        "masks.values": rows[2].mask,
        "masks.size": rows[3].mask,
        "masks.cup_in_disc": rows[4].mask,
    }
    paths = {check: version.path("train", file) for check, file in spoilt.items()}
    paths["pictures.decode"].write_bytes(paths["pictures.decode"].read_bytes()[:400])
    with Image.open(paths["pictures.degenerate"]) as picture:
        Image.new("RGB", picture.size).save(paths["pictures.degenerate"])
    masks = {}
    for check in ("masks.values", "masks.size", "masks.cup_in_disc"):
        with Image.open(paths[check]) as picture:
            masks[check] = np.array(picture)
    masks["masks.values"][0, 0] = 77
    masks["masks.size"] = masks["masks.size"][:-1]
    masks["masks.cup_in_disc"][:] = 0
    masks["masks.cup_in_disc"][10:20, 10:20], masks["masks.cup_in_disc"][30:40, 30:40] = 128, 255
    for check, pixels in masks.items():
        Image.fromarray(pixels).save(paths[check])
    gone = version.rows("sealed")[0].file
    version.path("sealed", gone).unlink()
    return spoilt | {"structure.files": gone}


def test_every_trouble_fails_its_check_and_names_the_file(version: Version) -> None:
    spoilt = planted(version)
    ctx, done = version.validated(check_splits=False)
    page = ctx.saved["validation.html"][1].read_text()
    for check, file in spoilt.items():
        assert check in done.result["failed"], done.result["errors"]
        assert file in [one["file"] for one in findings(done, check)]
        assert file in page
    assert done.metrics["passed"] == 0


def test_a_table_that_breaks_its_schema_is_named_with_row_and_column(tmp_path: Path, version: Version) -> None:
    rows = version.rows("train")
    manifest.write(version.table("train"), [rows[0].model_copy(update={"eye": "both"}), *rows[1:]])
    assert tables.check(version.table("train")) == [("train.csv", "row 2, column eye: isin(['', 'R', 'L']) does not hold for 'both'")]
    assert tables.check(version.table("val")) == []


def test_the_schema_that_is_shipped_is_the_one_that_is_written_down(version: Version) -> None:
    kept = version.table("val").with_name(manifest.SCHEMA).read_text()
    assert kept == tables.schema().to_json(indent=1) + "\n"


COPIES: dict[str, Any] = {
    "re-encoded": lambda picture: picture,
    "flipped": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "brightened": lambda picture: picture.point(lambda level: min(255, int(level * 1.2))),
    "cropped": lambda picture: picture.crop((3, 3, picture.width - 3, picture.height - 3)),
}


def test_a_copy_in_another_split_is_leakage_whatever_was_done_to_it(version: Version) -> None:
    pairs = dict(zip(COPIES, zip(version.rows("train"), version.rows("sealed"), strict=False), strict=False))
    for name, (source, target) in pairs.items():
        with Image.open(version.path("train", source.file)) as picture:
            COPIES[name](picture.convert("RGB")).save(version.path("sealed", target.file), "JPEG", quality=80)
    _, done = version.validated()
    assert "leakage.picture" in done.result["failed"]
    told = [{one["file"], *one["others"]} for one in findings(done, "leakage.picture")]
    assert [name for name, (source, target) in pairs.items() if {source.file, target.file} not in told] == []
    assert len(told) == len(COPIES)


def test_a_patient_in_two_splits_is_leakage(version: Version) -> None:
    train, val = version.rows("train"), version.rows("val")
    manifest.write(version.table("val"), [val[0].model_copy(update={"patient": train[0].patient}), *val[1:]])
    _, done = version.validated()
    assert "leakage.patient" in done.result["failed"]


def test_a_size_that_tells_the_label_is_a_shortcut_and_a_warning(version: Version) -> None:
    for split in ("train", "val", "sealed"):
        for row in version.rows(split):
            if row.label == "glaucoma":
                path = version.path(split, row.file)
                with Image.open(path) as picture:
                    picture.resize((120, 120)).save(path, "JPEG", quality=95)
    _, done = version.validated()
    (said,) = findings(done, "shortcut.size", "warnings")
    assert "AUC 1.00" in said["what"]
    assert "shortcut.size" not in done.result["failed"]


def test_a_folder_that_is_not_registered_is_validated_too(tmp_path: Path, made: tuple[Path, dict[str, Any]]) -> None:
    source = made[0] / "dataset" / "images"
    shutil.copytree(source, tmp_path / "eyes")
    bad = next((tmp_path / "eyes" / "glaucoma").iterdir())
    bad.write_bytes(b"\xff\xd8\xff nothing")
    ctx = FolderContext(tmp_path / "validate", inputs={"folder": ResolvedInput(ref="path:x", path=str(tmp_path / "eyes"))})
    done = validate.run(ctx, ValidateParams(dataset_name="mine"))
    assert (done.result["dataset"], done.result["failed"]) == ("mine", ["pictures.decode"])
    assert findings(done, "pictures.decode")[0]["file"] == f"glaucoma/{bad.name}"


def test_one_of_version_and_folder_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="exactly one"):
        validate.run(FolderContext(tmp_path), ValidateParams())
