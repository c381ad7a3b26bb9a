"""Augmentation: what may change about a photograph without changing the eye.

`PolicyBatches` does to the pictures of each batch, and to their masks, what a policy says (`arc.fundus.augment_spec`). What is
drawn for a picture comes from a generator of its own for each (epoch, place in the epoch), so a resumed run sees the same
pictures. Sizes change differently in the two directions only where a policy asks for it (elastic transform, grid
distortion): the ratio of cup to disc stays.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import torch

from arc.fundus.augment_spec import AugmentPolicy
from arc.fundus.effects import changed
from arc.kit.loader import TensorBatches
from arc.kit.seeding import derive


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
