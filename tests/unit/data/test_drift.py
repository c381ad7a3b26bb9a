"""Comparing photographs: the same kind, brighter ones, a folder as it came, and what cannot be said."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from arc.core.errors import BadData, InvalidSpec
from arc.core.inputs import ResolvedInput
from arc.core.recipe import Done
from arc.data import drift, manifest, preprocess, synthetic, unpack
from arc.data.derive_spec import PreprocessParams
from arc.data.judge_spec import DriftParams
from arc.data.spec import SyntheticFundusParams, UnpackParams
from tests.unit.data.context import FolderContext

PARAMS = DriftParams(resamples=199, permutations=99)
Change = Callable[[Image.Image], Image.Image]


def version(root: Path, *, seed: int, patients: int = 40) -> ResolvedInput:
    """A version of synthetic patients, as an attempt is given it."""
    drawn = FolderContext(root / "draw", seed=seed)
    synthetic.run(drawn, SyntheticFundusParams(patients=patients, size_px=96, masks=False))
    ctx = FolderContext(root / "unpack", inputs={"archive": ResolvedInput(ref="path:x", path=str(drawn.saved["synthetic-fundus.zip"][1]))})
    done = unpack.run(ctx, UnpackParams(name="eyes", train_share=0.6, val_share=0.2, sealed_share=0.2))
    info = done.result | {"name": "eyes", "version": seed, "job_id": None, "created_at": "2026-01-02T03:04:05Z"}
    splits = {split: str(ctx.root / "dataset" / f"{split}.csv") for split in ("train", "val")}
    return ResolvedInput(ref=f"dataset:eyes@{seed}", path=str(ctx.root / "dataset"), splits=splits, info=info)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> ResolvedInput:
    return version(tmp_path_factory.mktemp("eyes"), seed=1)


def sealed_too(given: ResolvedInput) -> ResolvedInput:
    """The version with its sealed part, as a recipe that makes versions is given it."""
    sealed = Path(given.path).parent / "sealed"
    return given.model_copy(update={"sealed_path": str(sealed), "splits": given.splits | {"sealed": str(sealed / "sealed.csv")}})


def others(given: ResolvedInput, into: Path, change: Change = lambda picture: picture, *, split: str = "val") -> ResolvedInput:
    """The photographs of a split in a folder without any layout, changed."""
    rows = manifest.read(Path(given.splits[split]))
    for number, row in enumerate(rows):
        target = into / f"day {number % 3}" / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(Path(given.path) / row.file) as picture:
            change(picture).save(target, "JPEG", quality=95, subsampling=0)
    return ResolvedInput(ref=f"path:{into}", path=str(into))


def compared(root: Path, **inputs: ResolvedInput) -> tuple[FolderContext, Done]:
    ctx = FolderContext(root, inputs=inputs)
    return ctx, drift.run(ctx, PARAMS)


def brighter(picture: Image.Image) -> Image.Image:
    return picture.point(lambda level: min(255, int(level * 1.4)))


def test_photographs_of_one_kind_are_no_reason_to_hold(eyes: ResolvedInput, tmp_path: Path) -> None:
    ctx, done = compared(tmp_path / "job", reference=eyes, recent=others(eyes, tmp_path / "in"))
    assert (done.result["hold"], done.result["enough"], done.metrics["hold"]) == (False, True, 0)
    said = json.loads(ctx.saved["drift.json"][1].read_text())
    assert said == done.result
    assert {one["feature"] for one in said["features"]} >= {"brightness", "colour_cast", "sharpness", "entropy", "width", "bytes"}
    assert said["current"]["photographs"] == len(manifest.read(Path(eyes.splits["val"])))
    assert "Nothing was found" in ctx.saved["drift.html"][1].read_text()


def test_brighter_photographs_are_and_the_page_shows_them(eyes: ResolvedInput, tmp_path: Path) -> None:
    ctx, done = compared(tmp_path / "job", reference=eyes, recent=others(eyes, tmp_path / "in", brighter, split="train"))
    assert done.metrics["hold"] == 1
    assert done.metrics["drifted_features"] == len(done.result["drifted"])
    (found,) = (one for one in done.result["features"] if one["feature"] == "brightness")
    assert found["ks"]["low"] > 0
    assert found["p"] <= 0.01
    assert "ks" in found["because"]
    assert found["quartiles"]["current"][1] > found["quartiles"]["reference"][1]
    page = ctx.saved["drift.html"][1].read_text()
    assert "brightness: drifted (KS" in page
    assert page.count("data:image/jpeg") >= 7
    assert page.count("<svg") >= done.metrics["drifted_features"]


def test_a_version_is_where_it_was_against_itself(eyes: ResolvedInput, tmp_path: Path) -> None:
    train = eyes.model_copy(update={"splits": {"train": eyes.splits["train"]}})
    _, done = compared(tmp_path / "job", reference=train, current=train)
    assert done.result["drifted"] == []
    assert all(one["ks"]["value"] == 0 for one in done.result["features"])
    assert done.metrics["max_psi"] == pytest.approx(0)
    assert done.result["current"]["patients"] == 24


def test_a_folder_is_taken_in_as_the_version_was(eyes: ResolvedInput, tmp_path: Path) -> None:
    """Photographs of twice the size, as another camera's: they are shrunk like those of the version, and so no reason to hold."""
    unpack_step = dict(eyes.info["parameters"])["unpack"] | {"max_side_px": 96}
    reference = eyes.model_copy(update={"info": eyes.info | {"parameters": {"unpack": unpack_step}}})
    recent = others(eyes, tmp_path / "in", lambda picture: picture.resize((picture.width * 2, picture.height * 2)))
    _, done = compared(tmp_path / "job", reference=reference, recent=recent)
    assert (done.result["hold"], done.result["drifted"]) == (False, [])
    assert list((tmp_path / "job" / "recent").iterdir()) == []
    _, done = compared(tmp_path / "raw", reference=eyes, recent=recent)
    assert {"width", "height", "bytes"} <= set(done.result["drifted"])


def test_and_preprocessed_as_it_was(eyes: ResolvedInput, tmp_path: Path) -> None:
    prepared = FolderContext(tmp_path / "preprocess", inputs={"dataset": sealed_too(eyes)})
    made = preprocess.run(prepared, PreprocessParams()).result
    info = made | {"name": "eyes", "version": 2, "job_id": None, "created_at": "2026-01-02T03:04:05Z"}
    splits = {split: str(prepared.root / "dataset" / f"{split}.csv") for split in ("train", "val")}
    reference = ResolvedInput(ref="dataset:eyes@2", path=str(prepared.root / "dataset"), splits=splits, info=info)
    _, done = compared(tmp_path / "job", reference=reference, recent=others(eyes, tmp_path / "in"))
    assert (done.result["hold"], done.result["drifted"]) == (False, [])


def test_sizes_of_a_version_are_a_reason(eyes: ResolvedInput, tmp_path: Path) -> None:
    shutil.copytree(eyes.path, tmp_path / "dataset")
    for path in (tmp_path / "dataset" / "images").rglob("*.jpg"):
        with Image.open(path) as picture:
            larger = picture.resize((picture.width * 2, picture.height * 2))
        larger.save(path, "JPEG", quality=95)
    splits = {split: str(tmp_path / "dataset" / f"{split}.csv") for split in ("train", "val")}
    current = eyes.model_copy(update={"path": str(tmp_path / "dataset"), "splits": splits})
    _, done = compared(tmp_path / "job", reference=eyes, current=current)
    assert {"width", "height", "bytes"} <= set(done.result["drifted"])
    assert done.metrics["hold"] == 1


def test_a_handful_is_not_enough_and_says_so(eyes: ResolvedInput, tmp_path: Path) -> None:
    recent = others(eyes, tmp_path / "in", brighter)
    for path in sorted((tmp_path / "in").rglob("*.jpg"))[5:]:
        path.unlink()
    ctx, done = compared(tmp_path / "job", reference=eyes, recent=recent)
    assert (done.result["enough"], done.result["hold"], done.result["drifted"]) == (False, False, [])
    assert "not enough" in done.result["features"][0]["ks"]["note"]
    assert "Not enough to say" in ctx.saved["drift.html"][1].read_text()


def test_a_file_that_is_no_picture_is_left_out_and_named(eyes: ResolvedInput, tmp_path: Path) -> None:
    recent = others(eyes, tmp_path / "in")
    (tmp_path / "in" / "cut.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path / "in" / "notes.txt").write_text("not looked at")
    ctx, done = compared(tmp_path / "job", reference=eyes, recent=recent)
    assert [one["file"] for one in done.result["current"]["unreadable_files"]] == ["cut.jpg"]
    assert "cut.jpg" in ctx.saved["drift.html"][1].read_text()


def test_an_embedding_that_moved_is_a_reason(eyes: ResolvedInput, tmp_path: Path) -> None:
    recent = others(eyes, tmp_path / "in")

    def embed(files: Any) -> np.ndarray:
        vectors = np.random.default_rng(len(files)).normal(size=(len(files), 4)) + 3 * (len(files) == 16)
        vectors[0] = np.nan  # one that could not be converted
        return vectors

    done = drift.run(FolderContext(tmp_path / "job", inputs={"reference": eyes, "recent": recent}), PARAMS, embed=embed)
    assert done.result["current"]["photographs"] == 16
    assert done.result["embedding"]["drifted"] is True
    assert done.result["embedding"]["photographs"] == [63, 15]
    assert (done.metrics["hold"], done.result["drifted"]) == (1, [])


def test_what_cannot_be_compared_is_refused(eyes: ResolvedInput, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = ResolvedInput(ref="path:x", path=str(tmp_path / "empty"))
    with pytest.raises(BadData, match="exactly one"):
        compared(tmp_path / "a", reference=eyes)
    with pytest.raises(BadData, match="exactly one"):
        compared(tmp_path / "b", reference=eyes, current=eyes, recent=nothing)
    with pytest.raises(BadData, match="no photograph of empty"):
        compared(tmp_path / "c", reference=eyes, recent=nothing)
    with pytest.raises(InvalidSpec, match="too few"):
        drift.run(FolderContext(tmp_path / "d", inputs={"reference": eyes}), DriftParams(resamples=100, ks_confidence=0.999))
