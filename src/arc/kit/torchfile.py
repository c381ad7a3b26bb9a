"""Torch files: weights that were saved with `torch.save`, by others, brought into safetensors.

Such a file is a pickle. It is read by torch's own reader of weights alone, which refuses to run what a pickle may carry, and
because that reader crashes on some damaged files, in a child with limits (`arc.kit.sandbox`). What comes out is a file
that `arc.kit.checkpoint.load_model_weights` reads like any other; the pickle is not looked at again.

Not covered: whole models (`torch.save(model)`), which are programs and not weights.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from arc.core.errors import BadData
from arc.kit import sandbox, tensorfile

_WRAPPERS: Final = ("state_dict", "model_state_dict", "model")  # under which trainers put the weights
_PREFIX: Final = "module."  # that torch's DataParallel leaves before every name


def is_torch(path: Path) -> bool:
    """Whether a file is not safetensors, whose header begins with a brace after eight bytes."""
    try:
        with path.open("rb") as file:
            return file.read(9)[8:] != b"{"
    except OSError as error:
        raise BadData(f"{path.name} cannot be read: {error.strerror}", field="weights") from None


def to_safetensors(source: Path, target: Path, *, timeout_s: float = 300.0) -> None:
    """Write the weights in `source` to `target`; BadData when it holds anything else, or cannot be read."""
    size_mb = source.stat().st_size // 1_000_000 + 1
    sandbox.parse(
        convert,
        source,
        str(target),
        cpu_s=60 + size_mb,
        memory_mb=1024 + 4 * size_mb,
        timeout_s=timeout_s,
        write_mb=2 * size_mb + 10,
    )


def convert(source: str, target: str) -> int:
    """In the child: read one, write the other; how many tensors there were."""
    try:
        found = torch.load(source, map_location="cpu", weights_only=True)  # noqa: TID251 (the one place, in a child with limits)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        why = str(error).partition("\n")[0][:300]
        raise BadData(f"{Path(source).name} is no file of weights, and is not opened: {why}", field="weights") from None
    tensors = _tensors(found, Path(source).name)
    tensorfile.write(Path(target), tensors, {})
    return len(tensors)


def _tensors(found: Any, name: str) -> dict[str, torch.Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise BadData(f"{name} holds something else than weights by their names", field="weights")
    return {str(key).removeprefix(_PREFIX): value for key, value in found.items()}
