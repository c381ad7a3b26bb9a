"""Who the synthetic patients are: sites with a camera style, patients with two eyes alike, and what each eye shows.

The vertical cup-to-disc ratio (`vcdr`) of an eye is drawn around its patient's own; ratios of healthy and
glaucomatous eyes overlap, large discs have large cups in health too, and some labels are turned over. So
the ratio decides the label, but nobody can read every label off it. What an eye shows besides (blots,
drusen, haze, pigment) is drawn without a look at the label. `arc.data.drawing` makes pictures of this.

Not covered: any claim on how common or how severe a finding is in people.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

HEALTHY_VCDR = (0.42, 0.085)  # mean and spread between patients
GLAUCOMA_VCDR = (0.70, 0.085)
EYE_SPREAD = 0.035  # between the two eyes of a patient
VCDR_RANGE = (0.15, 0.93)
ONE_EYED_SHARE = 0.15  # share of glaucoma patients with one healthy eye
DISC_HEIGHT_DEG = 6.1  # height of a disc in degrees of visual angle: about 1.8 mm


@dataclass(frozen=True)
class Site:
    """One clinic and the look of its camera."""

    name: str
    fov_deg: float  # angle across the round field
    gaze_deg: float  # how far the view is centred from the fovea towards the disc
    aspect: float  # height over width of the picture; below 1 the field is cut at top and bottom
    cast: tuple[float, float, float]  # gain of red, green, blue
    gamma: float
    blur_px: float  # at 256 px
    noise: float  # standard deviation at a full scale of 1
    vignette: float
    tab: bool  # a notch at the edge of the field, as some cameras show
    jpeg_quality: int


@dataclass(frozen=True)
class Eye:
    """What one photograph shows; lengths in degrees of visual angle."""

    patient: str
    eye: Literal["R", "L"]
    site: Site
    label: Literal["glaucoma", "normal"]
    vcdr: float
    disc_height: float
    disc_width: float
    cup_width: float
    cup_shift: float  # towards the temple
    cup_contrast: float
    atrophy: float  # 0 none; width of a pale crescent beside the disc
    pigment: float  # -1 pale fundus .. 1 dark fundus
    tessellation: float  # how far choroidal vessels show through
    haze: float
    exposure: float
    blots: int  # haemorrhages
    drusen: int
    gaze: tuple[float, float]  # how far the view is off the site's habit
    tilt_deg: float
    entropy: tuple[int, ...]  # seeds the drawing of this eye


def draw_sites(count: int, seed: int) -> list[Site]:
    """`count` clinics; the first three are unlike by design, further ones vary at random."""
    rng = np.random.default_rng([seed, 1])
    habits = [(45.0, 5.0, 1.0), (40.0, 9.0, 0.84), (34.0, 11.0, 1.0)]
    casts = [(1.0, 1.0, 1.0), (1.04, 0.9, 0.85), (0.96, 1.06, 1.2)]
    sites = []
    for index in range(count):
        fov, gaze, aspect = habits[index % 3]
        site = Site(
            name=f"site-{chr(97 + index)}",
            fov_deg=fov + rng.uniform(-1.5, 1.5),
            gaze_deg=gaze,
            aspect=aspect,
            cast=_triple(np.array(casts[index % 3]) * rng.uniform(0.95, 1.05, 3)),
            gamma=float(rng.uniform(0.9, 1.12)),
            blur_px=float(rng.uniform(0.15, 0.6)),
            noise=float(rng.uniform(0.008, 0.02)),
            vignette=float(rng.uniform(0.15, 0.4)),
            tab=index % 3 == 1,
            jpeg_quality=int(rng.integers(86, 95)),
        )
        sites.append(site)
    return sites


def draw_patient(index: int, sites: list[Site], *, ill: bool, seed: int, label_noise: float) -> list[Eye]:
    """The two eyes of patient `index`, right before left; the same for a seed, whoever else is drawn."""
    rng = np.random.default_rng([seed, 2, index])
    site = sites[int(rng.integers(len(sites)))]
    spared = int(rng.integers(2)) if ill and rng.random() < ONE_EYED_SHARE else None
    traits = {
        "own": rng.normal(),  # where the patient stands among those of the same health
        "size": float(np.clip(rng.normal(1, 0.09), 0.78, 1.28)),
        "pigment": float(np.clip(rng.normal(0, 0.5), -1, 1)),
        "tessellation": float(np.clip(rng.normal(0.35, 0.3), 0, 1)),
        "haze": float(rng.uniform(0, 0.25) if rng.random() < 0.3 else 0),
    }
    eyes: list[Literal["R", "L"]] = ["R", "L"]
    return [
        _draw_eye(rng, index, eye, site, ill=ill and side != spared, traits=traits, label_noise=label_noise, seed=seed)
        for side, eye in enumerate(eyes)
    ]


def _draw_eye(
    rng: np.random.Generator,
    index: int,
    eye: Literal["R", "L"],
    site: Site,
    *,
    ill: bool,
    traits: dict[str, float],
    label_noise: float,
    seed: int,
) -> Eye:
    mean, spread = GLAUCOMA_VCDR if ill else HEALTHY_VCDR
    size = traits["size"] * rng.normal(1, 0.02)
    vcdr = mean + spread * traits["own"] + EYE_SPREAD * rng.normal() + 0.35 * (size - 1)
    vcdr = float(np.clip(vcdr, *VCDR_RANGE))
    turned = bool(rng.random() < label_noise)
    height = DISC_HEIGHT_DEG * size
    width = height * float(np.clip(rng.normal(0.92, 0.04), 0.8, 1.02))
    return Eye(
        patient=f"P{index + 1:05d}",
        eye=eye,
        site=site,
        label="glaucoma" if ill != turned else "normal",
        vcdr=vcdr,
        disc_height=height,
        disc_width=width,
        cup_width=width * vcdr * float(np.clip(rng.normal(0.97, 0.05), 0.82, 1.08)),
        cup_shift=float(rng.uniform(-0.02, 0.1)),
        cup_contrast=float(rng.uniform(0.55, 1.1)),
        atrophy=float(rng.uniform(0.15, 0.5)) if rng.random() < 0.25 else 0.0,
        pigment=float(np.clip(traits["pigment"] + rng.normal(0, 0.08), -1, 1)),
        tessellation=traits["tessellation"],
        haze=traits["haze"],
        exposure=float(np.clip(rng.normal(1, 0.1), 0.72, 1.25)),
        blots=int(rng.integers(2, 9)) if rng.random() < 0.12 else 0,
        drusen=int(rng.integers(6, 40)) if rng.random() < 0.15 else 0,
        gaze=(float(rng.normal(0, 1.5)), float(rng.normal(0, 1.2))),
        tilt_deg=float(rng.normal(0, 5)),
        entropy=(seed, 3, index, 0 if eye == "R" else 1),
    )


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
