"""What a clinic keeps in MATLAB comes out as the same pixels with the same labels, in either version of the format."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

from arc.core.errors import BadData, InvalidSpec, TooLarge
from arc.data.layout import recognise
from arc.data.matlab import Expanded, expand, sniff
from arc.data.matlab_values import MatLimits
from arc.kit import sandbox
from tests.unit.data.matlab_files import Structs, put, version_73

COUNT = 4
RANDOM = np.random.default_rng(7)
COLOUR = RANDOM.integers(0, 256, (COUNT, 20, 30, 3), np.uint8)  # picture, row, column, colour
GREY = COLOUR[..., 0]
LABELS = np.array([[0.0, 1, 0, 1]])
WORDS = ["normal", "glaucoma", "normal", "glaucoma"]
HWCN, HWN = np.moveaxis(COLOUR, 0, 3), np.moveaxis(GREY, 0, 2)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """These files are honest and many, so they are read here; test_matlab_hostile.py starts the child for each of its own."""

    def parse(function: Callable[..., Any], *args: Any, **_: Any) -> Any:
        plain = json.loads(json.dumps([str(arg) if isinstance(arg, Path) else arg for arg in args]))
        return json.loads(json.dumps(function(*plain), allow_nan=False))

    monkeypatch.setattr(sandbox, "parse", parse)


def save(path: Path, version: str, variables: dict[str, Any]) -> Path:
    """The same variables in either version; lists are cells, mappings structs."""
    if version == "5":
        scipy.io.savemat(path, {name: for_scipy(value) for name, value in variables.items()}, do_compression=True)
    else:
        with version_73(path) as file:
            for name, value in variables.items():
                put(file, name, value)
    return path


def for_scipy(value: Any) -> Any:
    if isinstance(value, Structs):
        array = np.empty((1, len(value.records)), [(name, object) for name in value.records[0]])
        for at, record in enumerate(value.records):
            for name, item in record.items():
                array[0, at][name] = for_scipy(item)
        return array
    if isinstance(value, list):
        cells = np.empty((1, len(value)), object)
        for at, item in enumerate(value):
            cells[0, at] = for_scipy(item)
        return cells
    return {name: for_scipy(item) for name, item in value.items()} if isinstance(value, dict) else value


def expanded(tmp_path: Path, version: str, variables: dict[str, Any], **options: Any) -> tuple[Expanded, Path]:
    into = tmp_path / "out"
    return expand(save(tmp_path / "data.mat", version, variables), into, limits=MatLimits(), **options), into


def refusal(tmp_path: Path, variables: dict[str, Any], version: str = "5", **options: Any) -> str:
    with pytest.raises((BadData, TooLarge, InvalidSpec)) as caught:
        expanded(tmp_path, version, variables, **options)
    assert not (tmp_path / "out").exists()
    return caught.value.message


def pixels(folder: Path) -> np.ndarray:
    found = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            found.append(np.asarray(image))
    return np.stack(found)


def table(into: Path) -> dict[str, list[str]]:
    with (into / "labels.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {name: [row[name] for row in rows] for name in rows[0]}


both = pytest.mark.parametrize("version", ["5", "7.3"])


@both
def test_parallel_variables_become_a_tree_that_the_ordinary_layout_reads(tmp_path: Path, version: str) -> None:
    masks = np.where(HWN > 170, 255, np.where(HWN > 90, 128, 0)).astype(np.uint8)
    variables = {"images": HWCN, "masks": masks, "labels": LABELS, "patients": ["P1", "P1", "P2", "P3"], "eye": ["OD", "OS", "OD", "left"]}
    out, into = expanded(tmp_path, version, variables)
    assert (out.images, out.masks, out.labelled, out.warnings) == (4, 4, 4, ())
    assert (pixels(into / "images") == COLOUR).all()
    assert (pixels(into / "masks") == np.moveaxis(masks, 2, 0)).all()
    names = [f"images/000{at}.png" for at in (1, 2, 3, 4)]
    assert table(into) == {"file": names, "label": WORDS, "patient": ["P1", "P1", "P2", "P3"], "eye": ["R", "L", "R", "L"]}
    found = recognise(into, most_files=100)
    assert [(photo.file, photo.label, photo.patient) for photo in found.photographs] == [
        *zip(names, WORDS, ["P1", "P1", "P2", "P3"], strict=True)
    ]
    assert not found.warnings  # each has its mask


@both
@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        (HWCN, COLOUR),
        (HWN, GREY),
        (GREY, GREY),  # NxHxW
        (COLOUR, COLOUR),  # NxHxWx3
        (HWN[:, :, None, :], GREY),  # HxWx1xN
        (HWN.astype(np.uint16) * 256 + 77, GREY),
        (HWN / 255.0, GREY),
        ((HWN / 255.0).astype(np.float32), GREY),
        (HWN > 128, np.where(GREY > 128, 255, 0)),
        (HWN.astype(float), GREY),  # whole numbers to 255
        (list(COLOUR), COLOUR),
        ([COLOUR[0], *(COLOUR[1:] / 255.0)], COLOUR),
    ],
    ids=["HWCN", "HWN", "NHW", "NHWC", "HW1N", "uint16", "double", "single", "logical", "whole", "cell", "mixed"],
)
def test_stacks_of_every_order_and_class_keep_their_pixels(tmp_path: Path, version: str, stack: Any, expected: np.ndarray) -> None:
    _, into = expanded(tmp_path, version, {"stack": stack, "label": LABELS})
    assert (pixels(into / "images") == expected).all()
    assert table(into)["label"] == WORDS


@both
@pytest.mark.parametrize(
    "variables",
    [
        {"data": Structs([{"img": COLOUR[at], "gt": GREY[at] > 99, "diagnosis": WORDS[at], "subject": 7.0 + at, "name": f"{at}.jpg"} for at in range(4)])},
        {"set": [{"I": COLOUR[at], "mask": GREY[at] > 99, "class": float(at % 2), "id": f"{7 + at}"} for at in range(4)]},
        {"s": {"images": HWCN, "seg": HWN > 99, "label": LABELS, "patient_id": np.array([[7], [8], [9], [10]], np.uint16)}},
        {"x": {"inner": Structs([{"image": COLOUR[at], "meta": {"label": WORDS[at], "pid": 7.0 + at}} for at in range(4)])}, "masks": HWN > 99},
        {"data": Structs([{"image": COLOUR[at]} for at in range(4)]), "masks": HWN > 99, "y": LABELS > 0, "patient": ["7", "8", "9", "10"]},
    ],
    ids=["structs", "cell of structs", "struct of stacks", "nested", "joined"],
)  # fmt: skip
def test_structs_are_read_field_by_field(tmp_path: Path, version: str, variables: dict[str, Any]) -> None:
    out, into = expanded(tmp_path, version, variables)
    assert (out.images, out.masks, out.labelled) == (4, 4, 4)
    assert (pixels(into / "images") == COLOUR).all()
    assert (pixels(into / "masks") == np.where(GREY > 99, 255, 0)).all()
    assert (table(into)["label"], table(into)["patient"]) == (WORDS, ["7", "8", "9", "10"])


@pytest.mark.parametrize(
    "labels",
    [LABELS > 0, LABELS.T.astype(np.uint8), np.array(["normal  ", "glaucoma", "healthy ", "Glaucoma"]), ["0", "1", 0.0, "G"], WORDS],
)
def test_labels_are_numbers_rows_of_text_or_cells(tmp_path: Path, labels: Any) -> None:
    _, into = expanded(tmp_path, "5", {"images": HWCN, "labels": labels})
    assert table(into) == {"file": [f"images/000{at}.png" for at in (1, 2, 3, 4)], "label": WORDS}


@both
def test_one_picture_a_file_may_lack_everything_else(tmp_path: Path, version: str) -> None:
    out, into = expanded(tmp_path, version, {"fundus": COLOUR[0], "history": "grown without need"})
    assert (out.images, out.masks, out.labelled) == (1, 0, 0)
    assert "history" in out.warnings[0]
    assert [path.name for path in into.iterdir()] == ["images"]
    assert (pixels(into / "images")[0] == COLOUR[0]).all()


def test_photographs_without_a_mask_have_an_empty_cell(tmp_path: Path) -> None:
    out, into = expanded(tmp_path, "5", {"img": list(COLOUR), "mask": [GREY[0] > 9, np.zeros((0, 0)), GREY[2] > 9, GREY[3] > 9]})
    assert out.masks == 3
    assert [path.name for path in sorted((into / "masks").iterdir())] == ["0001.png", "0003.png", "0004.png"]


def test_two_stacks_are_refused_and_a_mapping_decides(tmp_path: Path) -> None:
    variables = {"left_side": HWCN, "right_side": HWCN[::-1], "labels": LABELS}
    said = refusal(tmp_path, variables)
    assert "left_side (20x30x3x4 uint8)" in said
    assert "right_side (20x30x3x4 uint8)" in said
    out, into = expanded(tmp_path, "5", variables, mapping={"image": "right_side"})
    assert (pixels(into / "images") == COLOUR[:, ::-1]).all()
    assert out.warnings == ("not read: left_side (20x30x3x4 uint8)",)


def test_a_mapping_chooses_among_structs_and_names_any_variable(tmp_path: Path) -> None:
    half = [{"image": COLOUR[at], "label": WORDS[at]} for at in range(4)]
    variables = {"train": Structs(half[:2]), "test": Structs(half[2:]), "group": ["0", "0"]}
    assert "train.image" in refusal(tmp_path, variables)
    _, into = expanded(tmp_path, "5", variables, mapping={"image": "test", "label": "group"})
    assert (pixels(into / "images") == COLOUR[2:]).all()
    assert table(into)["label"] == ["normal", "normal"]


def test_a_mapping_that_names_nothing_is_no_valid_request(tmp_path: Path) -> None:
    assert "images (20x30x3x4 uint8)" in refusal(tmp_path, {"images": HWCN}, mapping={"image": "pictures"})
    assert "no role" in refusal(tmp_path, {"images": HWCN}, mapping={"photo": "images"})


def test_sides_that_can_be_read_in_two_ways_need_labels_or_a_mapping(tmp_path: Path) -> None:
    cube = RANDOM.integers(0, 256, (20, 30, 40), np.uint8)
    assert "HWN (40 of 20x30), NHW (20 of 30x40)" in refusal(tmp_path, {"stack": cube})
    assert expanded(tmp_path, "5", {"stack": cube, "label": np.arange(20) % 2})[0].images == 20
    (tmp_path / "out").rename(tmp_path / "before")
    assert expanded(tmp_path, "5", {"stack": cube}, mapping={"axes": "HWN"})[0].images == 40


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"images": HWCN, "labels": LABELS[:, :3]}, "labels (1x3 double)"),
        ({"images": HWCN, "labels": LABELS, "patients": ["a"]}, "patients (1x1 cell)"),
        ({"images": HWCN, "masks": HWN[:, :, :3]}, "masks are masks (20x30x3 uint8)"),
        ({"images": HWCN, "masks": np.zeros((20, 31, 4), bool)}, "cannot be the masks"),
        ({"images": list(COLOUR), "masks": [*(GREY[:3] > 9), np.zeros((20, 31), bool)]}, "mask 4 is 20x31"),
        ({"images": HWCN, "labels": LABELS + 1}, "labels(2) is '2', which is neither"),
        ({"images": HWCN, "labels": LABELS / 2}, "labels(2) is 0.5"),
        ({"images": HWCN, "labels": LABELS * np.nan}, "labels(1) is nan"),
        ({"images": HWCN, "labels": ["normal", "maybe", "0", "1"]}, "labels(2) is 'maybe'"),
        ({"images": HWCN, "labels": LABELS, "class": LABELS}, "a mapping of label decides"),
        ({"images": HWCN, "patients": ["a", "b", "c\x07", "d"]}, "patients(3)"),
        ({"images": HWN / 255.0 + np.where(HWN[0, 0, 2] == HWN, np.nan, 0)}, "NaN or infinite values in picture"),
        ({"images": np.where(HWN[0, 0, 2] == HWN, np.inf, 0.5)}, "images holds NaN or infinite"),
        ({"images": HWN / 100.0}, "read are 0 to 1"),
        ({"images": HWN.astype(np.int16) - 5}, "images holds int16 from -5"),
        ({"labels": LABELS}, "no variable holds photographs"),
        ({"images": [COLOUR[0], {"image": COLOUR[1]}]}, "not all structs"),
        ({"images": [COLOUR[0], np.zeros((0, 0))]}, "no variable holds photographs"),
        ({"images": HWCN * 1j}, "no variable holds photographs"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, variables: dict[str, Any], says: str) -> None:
    assert says in refusal(tmp_path, variables)


def test_an_unknown_eye_is_left_out_with_a_warning(tmp_path: Path) -> None:
    out, into = expanded(tmp_path, "5", {"images": HWCN, "eye": ["OD", "OS", "both", ""]})
    assert table(into)["eye"] == ["R", "L", "", ""]
    assert "'both'" in out.warnings[0]


def test_sixteen_bits_that_use_twelve_are_dark_and_it_says_so(tmp_path: Path) -> None:
    out, _ = expanded(tmp_path, "5", {"images": HWN.astype(np.uint16) * 16, "labels": LABELS})
    assert "dark" in out.warnings[0]


def test_too_many_and_too_large_pictures_are_refused(tmp_path: Path) -> None:
    source = save(tmp_path / "a.mat", "5", {"images": HWCN, "labels": LABELS})
    for limits in (MatLimits(pictures=3), MatLimits(megapixels=0.0005), MatLimits(variable_bytes=5_000), MatLimits(declared_bytes=5_000)):
        with pytest.raises(TooLarge):
            expand(source, tmp_path / "out", limits=limits)
        assert not (tmp_path / "out").exists()


def test_the_version_is_seen_by_content(tmp_path: Path) -> None:
    assert sniff(save(tmp_path / "a.csv", "5", {"images": HWCN})) == "5"
    assert sniff(save(tmp_path / "b.csv", "7.3", {"images": HWCN})) == "7.3"
    scipy.io.savemat(tmp_path / "c.mat", {"a": np.ones((2, 2))}, format="4")
    with pytest.raises(BadData, match="version 4"):
        sniff(tmp_path / "c.mat")
