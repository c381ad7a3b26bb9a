"""Reading a row of a manifest, and the circle that the camera saw."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.errors import BadData
from arc.data import pictures
from arc.data.manifest import Row
from arc.data.pictures import Circle, field_of_view, whole

ROW = Row(file="images/a.png", label="normal", index=0, patient="p", eye="", site="", sha256="", bytes=0, mask="masks/a.png")


def retina(height: int, width: int, circle: Circle, *, surround: int = 0, seed: int = 0) -> np.ndarray:
    """Something red and uneven in a circle, with noise everywhere."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), surround, np.float32)
    uneven = cv2.resize(rng.uniform(0.7, 1.2, (5, 5, 1)).astype(np.float32), (width, height))[..., None]
    inside = circle.inside(height, width) > 0
    image[inside] = (uneven * np.array([190, 90, 40], np.float32))[inside]
    image += rng.normal(0, 2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def off(found: Circle, real: Circle) -> float:
    """How far a found circle is from the real one, as a share of its radius."""
    return max(abs(found.x - real.x), abs(found.y - real.y), abs(found.radius - real.radius)) / real.radius


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(120, 900),
    aspect=st.floats(0.6, 1.4),
    radius=st.floats(0.40, 0.55),
    shift=st.tuples(st.floats(-0.06, 0.06), st.floats(-0.06, 0.06)),
    surround=st.sampled_from([0, 0, 3, 128, 255]),
    seed=st.integers(0, 99),
)
def test_the_circle_is_found_cut_off_or_not(
    width: int, aspect: float, radius: float, shift: tuple[float, float], surround: int, seed: int
) -> None:
    height = round(width * aspect)
    real = Circle((width - 1) / 2 + shift[0] * width, (height - 1) / 2 + shift[1] * height, radius * max(height, width))
    image = retina(height, width, real, surround=surround, seed=seed)
    if min(height, width) < 2 * 0.7 * real.radius:
        return  # little of the circle is left, which the next test is about
    assert off(field_of_view(image), real) < 0.03


@pytest.mark.parametrize("what", ["a straight black band", "a notch", "a stamp in the corner", "a dark half"])
def test_what_lies_in_the_way_does_not_bend_it(what: str) -> None:
    real = Circle(300, 220, 230)
    image = retina(440, 600, real)
    if what == "a straight black band":
        image[:60] = image[-60:] = 0
    elif what == "a notch":
        cv2.circle(image, (485, 60), 20, (190, 90, 40), -1)
    elif what == "a stamp in the corner":
        cv2.putText(image, "2019-04-01", (4, 430), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
    else:
        image[:, 330:] //= 12
    assert off(field_of_view(image), real) < 0.03


def test_without_a_surround_the_whole_picture_is_the_field() -> None:
    full = retina(200, 300, Circle(150, 100, 500))
    black, white = np.zeros((90, 70, 3), np.uint8), np.full((90, 70, 3), 255, np.uint8)
    small_thing = np.zeros((200, 200, 3), np.uint8)
    small_thing[90:120, 90:120] = 200
    for image in (full, black, white, small_thing, np.zeros((1, 1, 3), np.uint8), np.zeros((3, 500, 3), np.uint8)):
        height, width = image.shape[:2]
        found = field_of_view(image)
        assert found == whole(height, width)
        assert found.box(height, width) == (0, height, 0, width)
        assert found.share(height, width) == 1


def test_every_photograph_of_hrf_has_the_circle_of_its_camera(sample_data: Path) -> None:
    files = sorted((sample_data / "hrf" / "images").glob("*/*.jpg"))
    assert len(files) == 30
    for file in files:
        found = field_of_view(np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)))
        assert off(found, Circle(321, 212, 299)) < 0.02


def test_the_field_at_one_size_keeps_its_place() -> None:
    real = Circle(1000, 700, 650)
    image = retina(1300, 2000, real)
    small, moved = pictures.field_at(image, real, 256)
    assert moved.radius == pytest.approx(128)
    assert off(field_of_view(small), moved) < 0.03
    same, at = pictures.field_at(image, real, 5000)
    assert same.shape[:2] == (1250, 1301)
    assert at.radius == real.radius


def test_a_row_is_read_as_it_lies_there(tmp_path: Path) -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    mask = np.array([[0, 128, 255, 0]] * 2, np.uint8)
    for name, pixels in ((ROW.file, image[..., ::-1]), (ROW.mask, mask)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    assert (pictures.read(tmp_path, ROW) == image).all()
    found = pictures.read_mask(tmp_path, ROW)
    assert found is not None
    assert (found == mask).all()
    assert pictures.read_mask(tmp_path, ROW.model_copy(update={"mask": ""})) is None


@pytest.mark.parametrize("data", [b"", b"not a picture", None])
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, data: bytes | None) -> None:
    for name in (ROW.file, ROW.mask):
        (tmp_path / name).parent.mkdir()
        if data is not None:
            (tmp_path / name).write_bytes(data)
    for read, name in ((pictures.read, ROW.file), (pictures.read_mask, ROW.mask)):
        with pytest.raises(BadData, match=name) as caught:
            read(tmp_path, ROW)
        assert caught.value.value == name
