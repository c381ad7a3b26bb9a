"""Devices: from the word in a launch order to a torch device, and what to tell people about it.

The engine has chosen the GPU before the attempt starts (CUDA_VISIBLE_DEVICES), so `cuda` is enough here.
Nothing runs on the device until a caller moves a tensor there.
"""

import platform
import re
from typing import Any

import torch

from arc.core.errors import InvalidSpec

_CHOICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


def pick(choice: str) -> torch.device:
    """The device named `auto`, `cpu`, `cuda` or `cuda:N`; `auto` is a GPU when there is one.

    InvalidSpec when the word is none of these or the GPU is not there: a silent fall to the CPU would turn an
    hour into a day. Falling back is the engine's decision, made before it writes the order.
    """
    if not _CHOICE.fullmatch(choice):
        raise InvalidSpec(f"device {choice[:60]!r} is not auto, cpu, cuda or cuda:N", field="device", value=choice[:60])
    available = torch.cuda.is_available()
    if choice == "auto":
        return torch.device("cuda" if available else "cpu")
    device = torch.device(choice)
    if device.type == "cuda":
        count = torch.cuda.device_count() if available else 0
        if (device.index or 0) >= count:
            raise InvalidSpec(f"device {choice!r} is not there: this process sees {count} GPUs", field="device", value=choice)
    return device


def describe(device: torch.device) -> dict[str, Any]:
    """What a report says of the device: type, name, memory in GB (GPU), native threads (CPU), version of torch."""
    known: dict[str, Any] = {"type": device.type, "torch": torch.__version__}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return known | {"name": properties.name, "memory_gb": round(properties.total_memory / 1e9, 1), "cuda": torch.version.cuda}
    return known | {"name": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor in its tuples, lists and dicts on the device; other values as they are."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
