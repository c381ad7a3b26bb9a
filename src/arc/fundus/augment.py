"""Augmentation: what may change about a photograph without changing the eye.

Two ways. `AugmentedBatches` is one fixed recipe for whole batches: mirroring, a small turn and zoom (one affine
resampling), and light; it comes from a generator of its own for each (epoch, batch). `PolicyBatches` does what a policy
says (`arc.fundus.augment_spec`), to masks as well, from a generator for each (epoch, place in the epoch). Either way a
resumed run sees the same pictures. Neither changes sizes differently in the two directions but where a policy
asks for it (elastic transform, grid distortion): the ratio of cup to disc stays.
"""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from arc.fundus.augment_spec import AugmentPolicy
from arc.fundus.effects import changed
from arc.kit.loader import TensorBatches
from arc.kit.seeding import derive, generator

TURN_DEG = 15.0
ZOOM = 0.1
EXPOSURE = 0.15
COLOUR = 0.075


class AugmentedBatches:
    """Batches (images N x 3 x S x S as bytes, labels N) whose images were changed at random, if `augment`."""

    def __init__(self, plain: TensorBatches, *, seed: int, augment: bool) -> None:
        self._plain = plain
        self._seed = seed
        self._augment = augment

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self._plain)

    def run(self, epoch: int, *, start: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The batches of an epoch, from `start` on."""
        for number, (images, labels) in enumerate(self._plain.run(epoch, start=start), start=start):
            if self._augment:
                images = change(images, generator(self._seed, "augment", epoch, number))
            yield images, labels

    @property
    def fingerprint(self) -> str:
        """Equal when the same pictures come in the same order."""
        return f"{self._plain.fingerprint}:{self._seed}:{self._augment}"


class PolicyBatches:
    """Batches (images N x 3 x S x S as bytes, then masks N x S x S as bytes if `masks`, then anything) changed by a policy.

    The draw of a picture depends on the seed, the epoch and its place in the epoch alone: not on how many
    a batch holds, nor on where the epoch was started.
    """

    def __init__(self, plain: TensorBatches, *, policy: AugmentPolicy, seed: int, masks: bool = False) -> None:
        self._plain = plain
        self._policy = policy
        self._seed = seed
        self._masks = masks

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self._plain)

    def run(self, epoch: int, *, start: int = 0) -> Iterator[tuple[torch.Tensor, ...]]:
        """The batches of an epoch, from `start` on."""
        for number, (images, *others) in enumerate(self._plain.run(epoch, start=start), start=start):
            first = number * self._plain.batch_size
            masks = others[0] if self._masks else None
            for at in range(len(images)):  # the batch is a copy of its own: it is changed where it lies
                random = np.random.Generator(np.random.PCG64(derive(self._seed, "picture", epoch, first + at)))
                image = cv2.merge(list(images[at].numpy()))
                mask = None if masks is None else masks[at].numpy()
                image, mask = changed(np.asarray(image, np.uint8), mask, self._policy, random)
                for channel, plane in zip(images[at], cv2.split(image), strict=True):
                    channel.copy_(torch.from_numpy(plane))
                if masks is not None:
                    masks[at] = torch.from_numpy(mask)
            yield images, *others

    @property
    def fingerprint(self) -> str:
        """Equal when the same pictures come in the same order."""
        return f"{self._plain.fingerprint}:{self._seed}:{self._masks}:{self._policy.model_dump_json()}"


def change(images_u8: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Images as bytes, N x 3 x S x S, mirrored, turned, zoomed, and in another light."""
    count = len(images_u8)
    images = images_u8.float()
    grid = F.affine_grid(_affine(count, random), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    light = 1 + _around(EXPOSURE, (count, 1, 1, 1), random) + _around(COLOUR, (count, 3, 1, 1), random)
    return images.mul_(light).clamp_(0, 255).to(torch.uint8)


def _affine(count: int, random: torch.Generator) -> torch.Tensor:
    """N x 2 x 3: mirror, turn and zoom."""
    turn = _around(math.radians(TURN_DEG), (count,), random)
    zoom = 1 + _around(ZOOM, (count,), random)
    mirror = (torch.rand((2, count), generator=random) < 0.5).float().mul_(-2).add_(1)
    cos, sin = turn.cos() * zoom, turn.sin() * zoom
    zero = torch.zeros(count)
    across = torch.stack([cos * mirror[0], -sin * mirror[1], zero], dim=1)
    down = torch.stack([sin * mirror[0], cos * mirror[1], zero], dim=1)
    return torch.stack([across, down], dim=1)


def _around(most: float, shape: tuple[int, ...], random: torch.Generator) -> torch.Tensor:
    return (torch.rand(shape, generator=random) * 2 - 1) * most
