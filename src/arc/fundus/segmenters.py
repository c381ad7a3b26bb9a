"""Segmenters: what answers each pixel of a photograph with its class, or with one answer a structure.

MONAI's U-Net with residual units (Kerfoot and others, STACOM 2018), or its U-Net with attention gates (Oktay and others,
MIDL 2018). Three channels are classes that exclude one another (background, rim of the disc, cup); two are independent
heads (disc, cup), where the cup may be told apart from a disc that holds it.
"""

from typing import Final, Literal

from torch import nn

from arc.core.errors import InvalidSpec

CHANNELS: Final = {"classes": 3, "binary": 2}
WIDTHS: Final = (16, 32, 64, 128, 256)
Heads = Literal["classes", "binary"]


def unet(*, heads: Heads = "classes", attention: bool = False, widths: tuple[int, ...] = WIDTHS, dropout: float = 0.0) -> nn.Module:
    """A U-Net from N x 3 x S x S to N x 3 x S x S (`classes`) or N x 2 x S x S (`binary`) logits, freshly initialised.

    S is a multiple of 2 ** (levels - 1), levels being the number of `widths`; InvalidSpec for fewer than two.
    """
    # Imported here: MONAI takes seconds, and whoever only reads the names needs none of it.
    from monai.networks.nets import AttentionUnet, UNet

    if len(widths) < 2:
        raise InvalidSpec(f"a U-Net has at least two levels: {widths}", field="widths", value=list(widths))
    strides = (2,) * (len(widths) - 1)
    if attention:
        return AttentionUnet(2, 3, CHANNELS[heads], channels=widths, strides=strides, dropout=dropout)
    return UNet(2, 3, CHANNELS[heads], channels=widths, strides=strides, num_res_units=2, norm="batch", dropout=dropout)
