"""Duplicates: a copy is found whatever was done to it, another eye is not taken for one."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.errors import BadData
from arc.data.drawing import draw
from arc.data.duplicates import Pair, Signature, find, groups, sign, tells
from arc.data.duplicates_candidates import TURNS, How, turned
from arc.data.duplicates_signature import OUTSIDE, SIDE
from arc.data.spec import SyntheticFundusParams
from arc.data.synthetic import population

Image = np.ndarray


@pytest.fixture(scope="module")
def signed(eyes: list[Image]) -> list[Signature]:
    """Their signatures."""
    return [sign(image) for image in eyes]


@pytest.fixture(scope="module")
def real_signed(real: list[Image]) -> list[Signature]:
    """Signatures of the real ones."""
    return [sign(image) for image in real]


@pytest.fixture(scope="module")
def eyes() -> list[Image]:
    """Twelve drawn photographs of six patients and three cameras."""
    return [draw(eye, 320)[0] for eye in population(SyntheticFundusParams(patients=6), seed=11)]


@pytest.fixture(scope="module")
def real(sample_data: Path) -> list[Image]:
    """Thirty real photographs of one camera, no two of one eye."""
    paths = sorted((sample_data / "hrf").rglob("*.jpg"))
    return [cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1].copy() for path in paths]


def jpeg(image: Image, quality: int) -> Image:
    data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1].copy()


def crop(image: Image, left: float, top: float, right: float, bottom: float) -> Image:
    height, width = image.shape[:2]
    return image[round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)].copy()


def light(image: Image, gain: float) -> Image:
    return np.clip(image * gain, 0, 255).astype(np.uint8)


COPIES: dict[str, tuple[How, Callable[[Image], Image]]] = {
    "re-encoded": ("same", lambda i: jpeg(i, 40)),
    "half the size": ("same", lambda i: cv2.resize(i, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
    "squeezed": ("same", lambda i: cv2.resize(i, None, fx=1, fy=0.85, interpolation=cv2.INTER_AREA)),
    "mirrored": ("flipped_horizontal", lambda i: i[:, ::-1].copy()),
    "upside down": ("flipped_vertical", lambda i: i[::-1].copy()),
    "turned": ("rotated_180", lambda i: i[::-1, ::-1].copy()),
    "on its side": ("rotated_270", lambda i: np.rot90(i).copy()),
    "darker": ("same", lambda i: light(i, 0.7)),
    "brighter": ("same", lambda i: light(i, 1.3)),
    "gamma": ("same", lambda i: (255 * (i / 255) ** 1.3).astype(np.uint8)),
    "cropped all round": ("same", lambda i: crop(i, 0.05, 0.05, 0.05, 0.05)),
    "cropped on two sides": ("same", lambda i: crop(i, 0.05, 0.05, 0, 0)),
    "all at once": ("flipped_horizontal", lambda i: jpeg(light(crop(i, 0.05, 0.03, 0, 0.05)[:, ::-1], 1.2), 60)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_a_drawn_photograph_is_found_and_said_how(eyes: list[Image], signed: list[Signature], name: str) -> None:
    how, change = COPIES[name]
    pairs = find([*signed, *(sign(change(image)) for image in eyes[:4])])
    assert {(pair.a, pair.b): pair.how for pair in pairs} == {(place, len(eyes) + place): how for place in range(4)}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_a_real_photograph_is_found_and_nothing_else(real: list[Image], real_signed: list[Signature], name: str) -> None:
    how, change = COPIES[name]
    pairs = find([*real_signed, *(sign(change(image)) for image in real[::6])])
    assert {(pair.a, pair.b): pair.how for pair in pairs} == {(6 * place, len(real) + place): how for place in range(5)}


def test_crops_that_left_no_edge_of_the_field_are_found(real: list[Image]) -> None:
    inner = [crop(image, 0.25, 0.25, 0.25, 0.25) for image in real]
    copies = [crop(image, 0.05, 0.05, 0.05, 0.05) for image in inner[::6]]
    pairs = find([sign(image) for image in inner + copies])
    assert {(pair.a, pair.b) for pair in pairs} == {(6 * place, len(real) + place) for place in range(5)}


def test_what_turns_the_second_into_the_first_is_what_the_pair_says(eyes: list[Image]) -> None:
    first = sign(eyes[0])
    for how in TURNS:
        (pair,) = find([turned(first, how), first, sign(eyes[1])])
        assert (pair.a, pair.b, pair.how) == (0, 1, how)
        (pair,) = find([first, sign(eyes[1]), turned(first, how)])
        assert (pair.a, pair.b) == (0, 2)
        assert np.array_equal(turned(turned(first, how), pair.how), first)


def test_pictures_without_anything_in_them_are_no_copies_of_each_other(eyes: list[Image]) -> None:
    empty = [np.full((64, 80, 3), value, np.uint8) for value in (0, 0, 90, 255)]
    assert find([sign(image) for image in [*empty, *eyes[:3]]]) == []


@pytest.mark.parametrize(("side", "cells"), [(40, 8), (64, 5), (128, 8), (256, 3), (256, 10)])
def test_smooth_pictures_are_said_to_be_beyond_judgement_and_no_copies(side: int, cells: int) -> None:
    rng = np.random.default_rng(side)
    coarse = [rng.integers(0, 255, (cells, cells, 3), dtype=np.uint8) for _ in range(30)]
    signed = [sign(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)) for image in coarse]
    assert not any(map(tells, signed))
    assert find(signed) == []


def test_a_photograph_is_judged_down_to_a_size_and_not_below(real: list[Image], real_signed: list[Signature]) -> None:
    def small(side: int) -> list[Signature]:
        return [sign(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)) for image in real]

    assert all(map(tells, [*real_signed, *small(64)]))
    assert not any(map(tells, small(40)))
    assert find(small(40)) == []


def test_one_photograph_or_none_has_no_pairs(eyes: list[Image]) -> None:
    assert find([]) == find([sign(eyes[0])]) == []


def test_a_signature_keeps_only_what_is_in_the_field(eyes: list[Image]) -> None:
    signature = sign(eyes[0])
    assert signature.shape == (SIDE, SIDE)
    assert signature.dtype == np.int8
    assert signature[0, 0] == signature[-1, -1] == OUTSIDE != signature[SIDE // 2, SIDE // 2]


@pytest.mark.parametrize("image", [np.zeros((64, 64, 3)), np.zeros((64, 64, 4), np.uint8), np.zeros((8, 64, 3), np.uint8)])
def test_what_is_no_photograph_is_refused(image: Image) -> None:
    with pytest.raises(BadData, match="not a photograph"):
        sign(image)


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))))
def test_groups_join_what_pairs_join_and_no_more(case: tuple[int, list[tuple[int, int]]]) -> None:
    n, joined = case
    found = groups(n, [Pair(a, b, 1.0, "same") for a, b in joined])
    reach = np.eye(n, dtype=bool)
    for a, b in joined:
        reach[a, b] = reach[b, a] = True
    for _ in range(5):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    assert found == [int(np.flatnonzero(row)[0]) for row in reach]
