"""Losses of segmentation, by name: MONAI's overlap losses, and cross-entropy beside them.

Logits are N x K x H x W, classes N x H x W (0 background, 1 rim of the disc, 2 cup). With three exclusive classes the
background takes no part in the overlap, which it would drown. With two binary heads the disc holds the cup. Overlap is
counted over the whole batch: a square without a cup has no overlap of its own.
"""

from collections.abc import Callable
from typing import Any, Final

import torch
import torch.nn.functional as F

from arc.core.errors import InvalidSpec
from arc.fundus.segmenters import Heads

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
NAMES: Final = ("dice_ce", "dice", "cross_entropy", "tversky", "dice_focal")
_MISSED: Final = 0.7  # Tversky's weight of what is missed; of what is too much it is 1 - this (Salehi et al., MLMI 2017)


def segmentation_loss(name: str, heads: Heads) -> Loss:
    """The loss called `name` as a function (logits, classes) -> scalar, a mean over the batch; InvalidSpec for another name."""
    # Imported here: MONAI takes seconds, and only a training needs it.
    from monai.losses import DiceFocalLoss, DiceLoss, TverskyLoss

    if name not in NAMES:
        raise InvalidSpec(f"there is no loss {name[:80]!r}; there are {', '.join(NAMES)}", field="loss", value=name[:80])
    exclusive = heads == "classes"
    how: dict[str, Any] = {"softmax": exclusive, "sigmoid": not exclusive, "include_background": not exclusive, "batch": True}
    overlaps: dict[str, Callable[[], Loss]] = {
        "dice_ce": lambda: DiceLoss(**how),
        "dice": lambda: DiceLoss(**how),
        "tversky": lambda: TverskyLoss(alpha=1 - _MISSED, beta=_MISSED, **how),
        "dice_focal": lambda: DiceFocalLoss(**how),
    }
    overlap = overlaps[name]() if name in overlaps else None
    entropy = name in ("dice_ce", "cross_entropy")

    def loss(logits_NKHW: torch.Tensor, classes_NHW: torch.Tensor) -> torch.Tensor:
        wanted = targets(classes_NHW, heads)
        parts = [overlap(logits_NKHW, wanted)] if overlap else []
        if entropy:
            bits = F.binary_cross_entropy_with_logits
            parts.append(F.cross_entropy(logits_NKHW, classes_NHW.long()) if exclusive else bits(logits_NKHW, wanted))
        return torch.stack(parts).sum()

    return loss


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
