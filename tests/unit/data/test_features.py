"""A photograph in numbers: what they are on pictures whose answer is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from arc.data.anatomy import draw_patient, draw_sites
from arc.data.drawing import draw
from arc.data.features import FEATURES, measure


def photograph(size_px: int = 512) -> np.ndarray:
    return draw(draw_patient(0, draw_sites(1, 0), ill=False, seed=0, label_noise=0)[0], size_px)[0]


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((200, 200, 200), {"brightness": 200, "saturation": 0, "colour_cast": 0, "red": 200, "blue": 200}),
        ((255, 0, 0), {"brightness": 76, "saturation": 1, "red": 255, "green": 0, "blue": 0}),
        ((60, 120, 30), {"saturation": 0.75, "red": 60, "green": 120, "blue": 30}),
    ],
)
def test_an_even_colour(colour: tuple[int, int, int], expected: dict[str, float]) -> None:
    found = measure(np.full((80, 120, 3), colour, np.uint8), bytes=1234)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.01), name
    assert (found["width"], found["height"], found["bytes"], found["field_share"]) == (120, 80, 1234, 1)
    assert (found["contrast"], found["sharpness"], found["entropy"]) == (0, 0, 0)
    assert (found["colour_cast"] > 5) == (len(set(colour)) > 1)


def test_halves_of_black_and_white_have_one_bit_and_the_widest_contrast() -> None:
    image = np.zeros((128, 128, 3), np.uint8)
    image[:, 64:] = 255
    found = measure(image, bytes=0)
    assert found["entropy"] == pytest.approx(1)
    assert found["contrast"] == pytest.approx(127.5)


def test_a_wide_black_surround_changes_only_what_is_about_the_frame() -> None:
    image = photograph()
    framed = cv2.copyMakeBorder(image, 60, 60, 90, 90, cv2.BORDER_CONSTANT)
    plain, wide = measure(image, bytes=1), measure(np.asarray(framed), bytes=1)
    for name in set(FEATURES) - {"width", "height", "field_share"}:
        assert wide[name] == pytest.approx(plain[name], rel=0.05, abs=0.02), name
    assert wide["field_share"] < 0.8 * plain["field_share"]


def test_sharpness_falls_with_blur_and_hardly_depends_on_the_number_of_pixels() -> None:
    image = photograph(1024)
    half = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    assert measure(half, bytes=0)["sharpness"] == pytest.approx(measure(image, bytes=0)["sharpness"], rel=0.15)
    blurred = [measure(np.asarray(cv2.GaussianBlur(image, (0, 0), sigma)), bytes=0)["sharpness"] for sigma in (1, 2, 4, 8)]
    assert blurred == sorted(blurred, reverse=True)


@settings(max_examples=40, deadline=None)
@given(image=arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_any_picture_has_finite_features(image: np.ndarray) -> None:
    found = measure(image, bytes=image.size)
    assert tuple(found) == FEATURES
    assert all(np.isfinite(value) for value in found.values())
    assert 0 <= found["entropy"] <= 8
    assert 0 <= found["field_share"] <= 1
