"""What becomes of the files that draw a mask: 0 background, 128 disc, 255 cup, of the photograph's size, or a refusal."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from arc.core.errors import ArcError, BadData
from arc.data.masks import mask_of

SIZE = (40, 32)
RULES = {"max_megapixels": 1.0}
DISC = np.zeros((32, 40), bool)
DISC[8:24, 10:30] = True
CUP = np.zeros((32, 40), bool)
CUP[12:20, 15:25] = True
WHOLE = np.where(CUP, 255, np.where(DISC, 128, 0)).astype(np.uint8)


def saved(path: Path, pixels: Any, *, mode: str | None = None) -> Path:
    image = Image.fromarray(np.asarray(pixels, np.uint8))
    (image.convert(mode) if mode else image).save(path)
    return path


def made(kind: str, *files: Path, size: tuple[int, int] = SIZE) -> np.ndarray[Any, Any]:
    return np.asarray(mask_of({"kind": kind, "files": [str(file) for file in files]}, size, RULES))


def refused(says: str, kind: str, *files: Path) -> None:
    with pytest.raises(BadData, match=says) as caught:
        made(kind, *files)
    assert files[0].name in caught.value.message


@pytest.mark.parametrize(
    ("pixels", "becomes"),
    [
        (WHOLE, WHOLE),
        (np.where(CUP, 2, np.where(DISC, 1, 0)), WHOLE),
        (np.where(CUP, 0, np.where(DISC, 128, 255)), WHOLE),
        (DISC * 255, DISC * 255),
        (DISC * 1, DISC * 255),
        (255 - DISC * 255, DISC * 255),
        (np.full((32, 40), 128), np.full((32, 40), 128)),
        (np.zeros((32, 40)), np.zeros((32, 40))),
    ],
)
@pytest.mark.parametrize("form", ["png", "bmp", "tif"])
def test_label_pictures_in_every_way_of_writing_them(tmp_path: Path, pixels: Any, becomes: Any, form: str) -> None:
    assert (made("labels", saved(tmp_path / f"m.{form}", pixels)) == becomes).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_masks_saved_in_colours(tmp_path: Path, mode: str) -> None:
    assert (made("labels", saved(tmp_path / "m.png", WHOLE, mode=mode)) == WHOLE).all()


def test_a_palette_may_hold_labels_or_greys(tmp_path: Path) -> None:
    image = Image.fromarray(np.where(CUP, 2, np.where(DISC, 1, 0)).astype(np.uint8), mode=None).convert("P")
    image.putpalette([0, 0, 0, 200, 30, 30, 30, 200, 30])
    image.save(tmp_path / "labels.png")
    assert (made("labels", tmp_path / "labels.png") == WHOLE).all()
    image.putpalette([0, 0, 0, 128, 128, 128, 255, 255, 255])
    image.save(tmp_path / "greys.png")
    assert (made("labels", tmp_path / "greys.png") == WHOLE).all()


def test_a_disc_and_a_cup_become_one(tmp_path: Path) -> None:
    disc, cup = saved(tmp_path / "d.png", DISC * 255), saved(tmp_path / "c.png", CUP * 1)
    assert (made("disc_cup", disc, cup) == WHOLE).all()
    assert (made("disc_cup", saved(tmp_path / "e.png", 255 - DISC * 255), cup) == WHOLE).all()


def test_soft_maps_count_from_one_half_on(tmp_path: Path) -> None:
    disc = saved(tmp_path / "d.png", np.where(DISC, 128, 127))
    cup = saved(tmp_path / "c.png", np.where(CUP, 191, np.where(DISC, 64, 0)))
    assert (made("soft", disc, cup) == WHOLE).all()


def drawing(path: Path, **change: Any) -> Path:
    def box(at: Any) -> list[list[float]]:
        return [[at[0], at[1]], [at[2], at[1]], [at[2], at[3]], [at[0], at[3]]]

    content = {
        "shapes": [
            {"label": "disc", "points": box((10, 8, 29, 23)), "shape_type": "polygon"},
            {"label": "Optic Cup", "points": box((15, 12, 24, 19)), "shape_type": "polygon"},
            {"label": "discLoc", "points": [[0, 0], [40, 32]], "shape_type": "rectangle"},
        ],
        "imageWidth": 40,
        "imageHeight": 32,
    } | change
    path.write_text(json.dumps(content))
    return path


def test_polygons_are_filled_the_cup_over_the_disc(tmp_path: Path) -> None:
    assert (made("polygons", drawing(tmp_path / "a.json")) == WHOLE).all()


def test_a_disc_whose_cup_nobody_drew_stays_a_disc(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"disc": [[10, 8], [29, 8], [29, 23], [10, 23]]}))
    assert (made("polygons", tmp_path / "a.json") == DISC * 128).all()


def test_contours_are_texts_with_two_numbers_a_line(tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("10 8\n29 8\n29 23\n10 23\n")
    (tmp_path / "c.txt").write_text("15,12\n24,12\n24,19\n15,19\n")
    assert (made("contours", tmp_path / "d.txt", tmp_path / "c.txt") == WHOLE).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"imageWidth": 80}, "drawn at 80"),
        ({"shapes": []}, "no disc"),
        ({"shapes": "x"}, "shapes"),
        ({"shapes": [{"label": "disc", "points": []}] * 300}, "200 shapes"),
        ({"shapes": [{"label": "disc", "points": [[0, 0], [1, 1]]}]}, "3 to"),
        ({"shapes": [{"label": "disc", "points": [[0, 0], [1, 1], [1e9, 2]]}]}, "outside"),
        ({"shapes": [{"label": "disc", "points": [[0, 0], [1, 1], [1, float("nan")]]}]}, "two numbers"),
        ({"shapes": [{"label": "disc", "points": [[0, 0], [1, 1], "xx"]}]}, "two numbers"),
        ({"shapes": [{"label": "disc", "points": [[0, 0]] * 60_000}]}, "3 to"),
    ],
)
def test_drawings_that_cannot_be_right_are_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    refused(says, "polygons", drawing(tmp_path / "a.json", **change))


@pytest.mark.parametrize("text", ["", "[]", "[" * 200_000, '{"a": ' * 100_000, "\xff", "NaN"])
def test_hostile_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    refused("JSON", "polygons", tmp_path / "a.json")


def test_masks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    refused("20 x 16 pixels", "labels", saved(tmp_path / "small.png", WHOLE[::2, ::2]))
    refused("77", "labels", saved(tmp_path / "grey.png", np.where(DISC, 77, 0)))
    refused("background", "labels", saved(tmp_path / "full.png", np.full((32, 40), 255)))
    refused("colours", "labels", saved(tmp_path / "red.png", np.stack([DISC * 255, DISC * 0, DISC * 0], axis=-1)))
    refused("two", "disc_cup", saved(tmp_path / "disc.png", WHOLE), saved(tmp_path / "c.png", CUP * 255))
    refused("outside of the disc", "disc_cup", saved(tmp_path / "cup.png", CUP * 255), saved(tmp_path / "d.png", DISC * 255))
    (tmp_path / "c.txt").write_text("1 2\n3 four\n")
    refused("two numbers a line", "contours", tmp_path / "c.txt")


@settings(max_examples=80, deadline=None)
@given(content=st.recursive(st.none() | st.floats() | st.integers() | st.sampled_from(["disc", "cup", "polygon"]), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["shapes", "label", "points", "shape_type", "imageWidth", "imageHeight", "disc"]), inner, max_size=4), max_leaves=20))  # fmt: skip
def test_no_drawing_gets_past_the_error_tree(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.mktemp("drawing") / "a.json"
    path.write_text(json.dumps(content))
    try:
        made("polygons", path)
    except ArcError:
        pass
