"""Pieces of a batch: what is worked on at once after a whole batch did not fit into memory.

The gradients of the pieces, weighted by their sizes, add up to the gradient of the batch: same effective batch,
same order of samples, less memory. Not equal to the last digit, and a batch norm sees the piece, not the batch.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch


def shares(batches: Sequence[Any], *, shrink: int) -> Iterator[tuple[Any, float]]:
    """What one step works on at once, with its share of the step's mean: 2 ** shrink pieces of each batch, whole ones for 0."""
    for batch in batches:
        pieces = split(batch, 2**shrink) if shrink else [batch]
        sizes = [size(piece) for piece in pieces] if shrink else [1]
        for piece, samples in zip(pieces, sizes, strict=True):
            yield piece, samples / sum(sizes) / len(batches)


def grouped(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` batches, what one step works on; the last may be shorter."""
    group = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def split(batch: Any, parts: int) -> list[Any]:
    """The batch cut along the first dimension of all its tensors into at most `parts` pieces of one structure."""
    pieces = min(parts, size(batch))
    return [_take(batch, index, pieces) for index in range(pieces)]


def size(batch: Any) -> int:
    """Samples in a batch: the first dimension of its first tensor; 1 when it holds none."""
    if isinstance(batch, torch.Tensor):
        return len(batch) if batch.ndim else 1
    values = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, list | tuple) else ()
    for value in values:
        if (found := size(value)) > 1:
            return found
    return 1


def _take(batch: Any, index: int, pieces: int) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.tensor_split(pieces)[index] if batch.ndim else batch
    if isinstance(batch, dict):
        return {key: _take(value, index, pieces) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_take(value, index, pieces) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(_take(value, index, pieces) for value in batch)
    return batch
