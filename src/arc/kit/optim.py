"""Optimisers by name, which parameters decay, and which learn more slowly.

Weight decay is applied to matrices and kernels only. Biases and the scales of normalisation layers (all
parameters with fewer than two dimensions) do not decay: shrinking them does not make a function smoother, it
only moves its offset. A part of the model, its backbone, may learn at a share of the rate of the rest.

`muon` is torch's for the two-dimensional weights, and AdamW for all others, as its authors say it is to be used. Where a
network is made of convolutions, their kernels may count as matrices of a row an output (or input, where they are transposed).
"""

import math
from collections.abc import Callable, Collection
from typing import Any, overload

import torch
from torch import nn

from arc.core.errors import InvalidSpec


class MuonAdamW(torch.optim.Optimizer):
    """Muon where a weight has two dimensions (or more, with `kernels`), AdamW elsewhere; one optimiser to the outside.

    Muon: K. Jordan and others, 2024 (momentum, made orthogonal by Newton and Schulz). Its steps are scaled to the size of AdamW's
    (Liu and others, arXiv 2502.16982), so that one learning rate means the same for both.
    """

    def __init__(
        self, groups: list[dict[str, Any]], *, lr: float, momentum: float, betas: tuple[float, float], kernels: bool = False
    ) -> None:  # fmt: skip
        def square(p: nn.Parameter) -> bool:
            return p.ndim == 2 or (kernels and p.ndim > 2)

        matrices = _filled([group | {"muon": True, "params": [p for p in group["params"] if square(p)]} for group in groups])
        other = _filled([group | {"muon": False, "params": [p for p in group["params"] if not square(p)]} for group in groups])
        if not matrices:
            raise InvalidSpec("optimizer muon moves two-dimensional weights, and the model has none", field="optimizer", value="muon")
        flat = [group | {"params": [_matrix(p) for p in group["params"]]} for group in matrices]
        self._muon = torch.optim.Muon(flat, lr=lr, momentum=momentum, adjust_lr_fn="match_rms_adamw")
        self._adamw = torch.optim.AdamW(other, lr=lr, betas=betas) if other else None
        own = [full | {"params": group["params"]} for full, group in zip(self._muon.param_groups, matrices, strict=True)]
        super().__init__(own + (self._adamw.param_groups if self._adamw else []), {"lr": lr})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One move of both; groups and state are this optimiser's own, so that both are kept and restored as one."""
        loss = closure() if closure else None
        self._move_matrices()
        if self._adamw is not None:
            self._adamw.state = self.state
            self._adamw.param_groups = [group for group in self.param_groups if not group["muon"]]
            self._adamw.step()
        return loss

    def _move_matrices(self) -> None:
        """Muon sees each weight and its momentum as matrices over the same storage; outside they have the shape of the weight."""
        seen: dict[nn.Parameter, torch.Tensor] = {}
        groups = []
        for group in self.param_groups:
            if group["muon"]:
                seen |= {p: _matrix(p) for p in group["params"] if p.grad is not None}
                groups.append(group | {"params": [seen[p] for p in group["params"] if p in seen]})
        self._muon.state.clear()
        for p, matrix in seen.items():
            self._muon.state[matrix] = {name: value.view(matrix.shape) for name, value in self.state[p].items()}
        self._muon.param_groups = groups
        self._muon.step()
        for p, matrix in seen.items():
            self.state[p] = {name: value.view(p.shape) for name, value in self._muon.state[matrix].items()}


def _matrix(parameter: nn.Parameter) -> torch.Tensor:
    """A weight of two dimensions or more as a matrix over the same storage, a row an entry of the first, with its gradient."""
    matrix = parameter.detach().view(len(parameter), -1)
    matrix.grad = None if parameter.grad is None else parameter.grad.reshape(len(parameter), -1)
    return matrix


_BUILDERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": lambda groups, lr, momentum, betas: torch.optim.Adam(groups, lr=lr, betas=betas),
    "adamw": lambda groups, lr, momentum, betas: torch.optim.AdamW(groups, lr=lr, betas=betas),
    "sgd": lambda groups, lr, momentum, betas: torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0),
    "rmsprop": lambda groups, lr, momentum, betas: torch.optim.RMSprop(groups, lr=lr, momentum=momentum),
}
NAMES = (*_BUILDERS, "muon")


def build(
    model: nn.Module,
    *,
    name: str,
    lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    betas: tuple[float, float] = (0.9, 0.999),
    backbone: Collection[nn.Parameter] = (),
    backbone_lr_factor: float = 1.0,
    muon_kernels: bool = False,
) -> torch.optim.Optimizer:
    """An optimiser over the model's parameters; `momentum` is for sgd, rmsprop and muon, `betas` are for adam and adamw.

    With `muon_kernels` muon moves kernels, too. The parameters of `backbone` learn at `backbone_lr_factor` times the rate. Parameters that are frozen now are
    included, so that they may be set free later without a new optimiser. InvalidSpec names the field that is wrong.
    """
    if name not in NAMES:
        raise InvalidSpec(f"optimizer {name[:60]!r} is not one of {', '.join(NAMES)}", field="optimizer", value=name[:60])
    if not (math.isfinite(lr) and lr > 0):
        raise InvalidSpec(f"lr must be a positive number, not {lr}", field="lr", value=lr)
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise InvalidSpec(f"weight_decay must not be negative: {weight_decay}", field="weight_decay", value=weight_decay)
    if not 0 <= momentum < 1:
        raise InvalidSpec(f"momentum must lie in 0..1: {momentum}", field="momentum", value=momentum)
    if not (math.isfinite(backbone_lr_factor) and backbone_lr_factor > 0):
        raise InvalidSpec(
            f"backbone_lr_factor must be positive: {backbone_lr_factor}", field="backbone_lr_factor", value=backbone_lr_factor
        )
    slow = {id(parameter) for parameter in backbone} if backbone_lr_factor != 1 else set()
    quick = groups([parameter for parameter in model.parameters() if id(parameter) not in slow], weight_decay)
    slowed = groups([parameter for parameter in model.parameters() if id(parameter) in slow], weight_decay)
    found = quick + [group | {"lr": lr * backbone_lr_factor} for group in slowed]
    if not found:
        raise InvalidSpec("the model has no parameters to train", field="model")
    if name == "muon":
        return MuonAdamW(found, lr=lr, momentum=momentum, betas=betas, kernels=muon_kernels)
    return _BUILDERS[name](found, lr, momentum, betas)


def groups(parameters: Collection[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: those that decay first, then those that do not; an empty group is left out."""
    decayed = [parameter for parameter in parameters if parameter.ndim >= 2]
    plain = [parameter for parameter in parameters if parameter.ndim < 2]
    return _filled([{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}])


def _filled(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [group for group in found if group["params"]]
