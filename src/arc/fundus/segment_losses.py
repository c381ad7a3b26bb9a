"""Losses of segmentation: MONAI's of overlap, those of pixels that the classifier has too, and the distance to the outline.

Logits are N x K x H x W, classes N x H x W (0 background, 1 rim of the disc, 2 cup). With three exclusive classes the
background takes no part in the overlap, which it would drown. With two binary heads the disc holds the cup. Overlap is
counted over the whole batch: a square without a cup has no overlap of its own. Focal, weighted_bce, lovasz and boundary ask
of each pixel whether it is disc and whether it is cup, whatever the heads are. All is computed in 32 bits.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F

from arc.fundus.losses import focal, lovasz
from arc.fundus.mask_measures import distance_to
from arc.fundus.segment_loss_spec import SegmentLossOptions
from arc.fundus.segmenters import Heads

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
SUMS: Final = {  # names of sums of two
    "dice_ce": {"dice": 1.0, "cross_entropy": 1.0},
    "bce_dice": {"dice": 1.0, "weighted_bce": 1.0},
    "dice_focal": {"dice": 1.0, "focal": 1.0},
}


def segmentation_loss(options: SegmentLossOptions, heads: Heads) -> Loss:
    """The loss that was chosen as a function (logits, classes) -> scalar, a mean over the batch."""
    weights = options.loss_weights or SUMS.get(options.loss, {options.loss: 1.0})
    parts = [(weight, _part(name, options, heads)) for name, weight in weights.items()]

    def loss(logits_NKHW: torch.Tensor, classes_NHW: torch.Tensor) -> torch.Tensor:
        logits = logits_NKHW.float()
        return torch.stack([weight * part(logits, classes_NHW) for weight, part in parts]).sum()

    return loss


def _part(name: str, options: SegmentLossOptions, heads: Heads) -> Loss:
    if name in ("dice", "generalized_dice", "tversky"):
        return _overlap(name, options, heads)
    if name == "cross_entropy" and heads == "classes":
        return lambda logits, classes: F.cross_entropy(logits, classes.long(), label_smoothing=options.label_smoothing)
    if name == "cross_entropy":
        smooth = options.label_smoothing
        return lambda logits, classes: F.binary_cross_entropy_with_logits(logits, targets(classes, heads) * (1 - smooth) + smooth / 2)
    asked: dict[str, Loss] = {
        "focal": lambda odds, wanted: _focal(odds, wanted, options),
        "weighted_bce": lambda odds, wanted: F.binary_cross_entropy_with_logits(
            odds, wanted, pos_weight=torch.tensor(options.positive_weight, device=odds.device)
        ),
        "lovasz": lambda odds, wanted: lovasz(odds.sigmoid(), wanted),
        "boundary": lambda odds, wanted: boundary(odds.sigmoid(), wanted),
    }
    return lambda logits, classes: asked[name](nested_odds(logits, heads), targets(classes, "binary"))


def _overlap(name: str, options: SegmentLossOptions, heads: Heads) -> Loss:
    # Imported here: MONAI takes seconds, and only a training needs it.
    from monai.losses import DiceLoss, GeneralizedDiceLoss, TverskyLoss

    exclusive = heads == "classes"
    how: dict[str, Any] = {"softmax": exclusive, "sigmoid": not exclusive, "include_background": not exclusive, "batch": True}
    missed = options.tversky_missed  # alpha weighs what is too much, beta what is missed (Salehi et al., MLMI 2017)
    made: dict[str, Callable[[], Loss]] = {
        "dice": lambda: DiceLoss(**how),
        "generalized_dice": lambda: GeneralizedDiceLoss(**how),
        "tversky": lambda: TverskyLoss(alpha=1 - missed, beta=missed, **how),
    }
    overlap = made[name]()
    return lambda logits, classes: overlap(logits, targets(classes, heads))


def _focal(odds_N2HW: torch.Tensor, wanted_N2HW: torch.Tensor, options: SegmentLossOptions) -> torch.Tensor:
    """The focal loss of each pixel and structure as a question with two answers."""
    odds = odds_N2HW.flatten()
    return focal(
        torch.stack([torch.zeros_like(odds), odds], dim=1),
        wanted_N2HW.flatten().long(),
        gamma=options.focal_gamma,
        alpha=options.focal_alpha,
    )


def boundary(probabilities_NKHW: torch.Tensor, wanted_NKHW: torch.Tensor) -> torch.Tensor:
    """Boundary loss: the mean of probability times the distance to the true outline, negative inside (Kervadec et al., MIDL 2019, eq. 5).

    Distances are shares of the square's side. A square that shows nothing, or nothing else, has no outline and counts 0.
    The least value lies below 0.
    """
    shapes = wanted_NKHW.detach().cpu().numpy() > 0
    away = np.zeros(shapes.shape, np.float32)
    for at in np.ndindex(shapes.shape[:2]):
        if shapes[at].any() and not shapes[at].all():
            away[at] = (distance_to(shapes[at]) - distance_to(~shapes[at])) / shapes.shape[-1]
    return (probabilities_NKHW * torch.from_numpy(away).to(probabilities_NKHW.device)).mean()


def targets(classes_NHW: torch.Tensor, heads: Heads) -> torch.Tensor:
    """N x K x H x W of 0 and 1: one of background, rim and cup each; or disc and cup, where the disc holds the cup."""
    if heads == "classes":
        return torch.stack([classes_NHW == value for value in range(3)], dim=1).float()
    return torch.stack([classes_NHW >= 1, classes_NHW == 2], dim=1).float()


def nested(logits_NKHW: torch.Tensor, heads: Heads) -> torch.Tensor:
    """N x 2 x H x W: the probability of disc (cup included) and of cup, from the logits of either kind of heads."""
    if heads == "binary":
        return logits_NKHW.sigmoid()
    chances = logits_NKHW.softmax(dim=1)
    return torch.stack([1 - chances[:, 0], chances[:, 2]], dim=1)


def nested_odds(logits_NKHW: torch.Tensor, heads: Heads) -> torch.Tensor:
    """N x 2 x H x W: the logits of the probabilities that `nested` gives."""
    if heads == "binary":
        return logits_NKHW
    nothing, rim, cup = logits_NKHW.unbind(1)
    return torch.stack([torch.logaddexp(rim, cup) - nothing, cup - torch.logaddexp(nothing, rim)], dim=1)
