"""Drawing: one synthetic fundus photograph from what an eye shows.

Layers, from the back: choroid and pigment, nerve fibre sheen, macula, optic disc with its cup, vessels,
findings; then the camera: light, haze, colour, focus, the round field, sensor noise. Arrays are float32
RGB, H x W x 3, full scale 1. The mask (0 background, 128 disc, 255 cup) shares the geometry.

Not covered: pixel-true optics. It should look like a photograph that someone drew, and carry its ratio.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from arc.data.anatomy import Eye
from arc.data.vessels import FOVEA_DEG, Vessel, grow

_FUNDUS = np.array([0.80, 0.255, 0.105], np.float32)
_DARK = np.array([0.56, 0.165, 0.085], np.float32)
_PALE = np.array([0.92, 0.40, 0.18], np.float32)
_STREAK = np.array([0.13, 0.095, 0.045], np.float32)
_RIM = np.array([0.96, 0.53, 0.24], np.float32)
_CUP = np.array([1.02, 0.90, 0.62], np.float32)
_ATROPHY = np.array([0.93, 0.56, 0.30], np.float32)
_DRUSEN = np.array([0.96, 0.66, 0.26], np.float32)
_VEIN = np.array([0.30, 0.56, 0.42], np.float32)  # share of the light it takes away
_ARTERY = np.array([0.13, 0.44, 0.36], np.float32)
_BLOOD = np.array([0.42, 0.66, 0.55], np.float32)


@dataclass(frozen=True)
class View:
    """Where degrees of visual angle fall on the picture, or on a window of it."""

    radius: float  # of the round field, in pixels
    px_per_deg: float
    disc: tuple[float, float]  # x, y in pixels from the centre of the field
    mirror: int  # -1 for a left eye
    x: np.ndarray  # H x W, pixels from the centre of the field
    y: np.ndarray

    def at(self, x_deg: float, y_deg: float) -> tuple[float, float]:
        """Pixels from the centre of the field, of a point in degrees from the disc."""
        return self.disc[0] + self.mirror * x_deg * self.px_per_deg, self.disc[1] + y_deg * self.px_per_deg

    def window(self, centre: tuple[float, float], half_deg: float) -> tuple[slice, slice]:
        """Rows and columns within `half_deg` of a point, so that small things need no full picture."""
        half = half_deg * self.px_per_deg
        row, column = centre[1] - self.y[0, 0], centre[0] - self.x[0, 0]
        return (
            slice(max(int(row - half), 0), max(min(int(row + half) + 1, self.y.shape[0]), 0)),
            slice(max(int(column - half), 0), max(min(int(column + half) + 1, self.x.shape[1]), 0)),
        )

    def cut(self, window: tuple[slice, slice]) -> "View":
        """The same geometry on a window."""
        return replace(self, x=self.x[window], y=self.y[window])

    def ellipse(self, centre: tuple[float, float], width: float, height: float, tilt_deg: float = 0.0) -> np.ndarray:
        """H x W: 0 at `centre` (pixels), 1 on the ellipse with these full axes in degrees."""
        dx, dy = self.x - np.float32(centre[0]), self.y - np.float32(centre[1])
        cos, sin = math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg)) * self.mirror
        across, along = 2 / self.px_per_deg / width, 2 / self.px_per_deg / height
        u = np.float32(cos * across) * dx + np.float32(sin * across) * dy
        v = np.float32(cos * along) * dy - np.float32(sin * along) * dx
        return cv2.magnitude(u, v)


def draw(eye: Eye, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """The photograph (H x W x 3, uint8, RGB) and its mask (H x W, uint8); the longer side has `size_px`."""
    rng = np.random.default_rng(list(eye.entropy))
    view = _view(eye, size_px)
    image = _choroid(rng, eye, view)
    _macula(rng, image, view)
    mask = _disc(rng, image, eye, view)
    _vessels(rng, image, eye, view)
    _findings(rng, image, eye, view)
    return _camera(rng, image, eye, view), mask


def _view(eye: Eye, size_px: int) -> View:
    width, height = size_px, max(int(size_px * eye.site.aspect) // 2 * 2, 2)
    radius = 0.485 * width
    mirror = 1 if eye.eye == "R" else -1
    px_per_deg = 2 * radius / eye.site.fov_deg
    disc_x = (-FOVEA_DEG[0] - eye.site.gaze_deg + eye.gaze[0]) * mirror * px_per_deg
    disc_y = (-FOVEA_DEG[1] + eye.gaze[1]) * px_per_deg
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return View(radius, px_per_deg, (disc_x, disc_y), mirror, x - (width - 1) / 2, y - (height - 1) / 2)


def _soft(distance: np.ndarray, edge: float) -> np.ndarray:
    """1 inside an ellipse, 0 outside, blending over `edge` around its line."""
    return np.clip((1 - distance) / edge + 0.5, 0, 1)


def _cloud(rng: np.random.Generator, view: View, cells: int) -> np.ndarray:
    """H x W: smooth noise with about `cells` bumps across, mean 0, spread 1."""
    grid = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    return cv2.resize(grid, view.x.shape[::-1], interpolation=cv2.INTER_CUBIC)


def _blend(image: np.ndarray, colour: np.ndarray, share: np.ndarray) -> None:
    image += (colour - image) * share[..., None]


def _choroid(rng: np.random.Generator, eye: Eye, view: View) -> np.ndarray:
    other = _DARK if eye.pigment > 0 else _PALE
    base = _FUNDUS + (other - _FUNDUS) * np.float32(abs(eye.pigment) * 0.8)
    tone = 1 + 0.05 * _cloud(rng, view, 4) + 0.03 * _cloud(rng, view, 14) + 0.012 * _cloud(rng, view, 48)
    # the nerve fibre layer shines in two bands above and below the disc
    for sign in (-1, 1):
        band = view.ellipse(view.at(-3.0, sign * 6.5), 17, 8, sign * 32)
        tone += 0.12 * cv2.exp(-band * band)
    image = base * tone[..., None]
    if eye.tessellation > 0.05:  # choroidal vessels: the zero lines of noise form a net of streaks
        net = cv2.exp(-(_cloud(rng, view, 18) ** 2) * 9) + 0.6 * cv2.exp(-(_cloud(rng, view, 27) ** 2) * 9)
        away = np.clip(view.ellipse(view.at(*FOVEA_DEG), 22, 20) - 0.35, 0, 1)
        image += _STREAK * (np.float32(0.7 * eye.tessellation) * (net - 0.45) * away)[..., None]
    return image


def _macula(rng: np.random.Generator, image: np.ndarray, view: View) -> None:
    centre = view.at(*FOVEA_DEG)
    window = view.window(centre, 10)
    patch = view.cut(window)
    depth = np.float32(rng.uniform(0.75, 1.25))
    if patch.x.size:
        wide, spot = patch.ellipse(centre, 8.5, 7.5), patch.ellipse(centre, 3.0, 2.8)
        wide, spot = depth * cv2.exp(-wide * wide), depth * cv2.exp(-spot * spot)
        image[window] *= (
            1 - wide[..., None] * np.array([0.20, 0.30, 0.22], np.float32) - spot[..., None] * np.array([0.12, 0.16, 0.12], np.float32)
        )


def _disc(rng: np.random.Generator, image: np.ndarray, eye: Eye, view: View) -> np.ndarray:
    """Paint the disc and its cup; returns the mask of the whole picture."""
    window = view.window(view.disc, 9)
    patch, part = view.cut(window), image[window]
    disc = patch.ellipse(view.disc, eye.disc_width, eye.disc_height, eye.tilt_deg)
    part *= 1 + 0.18 * (np.exp(-np.clip(disc - 1, 0, None) * 2.2))[..., None]
    if eye.atrophy:
        beside = view.at(-eye.atrophy * 2.2, 0.3)
        crescent = patch.ellipse(beside, eye.disc_width * (1 + eye.atrophy * 0.5), eye.disc_height * 1.06, eye.tilt_deg)
        _blend(part, _ATROPHY, _soft(crescent, 0.14) * 0.5)
    inside = _soft(disc, 0.13)
    towards_nose = view.mirror * (patch.x - view.disc[0]) / (eye.disc_width * view.px_per_deg / 2)
    shade = (1 - 0.14 * np.clip(towards_nose, -0.6, 1)) * (1 + 0.03 * _cloud(rng, patch, 14))
    _blend(part, _RIM * shade[..., None], inside * 0.9)
    _blend(part, _ATROPHY, np.exp(-(((disc - 1.06) / 0.07) ** 2)) * rng.uniform(0, 0.35))  # the scleral ring
    centre = view.at(-eye.cup_shift * eye.disc_width / 2, rng.normal(0, 0.04))
    cup = patch.ellipse(centre, eye.cup_width, eye.vcdr * eye.disc_height, eye.tilt_deg)
    pit = _soft(cup, 0.22) * (0.8 + 0.2 * np.clip(1.2 - cup, 0, 1))
    _blend(part, _CUP, np.clip(pit * eye.cup_contrast, 0, 1) * inside)
    mask = np.zeros(view.x.shape, np.uint8)
    mask[window][disc <= 1] = 128
    mask[window][(cup <= 1) & (disc <= 1)] = 255
    return mask


def _vessels(rng: np.random.Generator, image: np.ndarray, eye: Eye, view: View) -> None:
    tree = grow(rng)
    strength = np.float32(rng.uniform(0.8, 1.1))
    for vein, takes in ((True, _VEIN), (False, _ARTERY)):
        cover = _strokes([vessel for vessel in tree if vessel.vein is vein], view)
        image *= 1 - cover[..., None] * (takes * strength)


def _strokes(vessels: list[Vessel], view: View) -> np.ndarray:
    """H x W, 0 to 1: how much of each pixel vessels cover; drawn at twice the size."""
    height, width = view.x.shape
    canvas = np.zeros((height * 2, width * 2), np.uint8)
    scale = np.array([view.mirror * view.px_per_deg, view.px_per_deg], np.float32)
    origin = np.array([view.disc[0] - view.x[0, 0], view.disc[1] - view.y[0, 0]], np.float32)
    for vessel in vessels:
        pixels = ((origin + vessel.points * scale) * 32).astype(np.int32).reshape(-1, 1, 2)
        pieces = 5 if len(pixels) > 9 else 2
        for piece in range(pieces):
            wide = vessel.width * (1 - 0.6 * piece / pieces) * view.px_per_deg * 2
            shade = int(255 * min(1.0, 0.3 + 0.35 * wide) * (1 - 0.6 * (piece / pieces) ** 2))
            line = pixels[len(pixels) * piece // pieces : len(pixels) * (piece + 1) // pieces + 1]
            cv2.polylines(canvas, [line], False, shade, max(round(wide), 1), cv2.LINE_AA, 4)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _findings(rng: np.random.Generator, image: np.ndarray, eye: Eye, view: View) -> None:
    """Blots and drusen: seen in ill and healthy alike, to be told from what matters."""
    if eye.blots:
        image *= 1 - _spots(rng, view, eye.blots, around=(-9.0, 0.0), spread=8.0, sizes=(0.3, 1.0))[..., None] * _BLOOD
    if eye.drusen:
        _blend(image, _DRUSEN, _spots(rng, view, eye.drusen, around=FOVEA_DEG, spread=3.2, sizes=(0.16, 0.5)) * 0.5)


def _spots(
    rng: np.random.Generator, view: View, count: int, *, around: tuple[float, float], spread: float, sizes: tuple[float, float]
) -> np.ndarray:
    """H x W, 0 to 1: soft ellipses scattered around a point; all lengths in degrees."""
    layer = np.zeros(view.x.shape, np.uint8)
    for _ in range(count):
        x, y = view.at(rng.normal(around[0], spread), rng.normal(around[1], spread))
        at = (int((x - view.x[0, 0]) * 16), int((y - view.y[0, 0]) * 16))
        long = rng.uniform(*sizes) * view.px_per_deg * 8
        axes = (max(int(long), 6), max(int(long * rng.uniform(0.45, 1)), 5))
        cv2.ellipse(layer, at, axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(layer, (0, 0), 0.6).astype(np.float32) / 255


def _camera(rng: np.random.Generator, image: np.ndarray, eye: Eye, view: View) -> np.ndarray:
    """What the camera makes of it: uint8 RGB."""
    site, width = eye.site, view.x.shape[1]
    away = cv2.magnitude(view.x, view.y) * np.float32(1 / view.radius)
    lean = rng.normal(0, 0.11, 2).astype(np.float32) / np.float32(view.radius)
    light = 1 - np.float32(site.vignette) * away * away + view.x * lean[0] + view.y * lean[1]
    image *= np.clip(light, 0.2, 1.6)[..., None] * (np.float32(eye.exposure) * np.array(site.cast, np.float32))
    if eye.haze:
        veil = np.clip(0.55 + 0.35 * _cloud(rng, view, 3), 0, 1.2) * np.float32(eye.haze)
        _blend(image, np.array([0.74, 0.44, 0.28], np.float32), veil)
    sigma = min(site.blur_px + rng.exponential(0.22), 1.5) * width / 256
    if sigma > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    image = _film(site.gamma)[np.clip(image * 1024, 0, 2047).astype(np.uint16)]
    field = np.clip((1 - away) * np.float32(view.radius / 1.5), 0, 1)
    if site.tab:
        notch = cv2.magnitude(view.x - np.float32(view.radius * 0.8), view.y + np.float32(view.radius * 0.58)) < view.radius * 0.05
        field = np.maximum(field, notch.astype(np.float32))
    grain = rng.standard_normal(view.x.shape, dtype=np.float32) * np.float32(site.noise) * (0.3 + 0.7 * field)
    image = image * field[..., None] + grain[..., None]
    return np.clip(image * 255, 0, 255).astype(np.uint8)


@cache
def _film(gamma: float) -> np.ndarray:
    """2048 values: the response to light from 0 to 2, with a soft shoulder so that highlights do not clip hard."""
    light = (np.arange(2048, dtype=np.float32) / 1024) ** np.float32(gamma)
    return np.where(light < 0.7, light, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3)).astype(np.float32)
