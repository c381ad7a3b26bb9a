"""Batches: what the loop asks of a source of data, and two sources.

`Loader` reads a dataset sample by sample, with worker processes when asked; `TensorBatches` slices tensors
that are already in memory. Both can start an epoch at any batch, and neither touches the global generators
of the process: so a resumed run sees the same batches and leaves the model's dropout alone.

A dataset that has `sample(index, seed)` is given a seed for every drawn sample that depends on the run's
seed, the epoch and the place in the epoch only. Augmentation that uses nothing else is the same for any
number of workers and after any resume. A plain dataset (`__getitem__`) that draws from global generators
is exact only with `workers=0`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from arc.core.errors import InvalidSpec
from arc.kit.sampler import Order
from arc.kit.seeding import derive, generator


class Batches(Protocol):
    """A source of batches that can start anywhere."""

    def __len__(self) -> int:
        """Batches an epoch."""
        ...

    def run(self, epoch: int, *, start: int = 0) -> Iterator[Any]:
        """The batches of an epoch (numbered from 0), from batch `start` on."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal when the same batches come in the same order."""
        ...


class Loader:
    """Batches of a map-style dataset in the order of an `Order`, collated by torch's rule or by `collate`."""

    def __init__(
        self,
        dataset: Any,
        *,
        order: Order,
        batch_size: int,
        workers: int = 0,
        drop_last: bool = False,
        collate: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
    ) -> None:
        if len(dataset) != order.n:
            raise InvalidSpec(f"the order is for {order.n} samples, the dataset has {len(dataset)}", field="order")
        self.dataset = dataset
        self.order = order
        self.batch_size = batch_size
        self.workers = workers
        self.drop_last = drop_last
        self.collate = collate or default_collate
        self.pin_memory = pin_memory
        self._length = _count(len(order), batch_size, drop_last)

    def __len__(self) -> int:
        """Batches an epoch."""
        return self._length

    def run(self, epoch: int, *, start: int = 0) -> Iterator[Any]:
        """The batches of an epoch from `start` on."""
        indices = self.order.indices(epoch).tolist()
        places = [list(range(at, min(at + self.batch_size, len(indices)))) for at in range(0, len(indices), self.batch_size)]
        loader = DataLoader(
            _Placed(self.dataset, indices, self.order.seed, epoch),
            batch_sampler=places[start : self._length],
            num_workers=self.workers,
            collate_fn=self.collate,
            pin_memory=self.pin_memory,
            generator=generator(self.order.seed, "loader", epoch),  # else each start would draw from the global one
        )
        return iter(loader)

    @property
    def fingerprint(self) -> str:
        """Equal when the same samples come in the same batches."""
        return f"{self.order.fingerprint}:{self.batch_size}:{self.drop_last}"


class _Placed(Dataset[Any]):
    """A dataset indexed by the place in the epoch instead of by the sample."""

    def __init__(self, dataset: Any, indices: list[int], seed: int, epoch: int) -> None:
        self.dataset = dataset
        self.indices = indices
        self.seed = seed
        self.epoch = epoch
        self.seeded = hasattr(dataset, "sample")

    def __getitem__(self, place: int) -> Any:
        index = self.indices[place]
        if self.seeded:
            return self.dataset.sample(index, derive(self.seed, "sample", self.epoch, place))
        return self.dataset[index]


class TensorBatches:
    """Batches of tensors in memory that share their first dimension; each batch is a tuple of slices."""

    def __init__(self, tensors: Sequence[torch.Tensor], *, order: Order, batch_size: int, drop_last: bool = False) -> None:
        if not tensors or any(len(tensor) != order.n for tensor in tensors):
            raise InvalidSpec(f"every tensor must have {order.n} rows, as the order has", field="tensors")
        self.tensors = tuple(tensors)
        self.order = order
        self.batch_size = batch_size
        self.drop_last = drop_last
        self._length = _count(len(order), batch_size, drop_last)

    def __len__(self) -> int:
        """Batches an epoch."""
        return self._length

    def run(self, epoch: int, *, start: int = 0) -> Iterator[tuple[torch.Tensor, ...]]:
        """The batches of an epoch from `start` on."""
        indices = torch.from_numpy(self.order.indices(epoch))
        for at in range(start, self._length):
            chosen = indices[at * self.batch_size : (at + 1) * self.batch_size]
            yield tuple(tensor[chosen] for tensor in self.tensors)

    @property
    def fingerprint(self) -> str:
        """Equal when the same rows come in the same batches."""
        return f"{self.order.fingerprint}:{self.batch_size}:{self.drop_last}"


def _count(samples: int, batch_size: int, drop_last: bool) -> int:
    if batch_size < 1:
        raise InvalidSpec("batch_size must be positive", field="batch_size", value=batch_size)
    count = samples // batch_size if drop_last else -(-samples // batch_size)
    if count == 0:
        raise InvalidSpec(f"{samples} samples make no full batch of {batch_size}", field="batch_size", value=batch_size)
    return count
