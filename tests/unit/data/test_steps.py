"""Steps: wherever they move the disc of a photograph, its mask goes along."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.data import steps
from arc.data.derive_spec import CentreCrop, Clahe, Colour, FieldOfView, Resize, Step
from arc.data.pictures import Circle, field_of_view

HEIGHT, WIDTH = 240, 320
FIELD = Circle(158, 118, 130)  # cut off above and below
ANY_STEP = st.one_of(
    st.builds(FieldOfView, margin=st.floats(0, 0.2)),
    st.builds(CentreCrop, margin=st.floats(0, 0.12)),
    st.builds(Clahe, clip=st.floats(0.5, 10), tiles=st.integers(1, 16), channel=st.sampled_from(["green", "lightness", "all"])),
    st.builds(Colour, method=st.sampled_from(["gray_world", "mean_std"])),
    st.builds(Resize, side_px=st.integers(200, 700)),
)


def eye(disc: tuple[int, int], radius: int) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of a dull field with a bright disc of light and its mask, with a cup in the middle."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[FIELD.inside(HEIGHT, WIDTH) > 0] = (90, 50, 30)
    cv2.circle(image, disc, radius, (250, 220, 190), -1)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, disc, radius, 128, -1)
    cv2.circle(mask, disc, radius // 2, 255, -1)
    return image, mask


def middle(pixels: np.ndarray) -> np.ndarray:
    """y, x of the middle of what is True."""
    return np.argwhere(pixels).mean(axis=0)


@settings(max_examples=80, deadline=None)
@given(
    taken=st.lists(ANY_STEP, max_size=5),
    disc=st.tuples(st.integers(120, 200), st.integers(90, 150)),
    radius=st.integers(12, 24),
)
def test_the_disc_of_the_mask_stays_on_that_of_the_photograph(taken: list[Step], disc: tuple[int, int], radius: int) -> None:
    image, mask = eye(disc, radius)
    whole = steps.take(image, taken, mask=mask)
    moving = [step for step in taken if not isinstance(step, Clahe | Colour)]
    frame = steps.take(image, moving, mask=mask)
    assert whole.mask is not None
    assert frame.mask is not None
    assert whole.mask.shape == whole.image.shape[:2]
    assert set(np.unique(whole.mask)) == {0, 128, 255}
    assert (whole.mask == frame.mask).all()  # colours move nothing, so the disc is looked for where they do not matter
    seen, drawn = frame.image[..., 1] > 135, frame.mask > 0
    scale = max(np.sqrt(drawn.sum() / (mask > 0).sum()), 1.0)
    sides = [step.side_px for step in taken if isinstance(step, Resize)]
    rounding = 0.5 * max(len(sides), 1) * scale / min([1.0, *(side / WIDTH for side in sides)])  # half a pixel a resize, of its size then
    assert np.abs(middle(seen) - middle(drawn)).max() < rounding
    assert (seen & drawn).sum() / (seen | drawn).sum() > 0.75


@settings(max_examples=30, deadline=None)
@given(taken=st.lists(ANY_STEP, max_size=4))
def test_the_field_goes_along(taken: list[Step]) -> None:
    moving = [step for step in taken if not isinstance(step, Clahe | Colour)]
    frame = steps.take(eye((160, 120), 20)[0], moving)
    inside, lit = frame.inside(), (frame.image[..., 0] > 45).astype(np.uint8)
    wide = 2 * round(4 * max(frame.field.radius / FIELD.radius, 1)) + 1
    band = np.ones((wide, wide), np.uint8)  # about the edge, where half a pixel decides, either may be
    assert (lit[cv2.erode(inside, band, borderValue=0) > 0] == 1).all()
    assert (lit[cv2.dilate(inside, band) == 0] == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (7, 9)])
@settings(max_examples=20, deadline=None)
@given(taken=st.lists(ANY_STEP, max_size=4))
def test_the_smallest_pictures_pass(shape: tuple[int, int], taken: list[Step]) -> None:
    frame = steps.take(np.full((*shape, 3), 99, np.uint8), taken, mask=np.zeros(shape, np.uint8))
    assert frame.mask is not None
    assert frame.mask.shape == frame.image.shape[:2]
    assert min(frame.mask.shape) >= 1


def test_resize_never_squeezes() -> None:
    image, _ = eye((160, 120), 20)
    frame = steps.take(image, [Resize(side_px=512)])
    assert frame.image.shape == (512, 512, 3)
    found = field_of_view(frame.image)
    assert found.radius == pytest.approx(FIELD.radius * 512 / WIDTH, rel=0.02)


def test_colour_brings_the_field_to_one_mean_and_spread_and_leaves_the_surround_black() -> None:
    rng = np.random.default_rng(0)
    image, _ = eye((160, 120), 20)
    lit = FIELD.inside(HEIGHT, WIDTH) > 0
    image[lit] = np.clip(image[lit] + rng.normal(0, 12, image[lit].shape), 0, 255)
    field = field_of_view(image)
    inside = field.inside(HEIGHT, WIDTH) > 0
    even = steps.take(image, [Colour(method="mean_std", mean=110.0, spread=20.0)]).image
    assert even[inside].mean(axis=0) == pytest.approx([110, 110, 110], abs=3)
    assert (even[~inside] == image[~inside]).all()
    grey = steps.take(image, [Colour(method="gray_world")]).image[inside].mean(axis=0)
    assert np.ptp(grey) < 3


def test_padding_is_no_part_of_the_field_whose_colours_are_brought_to_one_mean() -> None:
    image, _ = eye((160, 120), 20)
    image[FIELD.inside(HEIGHT, WIDTH) > 0] += np.random.default_rng(0).integers(0, 60, 3, dtype=np.uint8)
    frame = steps.take(image[60:180], [FieldOfView(), Resize(side_px=200), Colour(method="gray_world")])
    assert (frame.image[:20] == 0).all()
    assert np.ptp(frame.image[frame.inside() > 0].mean(axis=0)) < 3


def test_clahe_raises_the_contrast_of_the_channel_that_it_is_asked_to() -> None:
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal(100, 4, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    green = steps.take(image, [Clahe(channel="green")]).image
    assert green[..., 1].std() > 1.5 * image[..., 1].std()
    assert (green[..., [0, 2]] == image[..., [0, 2]]).all()
    every = steps.take(image, [Clahe(channel="all")]).image
    assert all(every[..., channel].std() > 1.5 * image[..., channel].std() for channel in range(3))
