"""Classifiers: the larger networks, all of them MONAI's, in the one shape that the house uses.

Each takes N x 3 x S x S, standardised, and gives N x 2 logits. What differs from MONAI's defaults follows the networks as
published, so that weights trained elsewhere fit: ResNet-50 strides in its stem, ViT-B/16 has biases on its queries, a
linear head, and the small number in its norms that its authors used. A position of the class token is added to the token
itself, because MONAI keeps none for it (`arc.fundus.pretrained`).

Imported by `arc.fundus.networks` only when one of them is wanted: MONAI takes seconds.
"""

from typing import Final

import torch
from monai.networks.nets import EfficientNetBN, ResNet, ViT, resnet50
from torch import nn

PATCH_PX: Final = 16
SMALL_WIDTHS: Final = (16, 32, 64, 128)
_NORM_EPS: Final = 1e-6  # of ViT-B/16 (Dosovitskiy and others, ICLR 2021)


class VisionTransformer(ViT):
    """ViT-B/16 for squares of `size` px (a multiple of 16), with dropout before its last layer alone."""

    def __init__(self, *, classes: int, size: int, dropout: float) -> None:
        super().__init__(
            3,
            (size, size),
            (PATCH_PX, PATCH_PX),
            classification=True,
            num_classes=classes,
            spatial_dims=2,
            post_activation="",
            qkv_bias=True,
        )
        self.dropout = nn.Dropout(dropout)
        for block in self.blocks:
            block.norm_cross_attn = nn.Identity()  # of an attention that is not there
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = _NORM_EPS

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """Logits, N x classes."""
        patches_NPD = self.patch_embedding(images_NCHW)
        tokens = torch.cat([self.cls_token.expand(len(patches_NPD), -1, -1), patches_NPD], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        logits: torch.Tensor = self.classification_head(self.dropout(self.norm(tokens)[:, 0]))
        return logits


def efficientnet(name: str, *, classes: int, dropout: float) -> nn.Module:
    """MONAI's EfficientNet called `efficientnet-b0` and so on (Tan and Le, ICML 2019), untrained."""
    network = EfficientNetBN(name, pretrained=False, spatial_dims=2, in_channels=3, num_classes=classes)
    network._dropout = nn.Dropout(dropout)  # the constructor has no word for it
    return network


def resnet(*, classes: int, dropout: float) -> nn.Module:
    """MONAI's ResNet-50 with the stem and shortcuts of the published one (He and others, CVPR 2016), untrained."""
    network = resnet50(spatial_dims=2, n_input_channels=3, num_classes=classes, conv1_t_stride=2, bias_downsample=False)
    network.add_module("avgpool", nn.Sequential(network.avgpool, nn.Dropout(dropout)))
    return network


def small_resnet(*, classes: int, dropout: float) -> nn.Module:
    """MONAI's ResNet of four narrow stages with one block each (300,000 weights), untrained, for squares of about 64 px around a disc.

    The colours of each square are brought to mean 0 and spread 1 first: among a few hundred photographs a network finds the
    lamp and the camera sooner than the cup (docs/lab-log/2026-11-24-airogs.md has what that is worth).
    """
    network = ResNet(
        "basic",
        [1, 1, 1, 1],
        list(SMALL_WIDTHS),
        spatial_dims=2,
        n_input_channels=3,
        conv1_t_size=3,
        conv1_t_stride=2,
        no_max_pool=True,
        num_classes=classes,
        bias_downsample=False,
    )
    network.add_module("conv1", nn.Sequential(nn.InstanceNorm2d(3), network.conv1))
    network.add_module("avgpool", nn.Sequential(network.avgpool, nn.Dropout(dropout)))
    return network
