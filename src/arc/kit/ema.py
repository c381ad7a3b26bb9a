"""EMA: a running mean of the weights, which is judged and kept instead of the weights that are trained.

After each step every number of the mean moves towards the model's: mean += (1 - d) * (weight - mean). The decay d is
`decay`, and in the first steps (1 + n) / (10 + n) when that is less, n being the steps done: so the mean forgets
the random weights it began with (the rule of TensorFlow's ExponentialMovingAverage). Running means of batch norm
are averaged like weights; counters, and buffers that hold infinity on purpose (masks of attention), are copied.

The step decides alone, so the mean is all that a checkpoint must keep.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from arc.core.errors import BadData
from arc.kit.checkpoint import put_weights
from arc.kit.losses import constants


class Ema:
    """The mean of a model's weights and buffers, by the names of its state."""

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self._averaged = {name for name, tensor in self.weights.items() if tensor.is_floating_point()} - constants(model)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Follow the model after a step, numbered from 1."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        means, news = [], []
        for name, tensor in model.state_dict().items():
            if name in self._averaged:
                means.append(self.weights[name])
                news.append(tensor)
            else:
                self.weights[name].copy_(tensor)
        torch._foreach_lerp_(means, news, share)

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """The model with the mean as its weights; afterwards it has its own again, to the last bit."""
        own = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        put_weights(model, self.weights)
        try:
            yield
        finally:
            put_weights(model, own)

    def restore(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Put back the mean that a checkpoint kept; BadData when it kept none, or that of another model."""
        if weights.keys() != self.weights.keys():
            raise BadData("the checkpoint has no running mean of these weights: it was written without ema_decay", field="ema_decay")
        for name, tensor in self.weights.items():
            tensor.copy_(weights[name])
