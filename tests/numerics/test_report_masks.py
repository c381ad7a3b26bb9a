"""The report of a segmenter: what was measured, where it went wrong, and how to repeat it, from a real training and evaluation."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from arc.core.errors import BadData
from arc.fundus import evaluate, mask_samples, report, report_masks, segment
from arc.fundus.segment_spec import SegmentParams
from arc.fundus.spec import EvaluateParams, ReportParams
from arc.kit import figures
from tests.numerics.fundus_dataset import dataset, made
from tests.unit.data.context import FolderContext, given

COMMAND = "arc train segmentation --dataset tiny --epochs 2"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What a training and an evaluation of its model left."""
    root = tmp_path_factory.mktemp("segmenter")
    folder = made(root / "made", patients=10, size_px=96)
    ctx = FolderContext(root / "train", seed=1, inputs={"dataset": dataset(folder)})
    segment.run(ctx, SegmentParams(input_size=32, epochs=2, width=4))
    judge = FolderContext(root / "judge", inputs={"model": given(root / "train" / "model.safetensors", digest="e" * 64), "dataset": dataset(folder, sealed=True)})  # fmt: skip
    evaluate.run(judge, EvaluateParams(samples=3))
    return {"folder": folder, "train": root / "train", "judge": root / "judge"}


def written(root: Path, left: dict[str, Path], **more: Any) -> str:
    inputs = {
        "history": given(left["train"] / "history.json"),
        "config": given(left["train"] / "config.json"),
        "evaluation": given(left["judge"] / "evaluation.json"),
        "predictions": given(left["judge"] / "predictions.csv"),
        "samples": given(left["judge"] / "samples.json"),
        "dataset": dataset(left["folder"]),
    }
    report.run(FolderContext(root, inputs=inputs | more), ReportParams(command=COMMAND))
    return (root / "report.html").read_text()


def test_the_page_shows_curves_numbers_ratio_mistakes_configuration_and_the_command(tmp_path: Path, left: dict[str, Path]) -> None:
    page = written(tmp_path, left)
    evaluation = json.loads((left["judge"] / "evaluation.json").read_text())
    for text in (
        "Segmenter of optic disc and cup", "Dice of the disc", "Vertical ratio of cup to disc", "Furthest from the truth", "Dice on validation",
        "One set of outlines is taken for the truth", COMMAND, "dice_ce", "augmentation: rotate", "probability 0.8, strength 20", f"{evaluation['metrics']['disc_dice']['value']:.3f}",
    ):  # fmt: skip
        assert text in page, text
    assert "coarse_dropout" not in page.partition("Repeat it")[0]  # it never happens
    assert len(re.findall(r"<title>ratio found against true ratio", page)) == 1
    assert page.count("data:image/jpeg") == 6  # three of each kind
    assert "prefers-color-scheme" in page


def test_the_kept_pictures_are_the_worst_and_show_both_outlines(left: dict[str, Path]) -> None:
    shown = json.loads((left["judge"] / "samples.json").read_text())
    scores = {kind: [(one["disc_dice"] or 0) + (one["cup_dice"] or 0) for one in shown[kind]] for kind in mask_samples.KINDS}
    assert scores["worst"] == sorted(scores["worst"])
    assert max(scores["worst"]) <= min(scores["ordinary"])
    files = [one["file"] for kind in mask_samples.KINDS for one in shown[kind]]
    assert len(files) == len(set(files)) == 6
    data = np.frombuffer(base64.b64decode(shown["worst"][0]["jpeg"]), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (mask_samples.SIDE_PX, mask_samples.SIDE_PX, 3)


def test_outlines_lie_where_the_masks_end() -> None:
    photograph = np.full((100, 120, 3), 90, np.uint8)
    truth, drawn = np.zeros((100, 120), np.uint8), np.zeros((100, 120), np.uint8)
    cv2.circle(truth, (60, 50), 20, 128, cv2.FILLED)
    cv2.circle(truth, (60, 50), 8, 255, cv2.FILLED)
    picture = mask_samples.outlined(photograph, truth, drawn)
    white, cyan = ((np.abs(picture.astype(int) - colour) < 40).all(axis=2) for colour in (mask_samples.TRUTH, mask_samples.DRAWN))
    assert white.sum() > 200
    assert not cyan.any()  # nothing was drawn
    assert mask_samples.outlined(photograph, drawn, drawn).shape == picture.shape  # nor is anything true: the whole field is shown


def test_a_photograph_is_of_one_kind_alone_and_what_is_not_defined_is_worst() -> None:
    found = [{"disc_dice": value, "cup_dice": value} for value in (0.9, float("nan"), 0.5, 0.8, 0.95)]
    assert mask_samples.choose(found, each=2) == {"worst": [1, 2], "ordinary": [3, 0]}
    assert mask_samples.choose(found, each=0) == {"worst": [], "ordinary": []}
    assert mask_samples.choose([], each=3) == {"worst": [], "ordinary": []}


@pytest.mark.parametrize(
    ("disc", "cup", "tone", "word"),
    [
        ((0.95, 0.94, 0.96), (0.85, 0.81, 0.88), "good", "well: the Dice of the disc is 0.950 (0.940 to 0.960)"),
        ((0.95, 0.92, 0.96), (0.85, 0.81, 0.88), "plain", "It draws disc and cup:"),
        ((0.95, 0.94, 0.96), (0.60, 0.5, 0.7), "bad", "does not draw"),
        ((None, None, None), (None, None, None), "plain", "Not known"),
    ],
)
def test_the_verdict_looks_at_the_lower_bounds(disc: tuple[Any, ...], cup: tuple[Any, ...], tone: str, word: str) -> None:
    metrics = {name: dict(zip(("value", "low", "high"), found, strict=True)) for name, found in (("disc_dice", disc), ("cup_dice", cup))}
    metrics["vcdr_error"] = {"value": 0.05, "low": None, "high": None}
    said, found = report_masks.verdict({"metrics": metrics})
    assert (found, word in said) == (tone, True), said
    if disc[0] is not None:
        assert report_masks.verdict({"metrics": metrics, "simulated": True})[1] == "plain"


def test_the_explanation_of_a_classifier_is_refused(tmp_path: Path, left: dict[str, Path]) -> None:
    (tmp_path / "explanation.json").write_text('{"method": "gradcam"}')
    with pytest.raises(BadData, match="a segmenter was judged") as error:
        written(tmp_path / "page", left, explanation=given(tmp_path / "explanation.json"))
    assert error.value.field == "explanation"


def test_a_scatter_of_nothing_is_still_a_drawing() -> None:
    assert "0 cases" in figures.agreement([], [], x_label="true", y_label="found", name="scatter").alt
