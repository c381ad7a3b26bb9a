"""DRI, the Disc Relevance Index: how much of what a classifier looks at is the optic disc.

The map of a photograph, enlarged and stretched to 0..1 (`arc.fundus.cam.heat`), is cut at a threshold; DRI is the intersection
of what is left with the mask of the disc, over their union. Beside it stand the share of the map's energy inside the
disc (as in Score-CAM, Wang et al., CVPR workshops 2020) and the pointing game: whether the highest point lies inside the
disc (Zhang et al., IJCV 126, 2018; no tolerance here).

A number alone says little, because a bright disc draws any map. So each has controls: the same network with random weights
(the sanity check of Adebayo et al., NeurIPS 2018), the same map against the mask moved elsewhere in the field, and how much the
score drops when the disc is painted over, or the same shape elsewhere. A flat or empty map shows nothing: it is told as
such and counts as 0, since a mean over the others alone would flatter.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from arc.core.errors import Cancelled
from arc.data.pictures import field_of_view
from arc.fundus.cam import Cams, Method, State, heat, look
from arc.fundus.networks import standardised
from arc.kit.seeding import derive
from arc.stats import Interval, bootstrap

Mask = NDArray[np.bool_]
Heat = NDArray[np.float32]
Bytes = NDArray[np.uint8]
_TRIES: Final = 400  # places that are drawn for a moved mask before it is given up
_INSIDE: Final = 0.98  # of a moved mask must lie in the field
_SPREAD: Final = 0.02  # of random tokens and positions, as transformers begin with


@dataclass(frozen=True)
class Relevance:
    """One map against one mask; all 0 for a map that shows nothing."""

    iou: float
    energy: float  # share of the map inside the mask
    pointing: float  # 1 when the highest point lies inside the mask


@dataclass(frozen=True)
class Measured:
    """One photograph: its map, DRI and controls."""

    heat_HW: Heat
    state: State
    class_index: int
    probability: float  # of that class
    disc: Relevance
    random: Relevance  # with random weights, the mean over draws
    moved: Relevance | None  # against moved masks, the mean over places; None where the disc fits nowhere else
    drop: float  # of the probability when the disc is painted over
    drop_elsewhere: float | None  # when a moved mask is, the mean over places


@dataclass(frozen=True)
class Rules:
    """How it is measured."""

    method: Method = "gradcam"
    threshold: float = 0.5
    randomisations: int = 3
    positions: int = 4
    batch_size: int = 16
    seed: int = 0
    temperature: float = 1.0  # of the classifier's card


def relevance(heat_HW: Heat, mask_HW: Mask, *, threshold: float = 0.5) -> Relevance:
    """How a map between 0 and 1 agrees with a mask of its size."""
    total = float(heat_HW.sum())
    if total == 0:
        return Relevance(0.0, 0.0, 0.0)
    hot = heat_HW >= threshold
    union = np.count_nonzero(hot | mask_HW)
    inside = float(heat_HW[mask_HW].sum()) / total
    return Relevance(np.count_nonzero(hot & mask_HW) / union, inside, float(mask_HW.flat[heat_HW.argmax()]))


def moved(mask_HW: Mask, field_HW: Mask, *, count: int, seed: int) -> list[Mask]:
    """At most `count` copies of a mask elsewhere in the field, none of them touching the mask itself."""
    rows, columns = np.nonzero(mask_HW)
    height, width = mask_HW.shape
    if not len(rows):
        return []
    top, left = rows - rows.min(), columns - columns.min()
    free = field_HW & ~mask_HW
    random, found = np.random.default_rng(seed), []
    for _ in range(_TRIES):
        down, across = random.integers(0, height - top.max()), random.integers(0, width - left.max())
        there = (top + down, left + across)
        if not mask_HW[there].any() and free[there].mean() >= _INSIDE:
            copied = np.zeros_like(mask_HW)
            copied[there] = True
            found.append(copied)
            if len(found) == count:
                break
    return found


def painted(image_HWC: Bytes, part_HW: Mask, field_HW: Mask) -> Bytes:
    """The image with a part in the mean colour of the rest of the field."""
    rest = field_HW & ~part_HW
    made = image_HWC.copy()
    made[part_HW] = image_HWC[rest].mean(axis=0).round() if rest.any() else 0
    return made


def randomised(network: nn.Module, images_u8: torch.Tensor, *, seed: int) -> nn.Module:
    """A copy with new random weights, in evaluation mode; its batch norms are measured on the images, or maps would fade with depth."""
    made = copy.deepcopy(network).requires_grad_(False)
    device = next(made.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for module in made.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
            else:
                for parameter in module.parameters(recurse=False):
                    nn.init.normal_(parameter, std=_SPREAD)
        norms = [module for module in made.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.train()
            norm.momentum = None  # the plain mean over what it sees
        if norms and len(images_u8) > 1:
            made(standardised(images_u8, device))
    return made.eval()


def measure(
    network: nn.Module,
    images_u8: torch.Tensor,
    discs: Sequence[Mask],
    *,
    layer: str,
    rules: Rules,
    classes_N: torch.Tensor | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Measured]:
    """Each of the images (N x 3 x S x S, bytes) with its disc (S x S): maps of the class called, or of `classes_N`.

    Cancelled between two steps when `stop` says so.
    """
    size = images_u8.shape[-1]
    own = look(
        network, images_u8, layer=layer, method=rules.method, classes_N=classes_N, batch_size=rules.batch_size, temperature=rules.temperature
    )  # fmt: skip
    heats, states = heat(own.maps_NHW, size)
    chance = _with_random_weights(network, images_u8, discs, own, layer=layer, rules=rules, stop=stop)
    found = []
    for at, disc in enumerate(discs):
        if stop():
            raise Cancelled(f"asked to stop after {at} of {len(discs)} photographs")
        image, one = images_u8[at].permute(1, 2, 0).numpy(), heats[at].numpy()
        field = field_of_view(image).inside(size, size) > 0
        places = moved(disc, field, count=rules.positions, seed=derive(rules.seed, "moved", at))
        without = _probabilities(network, [painted(image, part, field) for part in (disc, *places)], int(own.classes_N[at]), rules)
        seen = float(own.probabilities_N[at])
        found.append(
            Measured(
                heat_HW=one,
                state=states[at],
                class_index=int(own.classes_N[at]),
                probability=seen,
                disc=relevance(one, disc, threshold=rules.threshold),
                random=chance[at],
                moved=_mean([relevance(one, place, threshold=rules.threshold) for place in places]) if places else None,
                drop=seen - without[0],
                drop_elsewhere=seen - float(np.mean(without[1:])) if places else None,
            )
        )
    return found


def _with_random_weights(
    network: nn.Module, images_u8: torch.Tensor, discs: Sequence[Mask], own: Cams, *, layer: str, rules: Rules, stop: Callable[[], bool]
) -> list[Relevance]:
    """For each image the mean over networks with random weights."""
    draws: list[list[Relevance]] = [[] for _ in discs]
    for number in range(rules.randomisations):
        if stop():
            raise Cancelled(f"asked to stop after {number} of {rules.randomisations} networks with random weights")
        other = randomised(network, images_u8[: rules.batch_size], seed=derive(rules.seed, "random", number))
        maps = look(other, images_u8, layer=layer, method=rules.method, classes_N=own.classes_N, batch_size=rules.batch_size).maps_NHW
        heats, _ = heat(maps, images_u8.shape[-1])
        for at, disc in enumerate(discs):
            draws[at].append(relevance(heats[at].numpy(), disc, threshold=rules.threshold))
    return [_mean(one) for one in draws]


def _probabilities(network: nn.Module, images: Sequence[Bytes], class_index: int, rules: Rules) -> list[float]:
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    device = next(network.parameters()).device
    with torch.no_grad():
        logits_NK = torch.cat([network(standardised(part, device)).float().cpu() for part in stacked.split(rules.batch_size)])
    return [float(value) for value in (logits_NK / rules.temperature).softmax(dim=1)[:, class_index]]


def _mean(found: Sequence[Relevance]) -> Relevance:
    return Relevance(*np.mean([(one.iou, one.energy, one.pointing) for one in found], axis=0).tolist())


def summary(
    found: Sequence[Measured], patients: Sequence[str] | None, *, valid_from: float, confidence: float, seed: int
) -> dict[str, Any]:
    """mean_dri with its interval by patient, the controls with theirs, and how far DRI lies above each control, as JSON values.

    `valid` is whether the mean reaches `valid_from`; whether that means anything is what `above` says.
    """

    def interval(value: Callable[[Measured], float | None]) -> dict[str, Any]:
        rows = [(value(one), str(at) if patients is None else patients[at]) for at, one in enumerate(found)]
        there = [(number, patient) for number, patient in rows if number is not None]
        if not there:
            return Interval(None, None, None, 0, confidence, "the disc fits nowhere else in the field").as_dict()
        numbers, groups = zip(*there, strict=True)
        return bootstrap(np.mean, np.array(numbers), groups=groups, confidence=confidence, seed=seed).as_dict()

    mean = interval(lambda one: one.disc.iou)
    return {
        "mean_dri": mean["value"],
        "mean_dri_interval": mean,
        "valid": mean["value"] is not None and mean["value"] >= valid_from,
        "valid_from": valid_from,
        "energy": interval(lambda one: one.disc.energy),
        "pointing": interval(lambda one: one.disc.pointing),
        "drop": interval(lambda one: one.drop),
        "controls": {
            "random_dri": interval(lambda one: one.random.iou),
            "random_energy": interval(lambda one: one.random.energy),
            "random_pointing": interval(lambda one: one.random.pointing),
            "moved_dri": interval(lambda one: None if one.moved is None else one.moved.iou),
            "moved_energy": interval(lambda one: None if one.moved is None else one.moved.energy),
            "moved_pointing": interval(lambda one: None if one.moved is None else one.moved.pointing),
            "drop_elsewhere": interval(lambda one: one.drop_elsewhere),
        },
        "above": {
            "random_dri": interval(lambda one: one.disc.iou - one.random.iou),
            "moved_dri": interval(lambda one: None if one.moved is None else one.disc.iou - one.moved.iou),
            "drop_elsewhere": interval(lambda one: None if one.drop_elsewhere is None else one.drop - one.drop_elsewhere),
        },
        "maps": {state: sum(one.state == state for one in found) for state in ("ok", "flat", "empty")},
    }
