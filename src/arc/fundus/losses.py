"""Losses of a classifier over N x 2 logits and N classes, and the overlap losses that a segmenter may add.

Each gives the mean over its batch. MONAI has most losses of segmentation (`arc.fundus.segment_losses`); Lovász is here.
"""

import torch
import torch.nn.functional as F

from arc.core.errors import InvalidSpec
from arc.fundus.loss_spec import LossOptions


def loss_of(options: LossOptions, logits_NK: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
    """The loss that was chosen, a scalar."""
    parts = options.loss_weights if options.loss == "compound" else {options.loss: 1.0}
    return torch.stack([weight * _part(name, options, logits_NK, labels_N) for name, weight in parts.items()]).sum()


def _part(name: str, options: LossOptions, logits_NK: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
    if name == "cross_entropy":
        return F.cross_entropy(logits_NK, labels_N, label_smoothing=options.label_smoothing)
    if name == "focal":
        return focal(logits_NK, labels_N, gamma=options.focal_gamma, alpha=options.focal_alpha)
    if name == "weighted_bce":
        return weighted_bce(logits_NK, labels_N, positive_weight=options.positive_weight)
    raise InvalidSpec(f"there is no loss {name[:80]!r}", field="loss", value=name[:80])


def focal(logits_NK: torch.Tensor, labels_N: torch.Tensor, *, gamma: float, alpha: float | None = None) -> torch.Tensor:
    """Focal loss, the mean of -a (1 - p)^gamma log p over the true classes (Lin et al., ICCV 2017).

    a is `alpha` for the last class and 1 - alpha for the others; without alpha it is 1.
    """
    log_p_N = logits_NK.log_softmax(dim=1).gather(1, labels_N.unsqueeze(1)).squeeze(1)
    # 1 - p from log p keeps its digits where p is near 1; the clamp keeps the slope of x^gamma finite at 0.
    miss_N = (-torch.expm1(log_p_N)).clamp_min(1e-12)
    loss_N = -(miss_N.pow(gamma) * log_p_N)
    if alpha is not None:
        loss_N = loss_N * torch.where(labels_N == logits_NK.shape[1] - 1, alpha, 1 - alpha)
    return loss_N.mean()


def weighted_bce(logits_N2: torch.Tensor, labels_N: torch.Tensor, *, positive_weight: float) -> torch.Tensor:
    """Binary cross-entropy of the second class against the first, its positives weighing `positive_weight`."""
    odds_N = logits_N2[:, 1] - logits_N2[:, 0]  # the softmax of two logits is the sigmoid of their difference
    weight = torch.tensor(positive_weight, dtype=odds_N.dtype, device=odds_N.device)
    return F.binary_cross_entropy_with_logits(odds_N, labels_N.to(odds_N.dtype), pos_weight=weight)


def lovasz(probabilities_NKHW: torch.Tensor, wanted_NKHW: torch.Tensor) -> torch.Tensor:
    """Lovász extension of the Jaccard loss, a mean over the channels that occur in the batch (Berman et al., CVPR 2018, eq. 9).

    Takes probabilities (a softmax or sigmoid of logits) and targets of 0 and 1; 0 when no channel occurs.
    """
    found = []
    for probability, wanted in zip(probabilities_NKHW.unbind(1), wanted_NKHW.unbind(1), strict=True):
        if not bool(wanted.any()):
            continue
        error, order = (wanted - probability).abs().flatten().sort(descending=True)
        truth = wanted.flatten()[order]
        union = truth.sum() + (1 - truth).cumsum(0)
        jaccard = 1 - (truth.sum() - truth.cumsum(0)) / union
        found.append(error @ torch.diff(jaccard, prepend=jaccard.new_zeros(1)))
    return torch.stack(found).mean() if found else probabilities_NKHW.sum() * 0
