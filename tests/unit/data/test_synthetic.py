"""Synthetic photographs: the same for a seed, alike in what must be alike, and carrying the ratio they claim."""

import csv
import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from arc.core.errors import Cancelled
from arc.data import synthetic, unpack
from arc.data.drawing import draw
from arc.data.spec import SyntheticFundusParams, UnpackParams
from tests.unit.data.context import FolderContext, given


def archive(tmp_path: Path, name: str, *, seed: int = 5, **params: object) -> Path:
    ctx = FolderContext(tmp_path / name, seed=seed)
    synthetic.run(ctx, SyntheticFundusParams.model_validate({"patients": 8, "size_px": 96} | params))
    kind, path = ctx.saved["synthetic-fundus.zip"]
    assert kind == "archive"
    return path


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    one, two, three = (archive(tmp_path, str(number), seed=seed).read_bytes() for number, seed in enumerate((5, 5, 6)))
    assert one == two != three


def test_the_archive_holds_what_its_table_says(tmp_path: Path) -> None:
    with zipfile.ZipFile(archive(tmp_path, "a")) as packed:
        rows = list(csv.DictReader(io.StringIO(packed.read("labels.csv").decode())))
        names = set(packed.namelist())
    assert len(rows) == 16
    assert len({row["patient"] for row in rows}) == 8
    for row in rows:
        assert row["file"].startswith(f"images/{row['label']}/")
        assert {row["file"], f"masks/{row['patient']}_{row['eye']}.png"} <= names
        assert 0 < float(row["vcdr"]) < 1


def test_the_mask_carries_the_ratio_that_the_table_states() -> None:
    eyes = synthetic.population(SyntheticFundusParams(patients=12), seed=1)
    for eye in eyes:
        picture, mask = draw(eye, 512)
        rows_disc, rows_cup = (np.flatnonzero((mask >= level).any(axis=1)) for level in (128, 255))
        assert picture.shape[:2] == mask.shape
        assert len(rows_cup) / len(rows_disc) == pytest.approx(eye.vcdr, abs=0.06)


def test_the_cup_is_the_brightest_part_and_the_surround_is_black() -> None:
    for eye in synthetic.population(SyntheticFundusParams(patients=6), seed=2):
        picture, mask = draw(eye, 128)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float)
        assert np.percentile(grey[mask == 255], 75) > np.percentile(grey[mask == 0], 90)
        assert grey[:4, :4].max() < 40


def test_ratios_part_the_classes_but_not_fully() -> None:
    eyes = synthetic.population(SyntheticFundusParams(patients=300), seed=3)
    ill = np.array([eye.vcdr for eye in eyes if eye.label == "glaucoma"])
    well = np.array([eye.vcdr for eye in eyes if eye.label == "normal"])
    auc = np.mean(ill[:, None] > well[None, :])
    assert 0.85 < auc < 0.985


def test_two_eyes_of_a_patient_are_more_alike_than_two_patients() -> None:
    eyes = synthetic.population(SyntheticFundusParams(patients=200, glaucoma_share=0.05, label_noise=0.0), seed=4)
    right, left = np.array([eye.vcdr for eye in eyes[::2]]), np.array([eye.vcdr for eye in eyes[1::2]])
    assert np.corrcoef(right, left)[0, 1] > 0.6
    assert all(one.site == other.site and one.patient == other.patient for one, other in zip(eyes[::2], eyes[1::2], strict=True))


def test_findings_and_sites_do_not_tell_the_label() -> None:
    eyes = synthetic.population(SyntheticFundusParams(patients=600), seed=5)
    ill = np.array([eye.label == "glaucoma" for eye in eyes])
    for trait in (
        lambda eye: eye.drusen > 0,
        lambda eye: eye.blots > 0,
        lambda eye: eye.atrophy > 0,
        lambda eye: eye.site.name == "site-a",
    ):
        has = np.array([trait(eye) for eye in eyes])
        assert abs(has[ill].mean() - has[~ill].mean()) < 0.12


def test_it_stops_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "_SAY_EVERY_S", 0.0)
    ctx = FolderContext(tmp_path / "run")
    ctx.stop = True
    with pytest.raises(Cancelled):
        synthetic.run(ctx, SyntheticFundusParams(patients=50, size_px=64))


def test_the_next_step_takes_it_like_any_archive(tmp_path: Path) -> None:
    source = archive(tmp_path, "a", patients=16)
    ctx = FolderContext(tmp_path / "run", inputs={"archive": given(source)})
    result = unpack.run(ctx, UnpackParams()).result
    assert result["warnings"] == []
    assert result["patients_known"] is True
    assert sum(result["patients"].values()) == 16
