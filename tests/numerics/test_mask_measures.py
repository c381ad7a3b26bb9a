"""The measures of masks against MONAI's, and on shapes whose answer is known."""

import math
import warnings

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    get_confusion_matrix,
)

from arc.fundus.mask_measures import NAMES, compare, vcdr

SIDE = 72


def drawn(x: int, y: int, wide: int, high: int, cup: float) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(mask, (x, y), (wide, high), 0, 0, 360, 128, -1)
    cv2.ellipse(mask, (x, y), (max(int(wide * cup), 1), max(int(high * cup), 1)), 0, 0, 360, 255, -1)
    return mask


EYES = st.builds(drawn, st.integers(24, 48), st.integers(24, 48), st.integers(5, 20), st.integers(5, 20), st.floats(0.2, 0.9))


@given(said=EYES, truth=EYES)
@settings(max_examples=25, deadline=None)
def test_they_are_those_of_monai(said: np.ndarray, truth: np.ndarray) -> None:
    found = compare(said, truth)
    assert tuple(found) == NAMES
    for part, level in (("disc", 128), ("cup", 255)):
        mine, theirs = (torch.from_numpy(mask >= level)[None, None].float() for mask in (said, truth))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of an argument that MONAI gives itself
            hd95 = compute_hausdorff_distance(mine, theirs, include_background=True, percentile=95).item()
            asd = compute_average_surface_distance(mine, theirs, include_background=True, symmetric=True).item()
        assert found[f"{part}_hd95_px"] == pytest.approx(hd95, abs=1e-4)
        assert found[f"{part}_asd_px"] == pytest.approx(asd, abs=1e-4)
        assert found[f"{part}_dice"] == pytest.approx(compute_dice(mine, theirs).item())
        assert found[f"{part}_iou"] == pytest.approx(compute_iou(mine, theirs).item())
        tp, fp, tn, fn = get_confusion_matrix(mine, theirs)[0, 0].tolist()
        assert found[f"{part}_sensitivity"] == pytest.approx(tp / (tp + fn))
        assert found[f"{part}_specificity"] == pytest.approx(tn / (tn + fp))
        assert found[f"{part}_accuracy"] == pytest.approx((tp + tn) / (tp + fp + tn + fn))


def test_a_shape_moved_by_three_pixels_is_three_pixels_away() -> None:
    truth = np.zeros((60, 60), np.uint8)
    truth[20:41, 20:41] = 128
    truth[25:36, 25:36] = 255
    found = compare(np.roll(truth, 3, axis=1), truth)
    assert found["disc_hd95_px"] == found["cup_hd95_px"] == 3.0
    assert found["vcdr_error"] == 0.0
    assert found["vcdr"] == vcdr(truth) == 11 / 21


def test_what_is_not_defined_is_no_number() -> None:
    empty, truth = np.zeros((SIDE, SIDE), np.uint8), drawn(30, 30, 12, 12, 0.5)
    missed = compare(empty, truth)
    assert missed["disc_dice"] == missed["cup_sensitivity"] == 0.0
    assert math.isnan(missed["disc_hd95_px"])
    assert math.isnan(missed["vcdr_error"])
    nothing = compare(truth, empty)
    assert math.isnan(nothing["disc_dice"])
    assert nothing["disc_specificity"] < 1.0


@given(said=EYES, truth=EYES)
@settings(max_examples=20, deadline=None)
def test_the_same_masks_give_the_same_digits(said: np.ndarray, truth: np.ndarray) -> None:
    first = compare(said, truth)
    assert all(compare(said.copy(), truth.copy()) == first for _ in range(3))
