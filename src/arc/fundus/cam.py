"""CAM: where in a photograph a network found what speaks for a class, by Grad-CAM and Grad-CAM++.

MONAI has both for convolutional networks, one photograph at a time for Grad-CAM++; its hooks stay in the network, and the gradient
runs through all of it. Here a batch is one pass: the layers before the one looked at run without a graph, and
its output is the leaf that the gradient ends at. The maps of Grad-CAM are the same, and those of Grad-CAM++ where the network
ends with an average over the map (`tests/numerics/test_cam.py`). Elsewhere MONAI has the sum of A·g³ in the denominator of
alpha, where the paper has the sum of A, times g³; the paper is followed here.

A vision transformer has no map but a row of tokens. They are laid out as the grid of patches they came from, the token of
the class left out. Behind the last attention only that token counts, so the layer looked at is the normalisation before it.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import nn

from arc.core.errors import InvalidSpec
from arc.fundus.ensemble_network import Ensemble
from arc.fundus.networks import standardised

Method = Literal["gradcam", "gradcam_pp"]
State = Literal["ok", "flat", "empty"]
_FLAT: Final = 1e-6  # of its largest value: a map that varies less says nothing
_NAMED: Final = 8  # layers that an error names


@dataclass(frozen=True)
class Cams:
    """What a network looked at in N photographs."""

    maps_NHW: torch.Tensor  # float32 on the CPU, at the resolution of the layer, nowhere below 0
    classes_N: torch.Tensor  # the class that each map speaks for
    probabilities_N: torch.Tensor  # of that class


def target_layer(network: nn.Module, size: int, *, name: str = "") -> str:
    """The layer to look at: the one called `name`, else the last whose output is a map that the answer depends on.

    `size` is the side of the square the network sees. The network answers one square of noise, and of all layers that
    gave a map (N x C x h x w, or tokens of a normalisation) the last is taken. InvalidSpec when `name` gives none.
    """
    if isinstance(network, Ensemble):
        return target_layer(network.members[0], size, name=name)
    device = next(network.parameters()).device
    noise = torch.randn((1, 3, size, size), generator=torch.Generator().manual_seed(0)).to(device).requires_grad_()
    seen: dict[str, torch.Tensor] = {}

    def note(layer: str, output: object) -> None:
        if isinstance(output, torch.Tensor):
            seen.pop(layer, None)  # a layer that is called twice counts when it is called last
            seen[layer] = output

    hooks = [
        module.register_forward_hook(lambda _, __, output, layer=layer: note(layer, output))
        for layer, module in network.named_modules()
        if layer
    ]
    try:
        with torch.enable_grad():
            answer = network(noise).sum()
    finally:
        for hook in hooks:
            hook.remove()
    fit = _maps_of(network, seen)
    if name:
        if name not in seen or _grid_side(seen[name]) is None:
            raise InvalidSpec(
                f"the network has no layer {name[:80]!r} with a map; it has {', '.join(fit[-_NAMED:])}",
                field="target_layer",
                value=name[:80],
            )
        return name
    for layer in reversed(fit):
        if seen[layer].ndim == 4 or _counts(answer, seen[layer]):
            return layer
    raise InvalidSpec(f"no layer of the network gives a map of a square of {size} px", field="target_layer")


def look(
    network: nn.Module,
    images_u8: torch.Tensor,
    *,
    layer: str,
    method: Method = "gradcam",
    classes_N: torch.Tensor | None = None,
    batch_size: int = 16,
    temperature: float = 1.0,
) -> Cams:
    """The maps of images N x 3 x S x S as bytes, for the class that the network calls, or for `classes_N`; the probabilities are those of its card's temperature."""
    device = next(network.parameters()).device
    found = []
    for begin in range(0, len(images_u8), batch_size):
        part = slice(begin, begin + batch_size)
        classes = None if classes_N is None else classes_N[part].to(device)
        found.append(
            cams(network, standardised(images_u8[part], device), layer=layer, method=method, classes_N=classes, temperature=temperature)
        )
    return Cams(
        torch.cat([one.maps_NHW for one in found]),
        torch.cat([one.classes_N for one in found]),
        torch.cat([one.probabilities_N for one in found]),
    )


def cams(
    network: nn.Module,
    inputs_NCHW: torch.Tensor,
    *,
    layer: str,
    method: Method = "gradcam",
    classes_N: torch.Tensor | None = None,
    temperature: float = 1.0,
) -> Cams:
    """The maps of one batch, standardised as the network takes it; the network must be in evaluation mode.

    Grad-CAM: the channels weighted by the mean of their gradient (Selvaraju et al., ICCV 2017). Grad-CAM++: by the sum
    of their positive gradients, each times alpha (Chattopadhyay et al., WACV 2018).
    """
    if isinstance(network, Ensemble):
        return _of_members(network, inputs_NCHW, layer=layer, method=method, classes_N=classes_N, temperature=temperature)
    leaf: list[torch.Tensor] = []

    def begin_graph(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        torch.set_grad_enabled(True)
        leaf[:] = [output.detach().requires_grad_()]
        return leaf[0].clone()  # the next layer may write into what it is given

    hook = network.get_submodule(layer).register_forward_hook(begin_graph)
    try:
        with torch.no_grad():  # until the layer is reached
            logits_NK = network(inputs_NCHW)
            classes = logits_NK.argmax(dim=1) if classes_N is None else classes_N
            scores = logits_NK.gather(1, classes[:, None])
            (gradient,) = torch.autograd.grad(scores.sum(), leaf[0])
    finally:
        hook.remove()
    features, gradient = _as_map(leaf[0].detach()).float(), _as_map(gradient).float()
    weights_NC = _weights_pp(features, gradient) if method == "gradcam_pp" else gradient.mean(dim=(2, 3))
    maps = torch.einsum("nc,nchw->nhw", weights_NC, features).relu()
    probabilities = (logits_NK.detach().float() / temperature).softmax(dim=1).gather(1, classes[:, None])[:, 0]
    return Cams(maps.cpu(), classes.cpu(), probabilities.cpu())


def _of_members(
    network: Ensemble, inputs_NCHW: torch.Tensor, *, layer: str, method: Method, classes_N: torch.Tensor | None, temperature: float
) -> Cams:  # fmt: skip
    """The mean over the members' maps for the class that all call together, each map scaled to its peak: every member counts the same.

    Left as they are, the maps of the member with the largest logits would drown the others'. One that sees nothing adds nothing.
    """
    with torch.no_grad():
        logits_NK = network(inputs_NCHW)
    classes = logits_NK.argmax(dim=1) if classes_N is None else classes_N
    maps = [cams(member, inputs_NCHW, layer=layer, method=method, classes_N=classes).maps_NHW for member in network.members]
    peaks = [one.amax(dim=(1, 2), keepdim=True) for one in maps]
    scaled = [one / torch.where(peak > 0, peak, 1.0) for one, peak in zip(maps, peaks, strict=True)]
    probabilities = (logits_NK / temperature).softmax(dim=1).gather(1, classes[:, None])[:, 0]
    return Cams(torch.stack(scaled).mean(dim=0), classes.cpu(), probabilities.cpu())


def _weights_pp(features: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """N x C. Alpha is g² / (2 g² + g³ ΣA), so 1 / (2 + g ΣA) wherever g is not 0; where it is 0 it counts for nothing.

    So written nothing has to be added to the denominator, which for small gradients would be nearly all of it.
    """
    below = 2 + gradient * features.sum(dim=(2, 3), keepdim=True)
    alpha = 1 / torch.where(below == 0, 1.0, below)
    return (alpha * gradient.relu()).sum(dim=(2, 3))


def heat(maps_NHW: torch.Tensor, size: int) -> tuple[torch.Tensor, list[State]]:
    """N x size x size between 0 and 1, each map enlarged and stretched over its own range; a flat or empty one is 0 everywhere."""
    large = F.interpolate(maps_NHW[:, None], size=(size, size), mode="bilinear", align_corners=False)[:, 0]
    least, most = large.amin(dim=(1, 2)), large.amax(dim=(1, 2))
    spread = most - least
    told = spread > _FLAT * most
    stretched = (large - least[:, None, None]) / torch.where(told, spread, 1.0)[:, None, None]
    states: list[State] = [
        "ok" if ok else "empty" if top == 0 else "flat" for ok, top in zip(told.tolist(), maps_NHW.amax(dim=(1, 2)).tolist(), strict=True)
    ]
    return stretched * told[:, None, None], states


def _maps_of(network: nn.Module, seen: dict[str, torch.Tensor]) -> list[str]:
    """The layers that may be looked at unasked, in the order they answered: maps of several channels, and normalised tokens."""
    norms = {name for name, module in network.named_modules() if isinstance(module, nn.LayerNorm)}
    fit: list[str] = []
    tokens = False  # from the first tokens on, four dimensions are heads of attention
    for layer, output in seen.items():
        if layer in norms and output.ndim == 3 and _grid_side(output) is not None:
            tokens = True
            fit.append(layer)
        elif output.ndim == 4 and not tokens and output.shape[1] > 1 and output.shape[2] * output.shape[3] > 1:
            fit.append(layer)
    return fit


def _grid_side(output: torch.Tensor) -> int | None:
    """Patches along a side, of a map or of tokens (N x T x D, with or without one for the class); None for anything else."""
    if output.ndim == 4:
        return output.shape[2]
    if output.ndim != 3:
        return None
    side = math.isqrt(output.shape[1])
    return side if side > 1 and output.shape[1] - side * side <= 1 else None


def _as_map(output: torch.Tensor) -> torch.Tensor:
    """N x C x h x w of a map, or of tokens N x T x D."""
    if output.ndim == 4:
        return output
    side = math.isqrt(output.shape[1])
    return output[:, output.shape[1] - side * side :].transpose(1, 2).unflatten(2, (side, side))


def _counts(answer: torch.Tensor, tokens: torch.Tensor) -> bool:
    """Whether the answer depends on the tokens of the patches."""
    (gradient,) = torch.autograd.grad(answer, tokens, retain_graph=True, allow_unused=True)
    return gradient is not None and bool(_as_map(gradient).any())
