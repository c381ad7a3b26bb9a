"""The retinal vessel tree: trunks leave the disc, arch around the macula and branch until they are too thin to see.

Each vessel is a walk whose heading turns by a habit of its kind (the temporal trunks form the arcades)
plus a little noise. Coordinates are degrees of visual angle from the disc, x towards the nose and y down,
of a right eye; the caller mirrors a left one. Used by `arc.data.drawing`.
"""

import math
from dataclasses import dataclass

import numpy as np

STEP_DEG = 0.9
FOVEA_DEG = (-15.0, 1.6)  # from the disc
AVASCULAR_DEG = 2.4  # no vessel comes nearer to the fovea
THINNEST_DEG = 0.07

# heading at the disc (degrees, 0 = nasal, 90 = down), turn per degree walked, length, width
_TRUNKS = [
    (-96.0, -7.4, 46.0, 0.40),
    (96.0, 7.4, 46.0, 0.40),
    (-64.0, 1.6, 26.0, 0.27),
    (64.0, -1.6, 26.0, 0.27),
]


@dataclass(frozen=True)
class Vessel:
    """One stretch of vessel."""

    points: np.ndarray  # N x 2, degrees from the disc
    width: float  # degrees, at its start; it tapers on the way
    vein: bool


def grow(rng: np.random.Generator) -> list[Vessel]:
    """The tree of one eye, trunks first."""
    vessels: list[Vessel] = []
    for heading, turn, length, width in _TRUNKS:
        for vein in (True, False):
            spread = rng.normal(0, 8) + (8 if vein else -8) * math.copysign(1, heading)
            start = (rng.normal(0.75, 0.2), math.copysign(0.3, heading) + rng.normal(0, 0.15))
            _extend(
                vessels,
                rng,
                start=start,
                heading=heading + spread,
                turn=turn * rng.uniform(0.85, 1.2),
                length=length * rng.uniform(0.8, 1.1),
                width=width * (1.0 if vein else 0.76) * rng.uniform(0.85, 1.1),
                vein=vein,
                depth=0,
            )
    for heading in (170.0, 190.0, 15.0, -12.0):  # small ones straight towards the macula and the nose
        _extend(
            vessels,
            rng,
            start=(0.7, 0.0),
            heading=heading + rng.normal(0, 14),
            turn=rng.normal(0, 1.2),
            length=rng.uniform(7, 13),
            width=rng.uniform(0.10, 0.16),
            vein=bool(rng.random() < 0.5),
            depth=1,
        )
    return vessels


def _extend(
    vessels: list[Vessel],
    rng: np.random.Generator,
    *,
    start: tuple[float, float],
    heading: float,
    turn: float,
    length: float,
    width: float,
    vein: bool,
    depth: int,
) -> None:
    """Walk one vessel and its branches, adding each to `vessels`."""
    steps = max(int(length / STEP_DEG), 3)
    wobble = (rng.standard_normal(steps) * (4.0 + 1.6 * depth)).tolist()
    x, y = start
    points = [start]
    drift = 0.0
    next_branch = rng.uniform(2.5, 7.0)
    side = 1 if rng.random() < 0.5 else -1
    for step in range(steps):
        walked = step * STEP_DEG
        drift = 0.72 * drift + wobble[step]
        # the arcades turn early and then run on almost straight
        heading += turn * STEP_DEG * math.exp(-walked / 13) + drift * 0.5
        x += STEP_DEG * math.cos(math.radians(heading))
        y += STEP_DEG * math.sin(math.radians(heading))
        if math.hypot(x - FOVEA_DEG[0], y - FOVEA_DEG[1]) < AVASCULAR_DEG:
            break
        points.append((x, y))
        if walked > next_branch and depth < 2:
            next_branch = walked + rng.uniform(3.0, 8.0)
            side = -side
            thin = width * rng.uniform(0.45, 0.7) * (1 - 0.45 * step / steps)
            if thin > THINNEST_DEG:
                _extend(
                    vessels,
                    rng,
                    start=(x, y),
                    heading=heading + side * rng.uniform(25, 58),
                    turn=-side * rng.uniform(-0.5, 2.4),
                    length=(length - walked) * rng.uniform(0.4, 0.8),
                    width=thin,
                    vein=vein,
                    depth=depth + 1,
                )
    vessels.append(Vessel(np.array(points, dtype=np.float32), width, vein))
