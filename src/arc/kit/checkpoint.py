"""Checkpoints and weights: one safetensors file each, nothing pickled, everything back to the last bit.

A checkpoint is any nest of dicts, lists, tuples, plain values and tensors. Tensors are stored under the path
where they were found (`model/conv.weight`, `optim/state/3/exp_avg`); the nest itself is JSON in the metadata,
with each tensor replaced by its name. Numbers survive exactly: Python writes floats so that they read back
to the same bits, and what JSON lacks (infinity, tuples, keys that are not text) is marked with a `$`.
A tensor that is found twice is stored once.

Weights (`save_model`) are the model's state and a JSON description, for others to load.
`RunContext.checkpoint` and `RunContext.save` do the writing to a temporary name, the sync and the digest.

Not covered: optimisers whose state is sharded over processes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from arc.core.errors import BadData
from arc.kit import tensorfile

CHECKPOINT: Final = "checkpoint/1"
MODEL: Final = "model/1"
_MAX_DEPTH: Final = 64

_Seen = dict[tuple[Any, ...], str]


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state; BadData names the place of a value that cannot be kept."""
    tensors: dict[str, torch.Tensor] = {}
    structure = _pack(dict(state), "", tensors, {}, 0)
    tensorfile.write(path, tensors, {"kind": CHECKPOINT, "state": structure})


def load(path: Path, *, finite: bool = False) -> dict[str, Any]:
    """The state that `save` wrote, its tensors on the CPU; BadData when it is not such a file."""
    tensors, meta = tensorfile.read(path, finite=finite)
    if meta.get("kind") != CHECKPOINT:
        raise BadData(f"{path.name} is not a checkpoint of this version: {str(meta.get('kind'))[:60]!r}", field=path.name)
    state = _unpack(meta.get("state"), tensors, 0)
    if not isinstance(state, dict):
        raise BadData(f"{path.name}: the state is not an object", field=path.name)
    return state


@dataclass(frozen=True)
class Weights:
    """What a model file holds."""

    tensors: dict[str, torch.Tensor]
    meta: dict[str, Any]  # the description it was saved with; {} for a file from elsewhere


def save_model(path: Path, model: nn.Module, meta: Mapping[str, Any]) -> None:
    """Write the model's parameters and buffers with a JSON description; equal models give equal bytes."""
    tensors: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    seen: _Seen = {}
    for name, tensor in model.state_dict().items():
        first = seen.setdefault(_identity(tensor), name) if tensor.numel() else name
        if first == name:
            tensors[name] = tensor
        else:
            aliases[name] = first
    tensorfile.write(path, tensors, {"kind": MODEL, "meta": dict(meta), "aliases": aliases})


def load_model_weights(path: Path, *, finite: bool = True) -> Weights:
    """The weights and description of a model file, also of a safetensors file from elsewhere.

    BadData when it is damaged, is a checkpoint instead, or (with `finite`) a number is NaN or infinite.
    """
    tensors, meta = tensorfile.read(path, finite=finite)
    if meta and meta.get("kind") != MODEL:
        raise BadData(f"{path.name} is not a model file of this version: {str(meta.get('kind'))[:60]!r}", field=path.name)
    described, aliases = meta.get("meta", {}), meta.get("aliases", {})
    if not isinstance(described, dict) or not isinstance(aliases, dict):
        raise BadData(f"{path.name}: the description is not an object", field=path.name)
    for name, first in aliases.items():
        if first not in tensors:
            raise BadData(f"{path.name}: {name} stands for {first}, which is not there", field=name)
        tensors[name] = tensors[first]
    return Weights(tensors, described)


def put_weights(model: nn.Module, tensors: Mapping[str, torch.Tensor], *, finite: bool = False) -> None:
    """Copy weights into a model of exactly the same keys and shapes; BadData names the first that differs.

    With `finite` also the first that holds NaN or infinity, unless the model was built with the same (a mask of attention).
    """
    own = model.state_dict()
    for name, tensor in own.items():
        if name not in tensors:
            raise BadData(f"the weights lack {name}", field=name)
        given = tensors[name]
        if given.shape != tensor.shape:
            raise BadData(f"{name} has the shape {tuple(given.shape)}, the model wants {tuple(tensor.shape)}", field=name)
        if given.is_floating_point() != tensor.is_floating_point():
            raise BadData(f"{name} has the type {given.dtype}, the model wants {tensor.dtype}", field=name)
        if finite and given.is_floating_point() and not bool(torch.isfinite(given).all()) and not torch.equal(given, tensor):
            raise BadData(f"{name} holds NaN or infinity", field=name)
    surplus = next((name for name in tensors if name not in own), None)
    if surplus is not None:
        raise BadData(f"the model has no place for {surplus}", field=surplus)
    model.load_state_dict(dict(tensors))


def put_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore an optimiser; BadData when the state belongs to other parameters."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    try:
        for index, values in state["state"].items():
            for name, value in values.items():
                if isinstance(value, torch.Tensor) and value.ndim and value.shape != parameters[index].shape:
                    raise ValueError(f"{name} of parameter {index} has the shape {tuple(value.shape)}")
        optimizer.load_state_dict(state)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadData(f"the optimiser's state does not fit the model: {error}", field="optim") from None


def _identity(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def _pack(value: Any, at: str, tensors: dict[str, torch.Tensor], seen: _Seen, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise BadData(f"{at} lies deeper than {_MAX_DEPTH} levels", field=at[:120])
    if isinstance(value, torch.Tensor):
        return {"$t": _place(value, at, tensors, seen)}
    if value is None or isinstance(value, bool | str):
        return value
    if type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"$f": str(value)}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        items = [_pack(item, f"{at}/{index}", tensors, seen, depth + 1) for index, item in enumerate(value)]
        return items if isinstance(value, list) else {"$l": items}
    if isinstance(value, Mapping):
        return _pack_mapping(value, at, tensors, seen, depth)
    raise BadData(f"{at} is a {type(value).__name__}, which a checkpoint cannot keep", field=at[:120])


def _pack_mapping(value: Mapping[Any, Any], at: str, tensors: dict[str, torch.Tensor], seen: _Seen, depth: int) -> Any:
    if not all(type(key) in (str, int) for key in value):
        raise BadData(f"{at} has a key that is neither text nor a whole number", field=at[:120])
    packed = [(key, _pack(item, f"{at}/{key}" if at else str(key), tensors, seen, depth + 1)) for key, item in value.items()]
    # Pairs keep the order of the keys, which JSON written with sorted keys would lose.
    return {"$d": [[key, item] for key, item in packed]}


def _place(tensor: torch.Tensor, at: str, tensors: dict[str, torch.Tensor], seen: _Seen) -> str:
    if tensor.layout is not torch.strided:
        raise BadData(f"{at} is not a dense tensor", field=at[:120])
    identity = (*_identity(tensor), at if tensor.numel() == 0 else "")
    if identity in seen:
        return seen[identity]
    name = at
    while name in tensors:
        name += "~"
    tensors[name] = tensor
    seen[identity] = name
    return name


def _unpack(value: Any, tensors: Mapping[str, torch.Tensor], depth: int) -> Any:
    if depth > 3 * _MAX_DEPTH:
        raise BadData("the state is nested too deeply", field="state")
    if isinstance(value, list):
        return [_unpack(item, tensors, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise BadData("the state holds an object that was not written by ARC", field="state")
    mark, content = next(iter(value.items()))
    if mark == "$t" and isinstance(content, str) and content in tensors:
        return tensors[content]
    if mark == "$f" and content in ("inf", "-inf", "nan"):
        return float(content)
    if mark == "$l" and isinstance(content, list):
        return tuple(_unpack(item, tensors, depth + 1) for item in content)
    if mark == "$d" and isinstance(content, list) and all(_is_pair(item) for item in content):
        return {key: _unpack(item, tensors, depth + 1) for key, item in content}
    raise BadData(f"the state names {str(content)[:80]!r} ({mark[:20]!r}), which is not in the file", field="state")


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and type(item[0]) in (str, int)
