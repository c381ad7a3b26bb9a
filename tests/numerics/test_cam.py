"""Class activation maps: the same as MONAI's on the same network, whatever network it is, and honest when there is none."""

import pytest
import torch
from monai.networks.nets import EfficientNetBN, ViT, resnet18
from monai.visualize import GradCAM, GradCAMpp
from torch import nn

from arc.core.errors import InvalidSpec
from arc.fundus.cam import Method, cams, heat, look, target_layer
from arc.fundus.networks import MODELS, SmallCnn, build

SIDE = 64


class TokenGrid(nn.Module):
    """Tokens as a grid and back, so that MONAI, which knows maps only, can look at a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = nn.Identity()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        first, patches = tokens[:, :1], tokens[:, 1:]
        side = round(patches.shape[1] ** 0.5)
        grid = self.grid(patches.transpose(1, 2).unflatten(2, (side, side)))
        return torch.cat([first, grid.flatten(2).transpose(1, 2)], dim=1)


class Transformer(nn.Module):
    """MONAI's transformer, giving its logits alone."""

    def __init__(self) -> None:
        super().__init__()
        self.vit = ViT(
            3, SIDE, 8, hidden_size=24, mlp_dim=48, num_layers=2, num_heads=2, classification=True, spatial_dims=2, post_activation=""
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.vit(images)[0]
        return logits


def network(name: str) -> nn.Module:
    torch.manual_seed(1)
    made: nn.Module
    if name == "small_cnn":
        made = SmallCnn()
    elif name == "efficientnet":
        made = EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=2, in_channels=3, num_classes=2)
    elif name == "resnet":
        made = resnet18(spatial_dims=2, n_input_channels=3, num_classes=2)
    else:
        made = Transformer()
    return made.eval()


def photographs(count: int = 2) -> torch.Tensor:
    return torch.randn((count, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(5))


def head_of(made: nn.Module) -> nn.Linear:
    return [module for module in made.modules() if isinstance(module, nn.Linear)][-1]


@torch.no_grad()
def centred(made: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """The inputs, with the score that is explained at 0: MONAI multiplies by its exponential, which no map depends on."""
    head_of(made).bias.sub_(made(inputs)[0])
    return inputs.requires_grad_()


@pytest.mark.parametrize(
    ("name", "layer", "method"),
    [
        ("small_cnn", "features", "gradcam"),
        ("efficientnet", "_bn1", "gradcam"),
        ("resnet", "layer4", "gradcam"),
        ("vit", "vit.blocks.1.norm1", "gradcam"),
        ("efficientnet", "_bn1", "gradcam_pp"),
        ("resnet", "layer4", "gradcam_pp"),
    ],
)
def test_the_maps_are_those_of_monai(name: str, layer: str, method: Method) -> None:
    made = network(name).double()
    head_of(made).weight.data.mul_(1000)  # large gradients: MONAI adds 1e-7 to the denominator of alpha, which is much of a small one
    inputs = photographs(3).double()
    own, _ = heat(cams(made, inputs, layer=layer, method=method, classes_N=torch.ones(3, dtype=torch.int64)).maps_NHW, SIDE)
    if name == "vit":
        made.vit.blocks[1].norm1 = nn.Sequential(made.vit.blocks[1].norm1, TokenGrid())
        layer = "vit.blocks.1.norm1.1.grid"
    for module in made.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # its hooks forbid it
    theirs = (GradCAM if method == "gradcam" else GradCAMpp)(nn_module=made, target_layers=layer)
    for index in range(3):
        expected = 1 - theirs(x=centred(made, inputs[index : index + 1]), class_idx=1)[0, 0].detach().float()
        assert torch.allclose(own[index], expected, atol=2e-4)
        assert own[index].max() == 1


def test_where_the_gradient_differs_from_place_to_place_the_paper_holds() -> None:
    """Equations 5, 6 and 19 of Chattopadhyay et al., term by term; the score goes through an exponential, as there."""
    made = network("small_cnn").double()
    inputs = centred(made, photographs(1).double())
    features = made.features(inputs).detach().requires_grad_()
    made.features = nn.Identity()
    (first,) = torch.autograd.grad(made(features)[0, 1].exp(), features)  # exp(0) is 1: the powers below are the derivatives
    expected = torch.zeros(features.shape[2:], dtype=torch.float64)
    for map_hw, gradient_hw in zip(features[0].detach(), first[0], strict=True):
        weight = 0.0
        for gradient in gradient_hw.flatten().tolist():
            below = 2 * gradient**2 + map_hw.sum().item() * gradient**3
            weight += (gradient**2 / below if below else 0.0) * max(gradient, 0.0)
        expected += weight * map_hw
    own = cams(network("small_cnn").double(), inputs, layer="features", method="gradcam_pp", classes_N=torch.ones(1, dtype=torch.int64))
    assert torch.allclose(own.maps_NHW[0], expected.relu().float(), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "layer"), [("small_cnn", "features"), ("efficientnet", "_swish"), ("resnet", "layer4"), ("vit", "vit.blocks.1.norm1")]
)
def test_the_layer_is_the_last_that_has_a_map_and_counts(name: str, layer: str) -> None:
    made = network(name)
    before = [len(module._forward_hooks) for module in made.modules()]
    assert target_layer(made, SIDE) == layer
    assert cams(made, photographs(), layer=layer).maps_NHW.shape[0] == 2
    assert [len(module._forward_hooks) for module in made.modules()] == before, "no hook stays behind"
    assert all(parameter.grad is None for parameter in made.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_every_classifier_of_the_house_has_maps(name: str) -> None:
    made = build(name, dropout=0.0, size=SIDE).eval()
    layer = target_layer(made, SIDE)
    for method in ("gradcam", "gradcam_pp"):
        found = cams(made, photographs(1), layer=layer, method=method)
        assert found.maps_NHW.shape[1] == found.maps_NHW.shape[2] > 1
        assert bool(found.maps_NHW.isfinite().all())


def test_a_layer_may_be_named_and_a_wrong_name_is_told_what_there_is() -> None:
    made = network("small_cnn")
    assert target_layer(made, SIDE, name="features.1") == "features.1"
    for wrong in ("absent", "head"):
        with pytest.raises(InvalidSpec, match=r"features\.4") as caught:
            target_layer(made, SIDE, name=wrong)
        assert caught.value.field == "target_layer"


def test_a_batch_is_what_each_photograph_is_alone() -> None:
    made = network("small_cnn")
    images = (photographs(5) * 40 + 128).clamp(0, 255).to(torch.uint8)
    for method in ("gradcam", "gradcam_pp"):
        together = look(made, images, layer="features", method=method)
        alone = [look(made, images[at : at + 1], layer="features", method=method) for at in range(5)]
        assert torch.allclose(together.maps_NHW, torch.cat([one.maps_NHW for one in alone]), rtol=1e-3, atol=1e-6)
        assert together.classes_N.tolist() == [int(one.classes_N[0]) for one in alone]
        assert all(0.5 <= probability <= 1 for probability in together.probabilities_N.tolist())


def test_frozen_weights_and_no_gradient_around_change_nothing() -> None:
    made = network("resnet")
    expected = cams(made, photographs(), layer="layer4").maps_NHW
    made.requires_grad_(False)
    with torch.no_grad():
        assert torch.equal(cams(made, photographs(), layer="layer4").maps_NHW, expected)
        assert not torch.is_grad_enabled()


def test_a_map_without_a_place_is_told_as_such() -> None:
    maps = torch.zeros((3, 4, 4))
    maps[1] = 0.7
    maps[2, 1, 1] = 1e-8
    heats, states = heat(maps, 16)
    assert states == ["empty", "flat", "ok"]
    assert not heats[:2].any()
    assert heats[2].min() == 0
    assert heats[2].max() == 1


def test_what_a_map_is_said_with_is_the_probability_of_the_card() -> None:
    made = network("small_cnn").eval()
    images = torch.randint(0, 256, (3, 3, SIDE, SIDE), dtype=torch.uint8)
    layer = target_layer(made, SIDE)
    plain, warm = (look(made, images, layer=layer, temperature=temperature) for temperature in (1.0, 2.0))
    assert torch.equal(plain.maps_NHW, warm.maps_NHW)
    assert ((plain.probabilities_N - 0.5).abs() > (warm.probabilities_N - 0.5).abs()).all()
