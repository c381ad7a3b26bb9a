"""Networks: what looks at a photograph and answers with one number a class.

`small_cnn` is made for a CPU and for this question: the disc is small, bright and never at the same place, so
the last features are pooled twice, by attention (where to look) and by maximum (whether it is there at all).
All take N x 3 x S x S, standardised, and give N x 2 logits from a last linear layer, the head; all else is the backbone.
All others are MONAI's (`arc.fundus.classifiers`).
"""

from itertools import pairwise
from typing import Final

import torch
from torch import nn

from arc.core.errors import InvalidSpec
from arc.data.names import CLASSES

# Mean and spread of fundus photographs over their field, RGB of full scale 1.
MEAN: Final = (0.45, 0.22, 0.11)
SPREAD: Final = (0.30, 0.16, 0.10)
WIDTHS: Final = (16, 32, 64)
MODELS: Final = ("small_cnn", "small_resnet", "efficientnet_b0", "efficientnet_b3", "efficientnet_b5", "resnet50", "vit_base")


class SmallCnn(nn.Module):
    """Strided 3x3 convolutions, then attention and maximum pooling side by side."""

    def __init__(self, *, widths: tuple[int, ...] = WIDTHS, dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = [_block(3, widths[0], stride=2)]
        for narrow, wide in pairwise(widths):
            layers += [_block(narrow, wide, stride=2), _block(wide, wide, stride=1)]
        self.features = nn.Sequential(*layers)
        self.attention = nn.Conv2d(widths[-1], 1, 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * widths[-1], len(CLASSES))

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """Logits, N x 2."""
        maps_NCHW = self.features(images_NCHW)
        maps_NCP = maps_NCHW.flatten(2)
        where_N1P = self.attention(maps_NCHW).flatten(2).softmax(dim=2)
        pooled_NC = torch.cat([(maps_NCP * where_N1P).sum(dim=2), maps_NCP.amax(dim=2)], dim=1)
        logits: torch.Tensor = self.head(self.dropout(pooled_NC))
        return logits


def _block(inside: int, outside: int, *, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def build(name: str, *, dropout: float, size: int = 224, tiny: bool = False) -> nn.Module:
    """The network of that name, freshly initialised from torch's global generator; InvalidSpec for an unknown one.

    `size` is the side of the squares it will see, in pixels: only a ViT is made for one size.
    `tiny` (dummy mode) keeps the code path and takes the narrowest network there is.
    """
    if tiny:
        return SmallCnn(widths=(4, 8), dropout=dropout)
    if name == "small_cnn":
        return SmallCnn(dropout=dropout)
    if name not in MODELS:
        raise InvalidSpec(f"there is no network {name[:80]!r}", field="model", value=name[:80])
    # Imported here: MONAI takes seconds, and most runs do not need it.
    from arc.fundus import classifiers

    if name == "small_resnet":
        return classifiers.small_resnet(classes=len(CLASSES), dropout=dropout)
    if name == "resnet50":
        return classifiers.resnet(classes=len(CLASSES), dropout=dropout)
    if name == "vit_base":
        return classifiers.VisionTransformer(classes=len(CLASSES), size=size, dropout=dropout)
    return classifiers.efficientnet(name.replace("_", "-"), classes=len(CLASSES), dropout=dropout)


def head_of(network: nn.Module) -> tuple[str, nn.Linear]:
    """The last linear layer of a classifier and its name: what is new when all else was trained before."""
    return [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]


def backbone_of(network: nn.Module) -> list[nn.Parameter]:
    """The parameters of a classifier that are not its head's."""
    head = {id(parameter) for parameter in head_of(network)[1].parameters()}
    return [parameter for parameter in network.parameters() if id(parameter) not in head]


def freeze_backbone(network: nn.Module, frozen: bool) -> None:
    """Let only the head learn, or all again. A frozen backbone is in evaluation mode: its batch norms must not follow the batches."""
    for parameter in backbone_of(network):
        parameter.requires_grad_(not frozen)
    if frozen:
        network.eval()
        head_of(network)[1].train()


def standardised(images_u8: torch.Tensor, device: torch.device | str = "cpu") -> torch.Tensor:
    """Float images, N x 3 x S x S, as the networks want them, from bytes."""
    scale = torch.tensor(SPREAD, device=device).view(1, 3, 1, 1)
    mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
    return (images_u8.to(device).float().div_(255) - mean).div_(scale)
