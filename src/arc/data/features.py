"""Features: a photograph in a dozen numbers that say something of the camera and the light, and should say nothing of the disease.

Validation asks whether they can predict the label (a shortcut), drift whether they are what they were. All but the sizes are
measured inside the field of view, so that a wide black surround is not taken for a dark photograph.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.data import pictures
from arc.data.pictures import Circle

FEATURES: Final = (
    "width",
    "height",
    "bytes",
    "brightness",
    "contrast",
    "saturation",
    "red",
    "green",
    "blue",
    "colour_cast",
    "sharpness",
    "entropy",
    "field_share",
)
_FIELD_PX: Final = 256  # the field is looked at with this diameter
_CORE: Final = 0.9  # of the radius: the edge of the field is not sharpness


def measure(image: NDArray[np.uint8], *, bytes: int) -> dict[str, float]:  # noqa: A002 - the name of the feature
    """FEATURES of a photograph (H x W x 3, uint8, RGB), of which the file has so many bytes.

    width, height (pixels), bytes: as they are.
    brightness: mean luma (ITU-R BT.601), 0 to 255. contrast: its standard deviation, the RMS contrast of Peli, J. Opt.
    Soc. Am. A 7, 1990. entropy: of its histogram, in bits, 0 to 8 (Shannon 1948).
    saturation: mean S of HSV, 0 to 1 (Smith, SIGGRAPH 1978). red, green, blue: means, 0 to 255.
    colour_cast: distance of the mean colour from grey in CIELAB (after Gasparini & Schettini, Pattern Recognition 37, 2004).
    sharpness: variance of the Laplacian of green with the field 256 px across (Pech-Pacheco et al., ICPR 2000).
    field_share: share of the picture that is field of view, 0 to 1.
    """
    height, width = image.shape[:2]
    found = pictures.field_of_view(image)
    small, field = pictures.field_at(image, found, _FIELD_PX)
    inside = field.inside(*small.shape[:2])
    luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    brightness, contrast = (float(value[0, 0]) for value in cv2.meanStdDev(luma, mask=inside))
    red, green, blue, _ = cv2.mean(small, inside)
    return {
        "width": float(width),
        "height": float(height),
        "bytes": float(bytes),
        "brightness": brightness,
        "contrast": contrast,
        "saturation": cv2.mean(cv2.cvtColor(small, cv2.COLOR_RGB2HSV), inside)[1] / 255,
        "red": red,
        "green": green,
        "blue": blue,
        "colour_cast": _cast(small, inside),
        "sharpness": _sharpness(small, field),
        "entropy": _entropy(luma, inside),
        "field_share": found.share(height, width),
    }


def _cast(small: NDArray[np.uint8], inside: NDArray[np.uint8]) -> float:
    _, a, b, _ = cv2.mean(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), inside)
    return float(np.hypot(a - 128, b - 128))


def _sharpness(small: NDArray[np.uint8], field: Circle) -> float:
    core = Circle(field.x, field.y, field.radius * _CORE).inside(*small.shape[:2])
    _, spread = cv2.meanStdDev(cv2.Laplacian(cv2.extractChannel(small, 1), cv2.CV_16S), mask=core)
    return float(spread[0, 0]) ** 2


def _entropy(luma: NDArray[np.uint8], inside: NDArray[np.uint8]) -> float:
    counts = np.bincount(luma[inside > 0], minlength=256)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum() + 0.0)
