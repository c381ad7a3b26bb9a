"""Optimisers by name, and which parameters decay.

Weight decay is applied to matrices and kernels only. Biases and the scales of normalisation layers (all
parameters with fewer than two dimensions) do not decay: shrinking them does not make a function smoother, it
only moves its offset.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from arc.core.errors import InvalidSpec

_BUILDERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": lambda groups, lr, momentum, betas: torch.optim.Adam(groups, lr=lr, betas=betas),
    "adamw": lambda groups, lr, momentum, betas: torch.optim.AdamW(groups, lr=lr, betas=betas),
    "sgd": lambda groups, lr, momentum, betas: torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0),
}
NAMES = tuple(_BUILDERS)


def build(
    model: nn.Module,
    *,
    name: str,
    lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    betas: tuple[float, float] = (0.9, 0.999),
) -> torch.optim.Optimizer:
    """An optimiser over the model's parameters; `momentum` is for sgd, `betas` are for adam and adamw.

    Parameters that are frozen now are included, so that they may be set free later without a new optimiser.
    InvalidSpec names the field that is wrong.
    """
    if name not in _BUILDERS:
        raise InvalidSpec(f"optimizer {name[:60]!r} is not one of {', '.join(NAMES)}", field="optimizer", value=name[:60])
    if not (math.isfinite(lr) and lr > 0):
        raise InvalidSpec(f"lr must be a positive number, not {lr}", field="lr", value=lr)
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise InvalidSpec(f"weight_decay must not be negative: {weight_decay}", field="weight_decay", value=weight_decay)
    if not 0 <= momentum < 1:
        raise InvalidSpec(f"momentum must lie in 0..1: {momentum}", field="momentum", value=momentum)
    return _BUILDERS[name](groups(model, weight_decay), lr, momentum, betas)


def groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: those that decay first, then those that do not; an empty group is left out."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    plain = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    found = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    kept = [group for group in found if group["params"]]
    if not kept:
        raise InvalidSpec("the model has no parameters to train", field="model")
    return kept
