"""Ensemble network: several classifiers that answer as one, with the mean of their probabilities.

Each member's logits are first divided by its own temperature, so that it says what it says alone. What comes out is the
logarithm of the mean, so that a softmax gives the mean itself: whoever takes logits from a network needs to know
nothing of ensembles. Who looks inside a network (`arc.fundus.cam`, `arc.fundus.embed`) asks for its members.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import nn

RECIPE: Final = "fundus.ensemble"


class Ensemble(nn.Module):
    """Classifiers of the same shape of input, in evaluation mode."""

    def __init__(self, members: Sequence[nn.Module], *, temperatures: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.temperatures = tuple(temperatures)

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """N x K: the logarithms of the mean probabilities, float32."""
        said = [
            (member(images_NCHW).float() / temperature).log_softmax(dim=1)
            for member, temperature in zip(self.members, self.temperatures, strict=True)
        ]
        mean: torch.Tensor = torch.stack(said).logsumexp(dim=0) - torch.tensor(float(len(said))).log()
        return mean


def members_of(network: nn.Module) -> tuple[nn.Module, ...]:
    """The classifiers in a network: its members, or itself alone."""
    return tuple(network.members) if isinstance(network, Ensemble) else (network,)
