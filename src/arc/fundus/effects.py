"""Effects: one photograph, and its mask if it has one, changed as an `AugmentPolicy` says.

All that moves pixels becomes one map from the new picture to the old, and both are resampled by it once: the photograph
linearly, the mask by its nearest pixel. So they agree whatever was drawn, and nothing is blurred twice. All that bends
levels becomes one table of 256 a channel. What comes from outside of the picture is black, and background in the mask.

The draws come from one numpy generator (PCG64, whose stream numpy keeps) in a fixed order. Works on bytes with OpenCV.
"""

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.fundus.augment_spec import AugmentPolicy, Effect

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Random = np.random.Generator

_LEVELS: Final = np.arange(256, dtype=np.float64) / 255
_ELASTIC_POINTS: Final = 4  # a side
_GRID_CELLS: Final = 5  # a side
_MOST_HOLES: Final = 6


def changed(image: Bytes, mask: Bytes | None, policy: AugmentPolicy, random: Random) -> tuple[Bytes, Bytes | None]:
    """A new picture (S x S x 3) and its mask (S x S, or None), from one draw of the policy; the arguments are left alone."""
    image, mask = _moved(image, mask, policy, random)
    table = _levels(image, policy, random)
    if table is not None:
        image = np.asarray(cv2.LUT(image, table), np.uint8)
    return _spoilt(image, policy, random), mask


def _happens(effect: Effect, random: Random) -> bool:
    return random.random() < effect.probability


def _moved(image: Bytes, mask: Bytes | None, policy: AugmentPolicy, random: Random) -> tuple[Bytes, Bytes | None]:
    """Flip, rotate and crop as one affine map; elastic transform and grid distortion on top of it."""
    side = image.shape[0]
    affine = _affine(policy, side, random)
    bent = _bent(policy, side, random)
    if bent is None and affine is None:
        return image, mask
    matrix = np.eye(2, 3) if affine is None else affine
    if bent is None:

        def move(pixels: Bytes, how: int) -> Bytes:
            turned = cv2.warpAffine(pixels, matrix, (side, side), flags=how | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT)
            return np.asarray(turned, np.uint8)
    else:
        x, y = (np.asarray(row[0] * bent[0] + row[1] * bent[1] + row[2], np.float32) for row in matrix)

        def move(pixels: Bytes, how: int) -> Bytes:
            return np.asarray(cv2.remap(pixels, x, y, how, borderMode=cv2.BORDER_CONSTANT), np.uint8)

    return move(image, cv2.INTER_LINEAR), None if mask is None else move(mask, cv2.INTER_NEAREST)


def _affine(policy: AugmentPolicy, side: int, random: Random) -> NDArray[np.float64] | None:
    """2 x 3: where each pixel of the new picture comes from; None when it stays where it is."""
    flip, rotate, crop = (_happens(effect, random) for effect in (policy.flip, policy.rotate, policy.crop))
    if not (flip or rotate or crop):
        return None
    mirror = np.ones(2)
    if flip:
        mirror[int(random.random() < policy.flip.strength)] = -1
    angle = np.radians(random.uniform(-1, 1) * policy.rotate.strength) if rotate else 0.0
    share = 1 - random.uniform(0, policy.crop.strength) if crop else 1.0
    shift = random.uniform(-1, 1, 2) * (1 - share) * side / 2
    middle = np.full(2, (side - 1) / 2)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * share * mirror
    return np.column_stack([turned, middle + shift - turned @ middle])


def _bent(policy: AugmentPolicy, side: int, random: Random) -> tuple[Floats, Floats] | None:
    """S x S each: where x and y of each pixel come from under grid distortion and elastic transform; None for neither."""
    elastic, grid = (_happens(effect, random) for effect in (policy.elastic_transform, policy.grid_distortion))
    if not (elastic or grid):
        return None
    x, y = _pixels(side)
    if grid:
        across, down = (_stretched(side, policy.grid_distortion.strength, random) for _ in range(2))
        x, y = np.meshgrid(across, down)
    if elastic:
        shifts = random.standard_normal((2, _ELASTIC_POINTS, _ELASTIC_POINTS)) * policy.elastic_transform.strength * side
        to_x, to_y = (cv2.resize(shift, (side, side), interpolation=cv2.INTER_CUBIC) for shift in shifts)
        x, y = np.asarray(x + to_x, np.float32), np.asarray(y + to_y, np.float32)
    return x, y


@cache
def _pixels(side: int) -> tuple[Floats, Floats]:
    x, y = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    return x, y


def _stretched(side: int, most: float, random: Random) -> Floats:
    """(S,): where each column comes from when the widths of the cells are drawn anew; the ends stay."""
    widths = 1 + random.uniform(-most, most, _GRID_CELLS)
    edges = np.concatenate([[0], np.cumsum(widths)]) / widths.sum() * (side - 1)
    places = np.interp(np.arange(side), np.linspace(0, side - 1, _GRID_CELLS + 1), edges)
    return np.asarray(places, np.float32)


def _levels(image: Bytes, policy: AugmentPolicy, random: Random) -> Bytes | None:
    """What becomes of each of the 256 levels under brightness, contrast (about the mean), gamma and colour; None when they stay.

    256, or 1 x 256 x 3 where the channels differ.
    """
    effects = (policy.brightness, policy.contrast, policy.gamma, policy.colour)
    brightness, contrast, gamma, colour = (_happens(effect, random) for effect in effects)
    if not (brightness or contrast or gamma or colour):
        return None
    levels = _LEVELS
    if brightness:
        levels = levels * (1 + random.uniform(-1, 1) * policy.brightness.strength)
    if contrast:
        mean = sum(cv2.mean(image)[:3]) / 3 / 255
        levels = (levels - mean) * (1 + random.uniform(-1, 1) * policy.contrast.strength) + mean
    levels = np.clip(levels, 0, 1)
    if gamma:
        levels = levels ** np.exp(random.uniform(-1, 1) * np.log1p(policy.gamma.strength))
    if colour:
        levels = np.clip(levels[None, :, None] * (1 + random.uniform(-1, 1, 3) * policy.colour.strength), 0, 1)
    return (levels * 255 + 0.5).astype(np.uint8)


def _spoilt(image: Bytes, policy: AugmentPolicy, random: Random) -> Bytes:
    """Blur, noise and holes."""
    if _happens(policy.gaussian_blur, random):
        image = _blurred(image, policy.gaussian_blur.strength, random)
    if _happens(policy.gaussian_noise, random):
        image = _noisy(image, policy.gaussian_noise.strength, random)
    if _happens(policy.coarse_dropout, random):
        image = _holed(image, policy.coarse_dropout.strength, random)
    return image


def _blurred(image: Bytes, most: float, random: Random) -> Bytes:
    sigma = random.uniform(0, most) * image.shape[0]
    if sigma < 0.1:  # narrower than what eight bits can show
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def _noisy(image: Bytes, most: float, random: Random) -> Bytes:
    noise = random.standard_normal(image.shape, dtype=np.float32) * np.float32(random.uniform(0, most) * 255)
    return np.asarray(np.clip(np.rint(image + noise), 0, 255), np.uint8)


def _holed(image: Bytes, most: float, random: Random) -> Bytes:
    side = image.shape[0]
    holed, colour = image.copy(), np.asarray(cv2.mean(image)[:3]).round().astype(np.uint8)
    for _ in range(random.integers(1, _MOST_HOLES + 1)):
        height, width = (max(round(random.uniform(0, most) * side), 1) for _ in range(2))
        top, left = random.integers(0, side - height + 1), random.integers(0, side - width + 1)
        holed[top : top + height, left : left + width] = colour
    return holed
