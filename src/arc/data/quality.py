"""Quality: can anything be read from a photograph? A score from 0 to 1, and a flag with its reason where it cannot.

Three parts, each from 0 (useless) to 1 (nothing to complain of), and the score is the worst of them, because a sharp photograph
of a dark half is not made good by being sharp: blur, exposure (too dark, too bright), and how much of the field is to be seen.

The thresholds were set by looking at real photographs: HRF (30, all good), Drishti-GS (50, good) and AIROGS (769, of all
qualities; 5 are flagged), and at HRF blurred and darkened on purpose. The ratio of detail is above .88, .60 and .44 for 99 % of
them; a blur with a sigma of .012 of the width, which leaves no small vessel, brings all of HRF and Drishti-GS below .28, and half of
that blur leaves nine of ten above. At .15 of their light all of HRF are dark (brightness below 16), at .25 none.

Not covered: haze, reflections, a wrong eye or no eye at all, and whether the disc is in view. It is no clinical grading.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from arc.data import pictures
from arc.data.pictures import Circle

UNGRADABLE_BELOW: Final = 0.2  # of the score
DETAIL: Final = (0.20, 0.60)  # ratio of fine to coarse structure: useless, good
LIGHT: Final = (10.0, 50.0)  # mean brightness of the field, of 255: useless, good
GLARE: Final = (0.5, 0.1)  # share of the field whose green is saturated: useless, good
SEEN: Final = (0.3, 0.75)  # share of the field that the picture shows lit: useless, good
_FIELD_PX: Final = 256  # the field is looked at with this diameter
_CORE: Final = 0.9  # of the radius: its edge is no detail
_SATURATED: Final = 250
_DARK: Final = 16


@dataclass(frozen=True)
class Quality:
    """What can be said of one photograph."""

    score: float  # 0 to 1
    reason: str  # why it is ungradable: the light before the field, and that before the blur, which go along with it; empty otherwise

    @property
    def ungradable(self) -> bool:
        """Whether the score is too low to read anything from it."""
        return bool(self.reason)


def judge(image: NDArray[np.uint8], *, field: Circle | None = None) -> Quality:
    """The quality of a photograph (H x W x 3, uint8, RGB). `field`: its field of view, where that is known already."""
    small, field = pictures.field_at(image, field or pictures.field_of_view(image), _FIELD_PX)
    height, width = small.shape[:2]
    inside = field.inside(height, width)
    green, light = cv2.extractChannel(small, 1), cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    shown = max(cv2.countNonZero(inside), 1)
    glare = cv2.countNonZero(cv2.bitwise_and(cv2.inRange(green, _SATURATED, 255), inside)) / shown
    lit = cv2.countNonZero(cv2.bitwise_and(cv2.inRange(light, _DARK, 255), inside))
    whole = np.pi * field.radius**2 if shown < height * width else shown  # all that the camera saw, or all that is there
    parts = {
        "too dark": _between(cv2.mean(light, inside)[0], *LIGHT),
        "too bright": _between(glare, *GLARE),
        "too much of the field is hidden or cut off": _between(lit / whole, *SEEN),
        "blurred": _between(detail(np.asarray(green, np.uint8), field), *DETAIL),
    }
    reason = next((name for name, part in parts.items() if part < UNGRADABLE_BELOW), "")
    return Quality(round(min(parts.values()), 4), reason)


def detail(green: NDArray[np.uint8], field: Circle) -> float:
    """Spread of the finest structure inside the field over that of structure four times as coarse.

    Levels 0 and 2 of the Laplacian pyramid (Burt & Adelson, IEEE Trans. Commun. 31, 1983). A ratio, so that neither light nor
    contrast matters; blur takes the fine away first. About 1 on a sharp photograph; 0 where there is no structure at all.
    """
    levels = [np.asarray(green, np.float32)]
    for _ in range(3):
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.float32))
    fine, coarse = (_spread(levels[at], levels[at + 1], field, 2**at) for at in (0, 2))
    return fine / coarse if coarse > 0 else 0.0


def _spread(level: NDArray[np.float32], coarser: NDArray[np.float32], field: Circle, factor: int) -> float:
    height, width = level.shape
    core = Circle(field.x / factor, field.y / factor, field.radius / factor * _CORE).inside(height, width)
    _, spread = cv2.meanStdDev(cv2.subtract(level, cv2.pyrUp(coarser, dstsize=(width, height))), mask=core)
    return float(spread[0, 0])


def _between(value: float, useless: float, good: float) -> float:
    """0 at `useless`, 1 at `good`, straight in between."""
    return float(np.clip((value - useless) / (good - useless), 0, 1))
