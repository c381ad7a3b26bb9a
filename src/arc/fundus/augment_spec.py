"""What may be changed about a training photograph: a policy, as the parameters of a recipe hold it.

Imports core alone: no torch. Each change has the probability with which a photograph meets it and the strength that it
has at most; the strength itself is drawn for each photograph. `arc.fundus.effects` does the changing. Lengths are
shares of the picture's side, so that one policy means the same at every input size.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Effect(BaseModel):
    """One change: how often, and how strongly at most. Off unless a probability is given."""

    model_config = _CONFIG

    probability: float = Field(0.0, ge=0, le=1, description="Share of the photographs that it is done to.")


class Flip(Effect):
    """Mirror left to right, top to bottom, or both."""

    strength: float = Field(0.5, ge=0, le=1, description="Chance that a flip goes top to bottom; else it goes left to right.")


class Rotate(Effect):
    """Turn about the middle."""

    strength: float = Field(15.0, ge=0, le=180, description="Most degrees, either way.")


class Crop(Effect):
    """Look at a smaller square of the picture, anywhere in it, at the full input size."""

    strength: float = Field(0.15, ge=0, le=0.9, description="Most of the side that is cut away, as a share.")


class Brightness(Effect):
    """Make the whole picture lighter or darker."""

    strength: float = Field(0.15, ge=0, le=1, description="Most change of the gain, either way: 0.15 is 0.85 to 1.15.")


class Contrast(Effect):
    """Spread the levels about their mean, or draw them together."""

    strength: float = Field(0.15, ge=0, le=1, description="Most change of the distance from the mean, either way.")


class Gamma(Effect):
    """Bend the curve of the levels; black and white stay."""

    strength: float = Field(0.2, ge=0, le=2, description="Most change of the exponent, as a factor: 0.2 is 1/1.2 to 1.2.")


class Colour(Effect):
    """Make each channel lighter or darker by itself, as another lamp or camera does."""

    strength: float = Field(0.075, ge=0, le=1, description="Most change of a channel's gain, either way.")


class GaussianNoise(Effect):
    """Add noise to each pixel and channel."""

    strength: float = Field(0.02, ge=0, le=0.5, description="Largest standard deviation, as a share of full scale.")


class GaussianBlur(Effect):
    """Blur evenly."""

    strength: float = Field(0.006, ge=0, le=0.1, description="Largest standard deviation, as a share of the side.")


class ElasticTransform(Effect):
    """Shift 4 x 4 points at random, everything between them smoothly along (Ronneberger et al., MICCAI 2015)."""

    strength: float = Field(0.02, ge=0, le=0.1, description="Standard deviation of the shifts, as a share of the side.")


class GridDistortion(Effect):
    """Stretch and press the columns and the rows of a grid of 5 x 5 cells."""

    strength: float = Field(0.2, ge=0, le=0.9, description="Most change of the width of a column or row, as a share of it.")


class CoarseDropout(Effect):
    """Hide 1 to 6 rectangles of the photograph under its mean colour; the mask stays as it is."""

    strength: float = Field(0.1, ge=0, le=0.5, description="Longest side of a rectangle, as a share of the picture's.")


class AugmentPolicy(BaseModel):
    """All that may be changed, in the order in which it is done; by default nothing is."""

    model_config = _CONFIG

    flip: Flip = Flip()
    rotate: Rotate = Rotate()
    crop: Crop = Crop()
    elastic_transform: ElasticTransform = ElasticTransform()
    grid_distortion: GridDistortion = GridDistortion()
    brightness: Brightness = Brightness()
    contrast: Contrast = Contrast()
    gamma: Gamma = Gamma()
    colour: Colour = Colour()
    gaussian_blur: GaussianBlur = GaussianBlur()
    gaussian_noise: GaussianNoise = GaussianNoise()
    coarse_dropout: CoarseDropout = CoarseDropout()


GENTLE: Final = AugmentPolicy(
    flip=Flip(probability=0.75),
    rotate=Rotate(probability=1.0, strength=15.0),
    crop=Crop(probability=0.5, strength=0.15),
    brightness=Brightness(probability=1.0, strength=0.15),
    colour=Colour(probability=1.0, strength=0.075),
)  # what a classifier is trained with unless another policy is given

MODERATE: Final = AugmentPolicy(
    flip=Flip(probability=0.5, strength=0.3),
    rotate=Rotate(probability=0.8, strength=20.0),
    crop=Crop(probability=0.8, strength=0.25),
    elastic_transform=ElasticTransform(probability=0.2, strength=0.015),
    brightness=Brightness(probability=0.8, strength=0.2),
    contrast=Contrast(probability=0.5, strength=0.15),
    gamma=Gamma(probability=0.5, strength=0.25),
    gaussian_blur=GaussianBlur(probability=0.1),
    gaussian_noise=GaussianNoise(probability=0.1),
)  # what the segmenter is trained with unless another policy is given
