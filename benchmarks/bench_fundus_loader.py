"""Whether the loader keeps a classifier busy, augmentation included, and what a training through the house costs beside a plain loop.

EfficientNet-B0 at 224 px learns from photographs of noise that are changed by the policy a classifier is trained with. One
variant is the loop that anyone would write with PyTorch and MONAI, the other what `fundus.classify` does (`arc.kit.loop.fit`): the
same loader, network, loss, optimiser and clipping, from the same weights, in turns in random order. That they do the same
work is checked: their losses must be equal. All is processor time of one thread, which other processes hardly change.

    python benchmarks/bench_fundus_loader.py [--rounds 5] [--steps 2] [--cores 2]

The wait is the time in which the loop asks the loader for its next batch, as a share of all, were the network to run on
so many cores as much faster as there are cores while the loader has one: the most that it can be. A throughput of 0.98 means
that the house trains 2 % fewer photographs in the same processor time.
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Iterator

import cv2
import torch
from bench_loop import Quiet
from monai.networks.nets import EfficientNetBN
from torch import nn

from arc.fundus.augment import PolicyBatches
from arc.fundus.augment_spec import GENTLE, MODERATE, AugmentPolicy
from arc.fundus.networks import standardised
from arc.kit.loader import TensorBatches
from arc.kit.loop import fit
from arc.kit.sampler import Order
from arc.kit.seeding import seed_all
from arc.kit.spec import LoopSettings

SIDE_PX, BATCH, LR, CLIP = 224, 16, 1e-3, 1.0
Batch = tuple[torch.Tensor, ...]


class Watched:
    """Batches, and how long who asks for them waits, in processor time."""

    def __init__(self, policy: AugmentPolicy, steps: int) -> None:
        seed_all(0)
        count = BATCH * steps
        images = torch.randint(0, 255, (count, 3, SIDE_PX, SIDE_PX), dtype=torch.uint8)
        plain = TensorBatches((images, torch.arange(count) % 2), order=Order(count, seed=0), batch_size=BATCH)
        self.batches = PolicyBatches(plain, policy=policy, seed=0)
        self.wait_s = 0.0

    def __len__(self) -> int:
        return len(self.batches)

    def run(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        batches = self.batches.run(epoch, start=start)
        while True:
            asked = time.process_time()
            batch = next(batches, None)
            self.wait_s += time.process_time() - asked
            if batch is None:
                return
            yield batch

    @property
    def fingerprint(self) -> str:
        return self.batches.fingerprint


def loss_of(network: nn.Module, batch: Batch) -> torch.Tensor:
    return nn.functional.cross_entropy(network(standardised(batch[0])), batch[1])


def begun() -> tuple[nn.Module, torch.optim.Optimizer]:
    seed_all(0)
    network = EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=2, in_channels=3, num_classes=2)
    return network, torch.optim.AdamW(network.parameters(), lr=LR)


def plain(watched: Watched) -> list[float]:
    """The losses of one epoch of the loop that anyone would write."""
    network, optimizer = begun()
    network.train()
    losses = []
    for batch in watched.run(0):
        optimizer.zero_grad()
        loss = loss_of(network, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())
    return losses


def house(watched: Watched) -> list[float]:
    """The losses of the same epoch through the house."""
    network, optimizer = begun()
    ctx = Quiet()
    settings = LoopSettings(epochs=1, clip_norm=CLIP, restore_best=False)
    fit(ctx, model=network, optimizer=optimizer, loss_fn=loss_of, batches=watched, settings=settings)
    return ctx.losses


def measured(run: str, policy: AugmentPolicy, steps: int) -> tuple[float, float, list[float]]:
    """Processor seconds of all and of waiting, and the losses."""
    watched = Watched(policy, steps)
    begin = time.process_time()
    losses = (plain if run == "plain" else house)(watched)
    return time.process_time() - begin, watched.wait_s, losses


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    names = ["plain", "house"]
    curves = {name: measured(name, GENTLE, options.steps)[2] for name in names}  # warms up, too
    assert curves["plain"] == curves["house"], "the loops do not do the same work"
    print(f"EfficientNet-B0, {BATCH} x {SIDE_PX} px, {options.rounds} rounds of {options.steps} steps, load {os.getloadavg()[0]:.1f}")
    for word, policy in (("gentle", GENTLE), ("moderate", MODERATE)):
        ratios, waits, rates = [], [], []
        for _ in range(options.rounds):
            found = {name: measured(name, policy, options.steps) for name in random.sample(names, 2)}
            ratios.append(found["plain"][0] / found["house"][0])
            waits += [100 * wait / (wait + (whole - wait) / options.cores) for whole, wait, _ in found.values()]
            rates.append(BATCH * options.steps / found["house"][0])
        print(
            f"  {word:9} throughput {statistics.median(ratios):.3f} [{min(ratios):.3f}-{max(ratios):.3f}]   wait at most "
            f"{statistics.median(waits):.1f} % [{min(waits):.1f}-{max(waits):.1f}] on {options.cores} cores   "
            f"{statistics.median(rates):.1f} photographs per processor second"
        )


if __name__ == "__main__":
    main()
