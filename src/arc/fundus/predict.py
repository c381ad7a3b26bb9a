"""Predict: a classifier back from its file, and probabilities from photographs.

The file says by itself which network it holds, at which size it looks, by which temperature its logits are divided, and
from which probability on its author calls it glaucoma. One file may hold several classifiers that answer as one (`arc.fundus.ensemble`),
and beside them the segmenter that finds the disc for them (`arc.fundus.focus`): no second file is needed.
Shared by the evaluation and by whoever serves the model.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from arc.core.errors import BadData
from arc.fundus import segmenter_file
from arc.fundus.ensemble_network import RECIPE as ENSEMBLE
from arc.fundus.ensemble_network import Ensemble
from arc.fundus.ensemble_spec import MOST
from arc.fundus.focus import Focus
from arc.fundus.networks import build, standardised
from arc.fundus.segmenter_file import Segmenter, SegmenterCard
from arc.kit import checkpoint

RECIPE = "fundus.classify"
CLASSIFIERS = (RECIPE, ENSEMBLE)  # recipes that leave what `load` reads
POINTS = {"val_specificity_85": 0.85, "val_specificity_95": 0.95}  # thresholds beside the main one, by what they keep on validation
SEGMENTER = "segmenter"  # before the names of its weights


class FocusCard(BaseModel):
    """How a classifier finds the disc, and how much around it it looks at."""

    model_config = ConfigDict(frozen=True)

    heights: float = Field(ge=1, le=8)  # side of the square, in heights of the disc
    segmenter: SegmenterCard


class Member(BaseModel):
    """A classifier in an ensemble."""

    model_config = ConfigDict(frozen=True)

    seed: int
    temperature: float = Field(gt=0, allow_inf_nan=False)  # its own: what it says alone is what it says here
    threshold: float = Field(ge=0, le=1)  # its own; the ensemble has another
    digest: str  # SHA-256 of the file it came from


class ModelCard(BaseModel):
    """What a model file says of itself, beside its weights."""

    model_config = ConfigDict(frozen=True, extra="allow")

    recipe: str
    model: str
    input_size: int = Field(ge=8, le=4096)  # side in pixels
    classes: list[str]
    threshold: float = Field(ge=0, le=1)  # probability of the last class, chosen on validation
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)  # logits are divided by it; fitted on validation
    points: dict[str, float] = {}  # further thresholds chosen on validation, by the names of POINTS
    members: tuple[Member, ...] = Field((), max_length=MOST)  # of an ensemble; () for a classifier alone
    focus: FocusCard | None = None  # looks at the whole field without
    tiny: bool = False
    seed: int = 0
    dataset_digest: str | None = None


@dataclass(frozen=True)
class Classifier:
    """A network in evaluation mode, with its card, and what finds the disc for it."""

    network: nn.Module
    card: ModelCard
    device: torch.device
    focus: Focus | None = None


def load(path: Path, device: torch.device, *, simulated: bool = False, field: str = "model") -> Classifier:
    """The classifier in a model file; BadData naming `field` when it is none of ours or does not fit its own description.

    One that was made in dummy mode is refused unless the asker is `simulated`, too: what it says must not count.
    """
    weights = checkpoint.load_model_weights(path, finite=False)  # looked at below, beside what the network is built with
    made_by = str(weights.meta.get("recipe", ""))[:80]
    if made_by not in CLASSIFIERS:
        raise BadData(f"{path.name} was made by {made_by!r}, not by {' or '.join(CLASSIFIERS)}", field=field, value=made_by)
    try:
        card = ModelCard.model_validate(weights.meta)
    except ValidationError as error:
        raise BadData(f"{path.name} does not describe a classifier: {error.errors()[0]['msg']}", field=field) from None
    if (card.recipe == ENSEMBLE) is not bool(card.members):
        raise BadData(f"{path.name} was made by {card.recipe} and names {len(card.members)} members", field=field)
    if card.tiny and not simulated:
        raise BadData(f"{path.name} was made in dummy mode and counts for nothing; ask in dummy mode, too", field=field, value="simulated")
    network, finder = network_of(card), segmenter_file.network_of(card.focus.segmenter) if card.focus else None
    with_finder(network, finder)
    checkpoint.put_weights(network, weights.tensors, finite=True)
    network.to(device).eval()
    if card.focus is None or finder is None:
        return Classifier(network, card, device)
    delattr(network, SEGMENTER)  # it is in the file alone: whoever looks inside a classifier must not meet it
    return Classifier(network, card, device, Focus(Segmenter(finder, card.focus.segmenter, device), card.focus.heights))


def with_finder(network: nn.Module, finder: nn.Module | None) -> nn.Module:
    """The classifier as it is saved: with what finds the disc for it, if anything does, as one more of its parts."""
    if finder is not None:
        network.add_module(SEGMENTER, finder)
    return network


def network_of(card: ModelCard) -> nn.Module:
    """The network that a card describes, freshly initialised."""
    built = [build(card.model, dropout=0.0, size=card.input_size, tiny=card.tiny) for _ in card.members or (None,)]
    return Ensemble(built, temperatures=[member.temperature for member in card.members]) if card.members else built[0]


def logits(network: nn.Module, images_u8: torch.Tensor, *, device: torch.device, batch_size: int) -> torch.Tensor:
    """N x classes logits, float32 on the CPU, of images N x 3 x S x S as bytes; in evaluation mode."""
    with torch.no_grad():
        return torch.cat([network(standardised(images, device)).float().cpu() for images in images_u8.split(batch_size)])


def probabilities(
    network: nn.Module, images_u8: torch.Tensor, *, device: torch.device, batch_size: int, temperature: float = 1.0
) -> torch.Tensor:
    """N probabilities of the last class, float32 on the CPU, of images N x 3 x S x S as bytes; in evaluation mode."""
    return of_logits(logits(network, images_u8, device=device, batch_size=batch_size), temperature)


def of_logits(logits_NK: torch.Tensor, temperature: float) -> torch.Tensor:
    """N probabilities of the last class."""
    return (logits_NK / temperature).softmax(dim=1)[:, -1]
