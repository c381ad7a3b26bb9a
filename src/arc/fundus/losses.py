"""Losses over N x 2 logits and N classes; each gives the mean over the batch."""

import torch
import torch.nn.functional as F

from arc.core.errors import InvalidSpec


def loss_of(name: str, logits_NK: torch.Tensor, labels_N: torch.Tensor, *, gamma: float) -> torch.Tensor:
    """The loss called `cross_entropy` or `focal` (with exponent `gamma`); InvalidSpec for another name."""
    if name == "cross_entropy":
        return F.cross_entropy(logits_NK, labels_N)
    if name == "focal":
        return focal(logits_NK, labels_N, gamma=gamma)
    raise InvalidSpec(f"there is no loss {name[:80]!r}", field="loss", value=name[:80])


def focal(logits_NK: torch.Tensor, labels_N: torch.Tensor, *, gamma: float) -> torch.Tensor:
    """Focal loss, the mean of -(1 - p)^gamma log p over the true classes (Lin et al., ICCV 2017, without alpha)."""
    log_p_N = logits_NK.log_softmax(dim=1).gather(1, labels_N.unsqueeze(1)).squeeze(1)
    # 1 - p from log p keeps its digits where p is near 1; the clamp keeps the slope of x^gamma finite at 0.
    miss_N = (-torch.expm1(log_p_N)).clamp_min(1e-12)
    return -(miss_N.pow(gamma) * log_p_N).mean()
