"""Tensor files: safetensors read with suspicion, because some come from strangers.

The library checks sizes, holes and overlaps. Checked here before it sees the file: the header is at most
10 MB of JSON without duplicate keys or NaN, and the metadata is text. Checked after: no number is NaN or
infinite, when the caller says so. Every refusal is a `BadData` that names the file and the key. There is no
pickle on any path and no fallback to one. The metadata is one entry, `arc`, holding JSON: the library
orders several entries at random, and equal models shall be equal bytes.

A file that may crash a native parser belongs into `arc.kit.sandbox`; this module never executes what it reads.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from arc.core.errors import BadData

MAX_HEADER_BYTES: Final = 10_000_000
_KEY: Final = "arc"


def write(path: Path, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON metadata into one file; equal arguments give equal bytes.

    BadData when a tensor is sparse or quantised, or the metadata is not JSON or too large to be read again.
    """
    try:
        text = json.dumps(meta, allow_nan=False, separators=(",", ":"), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise BadData(f"the metadata of {path.name} is not JSON: {error}", field="meta") from None
    if len(text) > MAX_HEADER_BYTES // 2:
        raise BadData(f"the metadata of {path.name} has {len(text)} bytes, the limit is {MAX_HEADER_BYTES // 2}", field="meta")
    save_file(_separate(tensors), path, metadata={_KEY: text})


def read(path: Path, *, finite: bool = False) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and the metadata of a file; with `finite` every number must be one.

    Metadata written by others is ignored: a file without ours has the metadata {}.
    """
    meta = read_meta(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError) as error:
        raise BadData(f"{path.name} cannot be read as safetensors: {error}", field=path.name) from None
    for name, tensor in tensors.items():
        if finite and (tensor.is_floating_point() or tensor.is_complex()) and not bool(torch.isfinite(tensor).all()):
            raise BadData(f"{path.name}: {name} holds NaN or infinity", field=name)
    return tensors, meta


def read_meta(path: Path) -> dict[str, Any]:
    """The checked header's metadata alone; reads no tensor."""
    header = _header(path)
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadData(f"{path.name}: the metadata is not text", field="__metadata__")
    if _KEY not in metadata:
        return {}
    meta = _json(metadata[_KEY], path)
    if not isinstance(meta, dict):
        raise BadData(f"{path.name}: the metadata is not an object", field=_KEY)
    return meta


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            prefix = file.read(8)
            size = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else -1
            if not 2 <= size <= MAX_HEADER_BYTES:
                raise BadData(f"{path.name} has no header of a plausible size: it is no safetensors file or cut off", field=path.name)
            text = file.read(size)
    except OSError as error:
        raise BadData(f"{path.name} cannot be read: {error}", field=path.name) from None
    header = _json(text, path)
    if len(text) < size or not isinstance(header, dict):
        raise BadData(f"{path.name}: the header is not an object or cut off", field=path.name)
    return header


def _json(text: str | bytes, path: Path) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path.name}: the header is not valid JSON: {error}", field=path.name) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _separate(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Dense CPU tensors that share no memory, as the format wants them."""
    separate: dict[str, torch.Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise BadData(f"{name} is not a plain dense tensor and cannot be kept", field=name)
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage()
        if plain.numel() and (storage.data_ptr() in storages or storage.nbytes() != plain.numel() * plain.element_size()):
            plain = plain.clone()
        storages.add(plain.untyped_storage().data_ptr())
        separate[name] = plain
    return separate
