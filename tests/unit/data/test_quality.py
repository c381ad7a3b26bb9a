"""A quality score that falls when a photograph is blurred, darkened, overexposed or covered on purpose."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from arc.data.anatomy import draw_patient, draw_sites
from arc.data.drawing import draw
from arc.data.quality import UNGRADABLE_BELOW, judge


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    sites = draw_sites(3, 0)
    return [draw(eye, 320)[0] for index in range(3) for eye in draw_patient(index, sites, ill=index % 2 == 0, seed=0, label_noise=0)]


def blurred(image: np.ndarray, share: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), share * image.shape[1]))


def lit(image: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def covered(image: np.ndarray) -> np.ndarray:
    image = image.copy()
    image[:, : image.shape[1] * 6 // 10] = 0
    return image


SPOILT = {
    "blurred": lambda image: blurred(image, 0.015),
    "too dark": lambda image: lit(image, 0.08),
    "too bright": lambda image: lit(image, 12.0),
    "too much of the field is hidden or cut off": covered,
}


def test_real_photographs_are_gradable_until_they_are_spoilt(sample_data: Path) -> None:
    images = [np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)) for file in sorted((sample_data / "hrf" / "images").glob("*/*.jpg"))]
    assert min(judge(image).score for image in images) > 0.9
    for reason, spoil in SPOILT.items():
        for image in images:
            found = judge(spoil(image))
            assert found.ungradable
            assert found.score < UNGRADABLE_BELOW
            assert found.reason == reason


@pytest.mark.parametrize("reason", SPOILT)
def test_synthetic_photographs_are_gradable_until_they_are_spoilt(drawn: list[np.ndarray], reason: str) -> None:
    for image in drawn:
        assert not judge(image).ungradable
        assert judge(SPOILT[reason](image)).reason == reason


def test_the_worse_the_lower(drawn: list[np.ndarray]) -> None:
    for worse in (lambda image, k: blurred(image, 0.003 * k), lambda image, k: lit(image, 0.8**k)):
        for image in drawn:
            scores = [judge(worse(image, step)).score for step in range(1, 8)]
            assert all(later <= earlier + 0.02 for earlier, later in pairwise(scores))
            assert scores[-1] < scores[0] - 0.5


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (40, 30), (300, 300)])
def test_a_picture_of_nothing_is_ungradable(level: int, shape: tuple[int, int]) -> None:
    found = judge(np.full((*shape, 3), level, np.uint8))
    assert found.score == 0
    assert found.reason
