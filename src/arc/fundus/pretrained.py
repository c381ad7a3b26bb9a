"""Pretrained: weights from a file, or from where they were published, put into a classifier.

Every weight of the backbone must come from the file: what lacks one, or has one of another shape, is another model, and the
error names what differs. The head comes along when it has the same shape (a model of this house), else it stays new, as
it does after ImageNet with its 1,000 classes. Names of three families are understood beside our own: those of
EfficientNet-PyTorch, torchvision and timm. The positions of a ViT are resampled when it was trained at another size.

Published weights want images standardised by ImageNet's mean; ours are by that of fundus photographs, so that each channel
has mean 0 and spread 1 as the weights expect.
"""

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import torch
import torch.nn.functional as F
from torch import nn

from arc.core.errors import BadData
from arc.fundus.networks import head_of
from arc.kit import checkpoint, torchfile

_LUKEMELAS: Final = "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/efficientnet"
_TORCHVISION: Final = "https://download.pytorch.org/models"
HUB: Final = {  # the end of each name is the beginning of the file's SHA-256
    "efficientnet_b0": f"{_LUKEMELAS}-b0-355c32eb.pth",
    "efficientnet_b3": f"{_LUKEMELAS}-b3-5fb5a3c3.pth",
    "efficientnet_b5": f"{_LUKEMELAS}-b5-b6417697.pth",
    "resnet50": f"{_TORCHVISION}/resnet50-11ad3fa6.pth",
    "vit_base": f"{_TORCHVISION}/vit_b_16-c867db91.pth",
}
_TIMEOUT_S: Final = 20.0  # without a byte
_NAMED: Final = 5  # names in an error
_COUNTERS: Final = "num_batches_tracked"  # of batch norms: no weights, and older files lack them
_STACK: Final = re.compile(r"(_blocks)\.\d+(\.\d+\..+)")  # MONAI counts the stacks, the published weights do not
_VIT: Final = (  # theirs -> MONAI's
    (r"^(conv_proj|patch_embed\.proj)\.", "patch_embedding.patch_embeddings."),
    (r"^class_token$", "cls_token"),
    (r"^(encoder\.pos_embedding|pos_embed)$", "patch_embedding.position_embeddings"),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.|\.attn\.proj\.", ".attn.out_proj."),
    (r"\.mlp\.(linear_1|fc1|0)\.", ".mlp.linear1."),
    (r"\.mlp\.(linear_2|fc2|3)\.", ".mlp.linear2."),
    (r"^encoder\.ln\.", "norm."),
    (r"^(heads\.head|head)\.", "classification_head."),
)


@dataclass(frozen=True)
class Loaded:
    """What came into a network, by the names of its weights."""

    source: str
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]  # weights of the network that the file did not give: they are as they were
    unused: tuple[str, ...]  # what the file holds besides

    def as_dict(self) -> dict[str, Any]:
        """Counts and names, for a result; of what was loaded the count alone."""
        return {"source": self.source, "loaded": len(self.loaded), "fresh": list(self.fresh), "unused": list(self.unused)}


def load(network: nn.Module, file: Path, *, model: str, source: str) -> Loaded:
    """Put the weights in a file (safetensors, or torch) into a network built as `model`.

    BadData when the file is unsafe, damaged, or of another model.
    """
    with tempfile.TemporaryDirectory() as folder:
        if torchfile.is_torch(file):
            converted = Path(folder) / "weights.safetensors"
            torchfile.to_safetensors(file, converted)
            weights = checkpoint.load_model_weights(converted)
        else:
            weights = checkpoint.load_model_weights(file)
        other = weights.meta.get("model", model)
        if other != model:
            raise BadData(f"the weights in {source} are of {str(other)[:80]}, not of {model}", field="weights", value=str(other)[:80])
        return put(network, weights.tensors, source=source)


def put(network: nn.Module, tensors: Mapping[str, torch.Tensor], *, source: str) -> Loaded:
    """Copy weights by name into a network; BadData naming what of its backbone they lack or have in another shape."""
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_COUNTERS)}
    head = head_of(network)[0] + "."
    given = _renamed(own, tensors)
    differs = [name for name, tensor in own.items() if not name.startswith(head) and _shape(given, name) != tuple(tensor.shape)]
    if differs:
        few = ", ".join(f"{name} is {_shape(given, name) or 'not there'}, not {tuple(own[name].shape)}" for name in differs[:_NAMED])
        raise BadData(f"the weights in {source} are of another model: {len(differs)} of {len(own)} differ ({few})", field="weights")
    taken = {name: given[name] for name, tensor in own.items() if _shape(given, name) == tuple(tensor.shape)}
    network.load_state_dict(taken, strict=False)
    fresh = tuple(name for name in own if name not in taken)
    unused = tuple(sorted(name for name in given if name not in taken and not name.endswith(_COUNTERS)))
    return Loaded(source, tuple(taken), fresh, unused)


def _shape(given: Mapping[str, torch.Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(given[name].shape) if name in given else None


def _renamed(own: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights under the names of the network, those of other families translated."""
    given = dict(tensors)
    for name in own:
        published = _STACK.sub(r"\1\2", name)
        if published != name and name not in given and published in given:
            given[name] = given.pop(published)
    if "patch_embedding.position_embeddings" in own:
        given = _vit(own, given)
    return given


def _vit(own: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    given = {}
    for name, tensor in tensors.items():
        for theirs, ours in _VIT:
            name = re.sub(theirs, ours, name)
        given[name] = tensor
    place = "patch_embedding.position_embeddings"
    positions, token = given.get(place), given.get("cls_token")
    if positions is None or token is None or positions.ndim != 3:
        return given
    if round((positions.shape[1] - 1) ** 0.5) ** 2 == positions.shape[1] - 1:
        # One position more than patches: that of the class token, which is added to the token itself.
        given["cls_token"], positions = token + positions[:, :1], positions[:, 1:]
    given[place] = _resampled(positions, own[place].shape[1])
    return given


def _resampled(positions_1PD: torch.Tensor, count: int) -> torch.Tensor:
    """Positions of a square of patches for a square of another number of patches, bicubic."""
    side, wanted = round(positions_1PD.shape[1] ** 0.5), round(count**0.5)
    if side == wanted or side**2 != positions_1PD.shape[1]:
        return positions_1PD
    grid = positions_1PD.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(wanted, wanted), mode="bicubic", align_corners=False, antialias=wanted < side)
    return grid.flatten(2).transpose(1, 2).contiguous()


def from_hub(model: str) -> Path:
    """The file with the published weights of a model, from torch's own cache or downloaded into it.

    BadData when none are published, or they cannot be had; then a file can be given instead.
    """
    if model not in HUB:
        raise BadData(f"no weights of {model} are published; give a file as the input weights, or weights=none", field="weights")
    url = HUB[model]
    target = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not target.exists():
        _download(url, target)
    return target


def _download(url: str, target: Path) -> None:
    digest = hashlib.sha256()
    expected = target.stem.rpartition("-")[2]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            part = Path(folder) / target.name
            with part.open("wb") as file, httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT_S) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_bytes(1 << 20):
                    digest.update(chunk)
                    file.write(chunk)
            if not digest.hexdigest().startswith(expected):
                raise BadData(f"what came from {url} is not what was published: its SHA-256 is {digest.hexdigest()}", field="weights")
            part.rename(target)
    except (OSError, httpx.HTTPError) as error:
        raise BadData(
            f"the published weights cannot be had from {url} ({type(error).__name__}: {error}); give a file as the input weights, "
            "or weights=none",
            field="weights",
        ) from None
