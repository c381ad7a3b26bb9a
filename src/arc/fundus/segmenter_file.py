"""Segmenter file: a segmenter back from its file, and the mask that it draws on a photograph.

The file says by itself which network it holds, at which size it looks, and whether it looks twice: first at the
whole field, then at the surroundings of what may be the disc there. Where that is several things, the one that looks most like
a disc from near is taken: from there it fills as much of the square as a disc must. Shared by the training, which judges itself by it
in the end, by the evaluation, and by whoever needs a disc where no mask was drawn.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from arc.core.errors import BadData
from arc.data.masks import BACKGROUND, CUP, DISC
from arc.fundus.framing import Window, around_disc, around_field, heaviest, largest
from arc.fundus.networks import standardised
from arc.fundus.segment_losses import nested
from arc.fundus.segmenters import Heads, unet
from arc.kit import checkpoint, tensorfile

RECIPE: Final = "fundus.segment"
LEVELS: Final = 5
TINY_WIDTHS: Final = (4, 8, 16)
_HALF: Final = 0.5
_WIDEST: Final = 2.0  # sides of the field: what would be seen in a larger square is no disc
_NOTHING: Final = 1e-4  # share of a square: so little of a disc is none


class SegmenterCard(BaseModel):
    """What a model file says of itself, beside its weights."""

    model_config = ConfigDict(frozen=True, extra="allow")

    recipe: Literal["fundus.segment"]
    model: Literal["unet", "attention_unet"]
    heads: Heads
    width: int = Field(ge=1, le=1024)  # channels of the first level
    input_size: int = Field(ge=16, le=4096)  # side in pixels
    focus: float = Field(ge=0, le=8)  # side of the second square in heights of the disc; 0 looks once
    flips: bool = False  # the answer is the mean of those about the square and its mirror images
    places: int = Field(1, ge=1, le=16)  # most places that are looked at from near
    tiny: bool = False
    seed: int = 0
    dataset_digest: str | None = None


@dataclass(frozen=True)
class Segmenter:
    """A network in evaluation mode, with its card."""

    network: nn.Module
    card: SegmenterCard
    device: torch.device


def network_of(card: SegmenterCard, *, dropout: float = 0.0) -> nn.Module:
    """The network that a card describes, freshly initialised; a tiny one (dummy mode) has three narrow levels."""
    widths = TINY_WIDTHS if card.tiny else tuple(card.width * 2**level for level in range(LEVELS))
    return unet(heads=card.heads, attention=card.model == "attention_unet", widths=widths, dropout=dropout)


def recipe_of(path: Path) -> str:
    """Which recipe made a model file, from its header alone; empty when it does not say. BadData when it is no such file."""
    described = tensorfile.read_meta(path).get("meta")
    return str(described.get("recipe", "")) if isinstance(described, dict) else ""


def load(path: Path, device: torch.device, *, simulated: bool = False, field: str = "model") -> Segmenter:
    """The segmenter in a model file; BadData naming `field` when it holds another model or does not fit its own description.

    One that was made in dummy mode is refused unless the asker is `simulated`, too: what it draws must not count.
    """
    weights = checkpoint.load_model_weights(path)
    made_by = str(weights.meta.get("recipe", ""))
    if made_by != RECIPE:
        raise BadData(f"{path.name} was made by {made_by[:80]!r}, not by {RECIPE}", field=field)
    try:
        card = SegmenterCard.model_validate(weights.meta)
    except ValidationError as error:
        raise BadData(f"{path.name} does not describe a segmenter: {error.errors()[0]['msg']}", field=field) from None
    if card.tiny and not simulated:
        raise BadData(f"{path.name} was made in dummy mode and counts for nothing; ask in dummy mode, too", field=field, value="simulated")
    network = network_of(card)
    checkpoint.put_weights(network, weights.tensors)
    return Segmenter(network.to(device).eval(), card, device)


def mask_of(segmenter: Segmenter, photograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """H x W: 0 background, 128 rim of the disc, 255 cup, for a photograph H x W x 3, RGB. Disc and cup are one piece each."""
    likely = _likely(segmenter, photograph)
    disc = largest(likely[0] >= _HALF)
    cup = largest((likely[1] >= _HALF) & disc)
    return np.where(cup, np.uint8(CUP), np.where(disc, np.uint8(DISC), np.uint8(BACKGROUND)))


def _likely(segmenter: Segmenter, photograph: NDArray[np.uint8]) -> NDArray[np.float32]:
    """2 x H x W: the probabilities of disc and cup from the last look, 0 beyond it."""
    card = segmenter.card
    field = around_field(photograph)
    far = _looked(segmenter, photograph, field)
    if not card.focus:
        return far
    windows = [around_disc(place, card.focus) for place in heaviest(far[0], _HALF, most=card.places)]
    near = [(window, _looked(segmenter, photograph, window)) for window in windows if window and window.side <= _WIDEST * field.side]
    if not near:
        return far
    return min(near, key=lambda seen: _unlike_disc(seen[1][0], seen[0], card.focus))[1]


def _unlike_disc(chances: NDArray[np.float32], window: Window, focus: float) -> float:
    """How far what was seen in a square is from filling it as a disc does, as a ratio's logarithm; 0 is a disc.

    A disc is the circle in the middle that is 1 / `focus` as wide as the square. A reflection is nothing from near, and a piece
    of a disc is all of the square.
    """
    share = float(chances[largest(chances >= _HALF)].sum()) / window.side**2
    return abs(math.log((share + _NOTHING) * focus**2 / (math.pi / 4)))


def _looked(segmenter: Segmenter, photograph: NDArray[np.uint8], window: Window) -> NDArray[np.float32]:
    """2 x H x W: the probabilities of disc and cup as seen in the window, 0 beyond it."""
    square = torch.from_numpy(np.ascontiguousarray(window.of(photograph, segmenter.card.input_size).transpose(2, 0, 1)))
    turns: list[list[int]] = [[], [1], [2], [1, 2]] if segmenter.card.flips else [[]]
    with torch.no_grad():
        logits = segmenter.network(standardised(torch.stack([square.flip(turn) for turn in turns]), segmenter.device))
        each = nested(logits.float(), segmenter.card.heads)
        maps = torch.stack([one.flip(turn) for one, turn in zip(each, turns, strict=True)]).mean(dim=0).cpu().numpy()
    return window.back(maps, *photograph.shape[:2])
