"""data.preprocess as a user meets it: a version in, a version of the same patients with other pixels out, or nothing."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from arc.artifacts import tree
from arc.core.dataset import DatasetVersion
from arc.core.errors import BadData, Cancelled
from arc.core.inputs import ResolvedInput
from arc.data import manifest, preprocess, steps, synthetic, unpack
from arc.data.derive_spec import PreprocessParams
from arc.data.spec import SyntheticFundusParams, UnpackParams
from tests.unit.data.context import FolderContext, given


def version(root: Path, *, patients: int = 10, masks: bool = True, spoil: Callable[[str, bytes], bytes] | None = None) -> ResolvedInput:
    """A synthetic dataset as the engine gives it to a recipe; `spoil` may change members of its archive."""
    ctx = FolderContext(root / "draw", seed=3)
    synthetic.run(ctx, SyntheticFundusParams(patients=patients, size_px=96, masks=masks))
    source = ctx.saved["synthetic-fundus.zip"][1]
    if spoil:
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(root / "spoilt.zip", "w") as new:
            for name in old.namelist():
                new.writestr(name, spoil(name, old.read(name)))
        source = root / "spoilt.zip"
    ctx = FolderContext(root / "unpack", seed=3, inputs={"archive": given(source)})
    result = unpack.run(ctx, UnpackParams(name="eyes", licence="CC0")).result
    return resolved(ctx.root, result)


def resolved(root: Path, result: dict[str, Any]) -> ResolvedInput:
    """A version that lies below `root`, as the engine resolves it."""
    known = {name: value for name, value in result.items() if name in DatasetVersion.model_fields}
    made = DatasetVersion(
        name=result["dataset"], version=1, path="", sealed_path="", job_id=None, created_at="2026-01-01T00:00:00Z", **known
    )
    info = made.model_dump(mode="json", exclude={"path", "sealed_path"})
    splits = {name: str(root / ("sealed" if name == "sealed" else "dataset") / f"{name}.csv") for name in ("train", "val", "sealed")}
    return given(root / "dataset", splits=splits, sealed_path=str(root / "sealed"), info=info)


def make(root: Path, source: ResolvedInput, **params: Any) -> tuple[FolderContext, dict[str, Any]]:
    ctx = FolderContext(root, inputs={"dataset": source})
    ctx.threads = 2
    return ctx, preprocess.run(ctx, PreprocessParams.model_validate_json(json.dumps(params))).result


def rows_of(source: ResolvedInput) -> dict[str, list[manifest.Row]]:
    return {name: manifest.read(Path(path)) for name, path in source.splits.items()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ResolvedInput:
    return version(tmp_path_factory.mktemp("version"))


def darkened(which: str) -> Callable[[str, bytes], bytes]:
    """Spoil the members whose name has `which` in it so that nothing can be read from them."""

    def spoil(name: str, data: bytes) -> bytes:
        if not name.startswith("images/") or which not in name:
            return data
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return bytes(cv2.imencode(".jpg", pixels // 20)[1])

    return spoil


def test_a_version_comes_out_with_the_same_patients_in_the_same_splits(tmp_path: Path, source: ResolvedInput) -> None:
    ctx, result = make(tmp_path / "run", source)
    old, new = rows_of(source), rows_of(resolved(ctx.root, result))
    told = {"label", "index", "patient", "eye", "site", "file", "mask"}
    for split in old:
        assert [row.model_dump(include=told) for row in new[split]] == [row.model_dump(include=told) for row in old[split]]
    for split, rows in new.items():
        folder = ctx.root / ("sealed" if split == "sealed" else "dataset")
        for row in rows:
            image = cv2.imread(str(folder / row.file))
            mask = cv2.imread(str(folder / row.mask), cv2.IMREAD_UNCHANGED)
            assert image.shape == (512, 512, 3)
            assert mask.shape == (512, 512)
            assert set(np.unique(mask)) == {0, 128, 255}
    assert sorted(path.name for path in ctx.root.iterdir()) == ["dataset", "sealed"]
    assert ctx.said[-1] == (20, 20, "photograph")
    assert tree.check(ctx.root / "dataset", result["seal"]) > 0
    assert tree.check(ctx.root / "sealed", result["sealed_seal"]) > 0


def test_what_was_done_is_kept_with_the_version(tmp_path: Path, source: ResolvedInput) -> None:
    params = {
        "name": "small",
        "steps": [{"step": "centre_crop", "margin": 0.2}, {"step": "clahe", "clip": 3.0}, {"step": "resize", "side_px": 64}],
    }
    _, result = make(tmp_path / "run", source, **params)
    assert result["dataset"] == "small"
    assert result["made_from"] == "eyes@1"
    assert result["licence"] == "CC0"
    assert set(result["parameters"]) == {"unpack", "preprocess"}
    assert result["parameters"]["preprocess"]["steps"][0] == {"step": "centre_crop", "margin": 0.2}
    assert result["parameters"]["preprocess"]["steps"][1] == {"step": "clahe", "clip": 3.0, "tiles": 8, "channel": "green"}


def test_the_same_photographs_and_steps_give_the_same_digest_on_any_number_of_threads(tmp_path: Path, source: ResolvedInput) -> None:
    results = []
    for threads in (1, 3):
        ctx = FolderContext(tmp_path / str(threads), inputs={"dataset": source})
        ctx.threads = threads
        results.append(preprocess.run(ctx, PreprocessParams()).result)
    assert results[0] == results[1]
    assert make(tmp_path / "other", source, steps=[{"step": "resize", "side_px": 64}])[1]["digest"] != results[0]["digest"]


def test_photographs_are_the_default_steps_done_with_opencv(tmp_path: Path, source: ResolvedInput) -> None:
    plan = [{"step": "centre_crop"}, {"step": "clahe"}, {"step": "resize", "side_px": 64}]
    ctx, _ = make(tmp_path / "run", source, steps=plan, image_format="png")
    row = rows_of(source)["train"][0]
    image = cv2.imread(str(Path(source.path) / row.file))
    height, width = image.shape[:2]
    image = image[round(0.1 * height) : height - round(0.1 * height), round(0.1 * width) : width - round(0.1 * width)]
    blue, green, red = cv2.split(image)
    image = cv2.merge([blue, cv2.createCLAHE(2.0, (8, 8)).apply(green), red])
    size = 64, round(64 * image.shape[0] / image.shape[1])
    image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    above = (64 - size[1]) // 2
    image = cv2.copyMakeBorder(image, above, 64 - size[1] - above, 0, 0, cv2.BORDER_CONSTANT)
    made = cv2.imread(str((ctx.root / "dataset" / row.file).with_suffix(".png")))
    assert (made == image).all()


def test_the_format_decides_the_suffix_and_no_name_is_taken_twice(tmp_path: Path) -> None:
    given_version = version(tmp_path)
    listed = Path(given_version.splits["train"])
    rows = manifest.read(listed)
    twin = rows[0].model_copy(update={"file": rows[0].file.replace(".jpg", ".PNG")})
    (listed.parent / twin.file).write_bytes((listed.parent / rows[0].file).read_bytes())
    manifest.write(listed, [*rows, twin])
    ctx, result = make(tmp_path / "run", given_version, image_format="png", steps=[])
    files = [row.file for row in rows_of(resolved(ctx.root, result))["train"]]
    assert len(set(files)) == len(rows) + 1
    assert all(file.endswith(".png") for file in files)
    assert rows[0].file.replace(".jpg", "-2.png") in files


def test_photographs_without_masks_need_none(tmp_path: Path) -> None:
    ctx, result = make(tmp_path / "run", version(tmp_path, masks=False))
    assert not (ctx.root / "dataset" / "masks").exists()
    assert all(row.mask == "" for rows in rows_of(resolved(ctx.root, result)).values() for row in rows)


def test_what_cannot_be_read_by_an_eye_is_flagged_and_left_out_only_when_asked(tmp_path: Path) -> None:
    bad = version(tmp_path, patients=20, spoil=darkened("P00002"))
    ctx, result = make(tmp_path / "kept", bad)
    assert result["files"] == 40
    assert result["quality"] == {"ungradable": 2, "dropped": 0, "reasons": {"too dark": 2}}
    assert "2 of 40 photographs are ungradable and were kept" in result["warnings"][0]
    listed = [row for name in ("dataset", "sealed") for row in csv.DictReader((ctx.root / name / "quality.csv").read_text().splitlines())]
    assert len(listed) == 40
    assert {row["file"].split("/")[-1] for row in listed if row["ungradable"] == "1"} == {"P00002_L.jpg", "P00002_R.jpg"}
    assert all((row["reason"] == "too dark") == (float(row["score"]) < 0.2) for row in listed)
    ctx, result = make(tmp_path / "dropped", bad, drop_ungradable=True)
    assert result["files"] == 38
    assert result["quality"]["dropped"] == 2
    assert not list(ctx.root.rglob("P00002_*"))


def test_a_split_does_not_lose_a_class(tmp_path: Path) -> None:
    bad = version(tmp_path, spoil=darkened("images/glaucoma"))
    ctx = FolderContext(tmp_path / "run", inputs={"dataset": bad})
    with pytest.raises(BadData, match="no photograph of 'glaucoma' would be left in the split sealed") as caught:
        preprocess.run(ctx, PreprocessParams(drop_ungradable=True))
    assert caught.value.field == "drop_ungradable"
    assert list(ctx.root.iterdir()) == []


@pytest.mark.parametrize("what", ["image", "mask", "size"])
def test_a_failed_run_names_the_file_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    broken = version(tmp_path)
    row = rows_of(broken)["sealed"][3]
    file = row.file if what == "image" else row.mask
    wrong = cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes() if what == "size" else b"no picture"
    (Path(str(broken.sealed_path)) / file).write_bytes(wrong)
    ctx = FolderContext(tmp_path / "run", inputs={"dataset": broken})
    with pytest.raises(BadData, match=file):
        preprocess.run(ctx, PreprocessParams())
    assert list(ctx.root.iterdir()) == []


def test_it_stops_when_asked_and_leaves_nothing(tmp_path: Path, source: ResolvedInput) -> None:
    ctx = FolderContext(tmp_path / "run", inputs={"dataset": source})
    ctx.stop = True
    with pytest.raises(Cancelled):
        preprocess.run(ctx, PreprocessParams())
    assert list(ctx.root.iterdir()) == []


def test_the_photograph_that_is_given_stays_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    before = image.copy()
    every = PreprocessParams.model_validate_json(
        json.dumps({"steps": [{"step": "clahe", "channel": channel} for channel in ("green", "lightness", "all")] + [{"step": "colour"}]})
    )
    assert (steps.take(image, every.steps).image != before).any()
    assert (image == before).all()
