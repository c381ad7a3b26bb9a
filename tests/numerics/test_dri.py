"""DRI: near 1 for a network that looks at the disc and nowhere else, near 0 for one that looks elsewhere, controls near 0."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from arc.core.errors import Cancelled
from arc.fundus.dri import Measured, Rules, measure, moved, painted, randomised, relevance, summary
from arc.fundus.networks import SmallCnn

SIDE = 64


class Seeks(nn.Module):
    """A network of one feature, high where a picture has one colour: red is the disc, blue a thing elsewhere, and grey is neither."""

    def __init__(self, *, red: float, blue: float) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.features[0].weight.zero_()
            self.features[0].weight[0, :, 0, 0] = torch.tensor([red, -1.0, blue])
            self.features[0].bias.copy_(torch.tensor([-9.0 if blue else -1.5, 0.0]))
            self.head.weight.copy_(torch.tensor([[0.0, 0.0], [40.0, 0.0]]))
            self.head.bias.copy_(torch.tensor([1.0, 0.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.features(images).mean(dim=(2, 3)))
        return logits


def scene(row: int, column: int) -> tuple[torch.Tensor, np.ndarray]:
    """A grey round field with a red disc at a place and a blue one opposite; 3 x S x S bytes, and the mask of the red one."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[np.hypot(y - 31.5, x - 31.5) < 31] = 90
    disc = np.hypot(y - row, x - column) < 7
    image[disc] = (250, 10, 10)
    image[np.hypot(y - (63 - row), x - (63 - column)) < 7] = (10, 10, 250)
    return torch.from_numpy(image).permute(2, 0, 1), disc


def scenes() -> tuple[torch.Tensor, list[np.ndarray]]:
    made = [scene(20 + number, 22 - number) for number in range(6)]
    return torch.stack([image for image, _ in made]), [disc for _, disc in made]


def measured(network: nn.Module, **rules: int) -> list[Measured]:
    images, discs = scenes()
    ones = torch.ones(len(images), dtype=torch.int64)
    return measure(network.eval(), images, discs, layer="features", rules=Rules(**rules), classes_N=ones)


def told(found: Sequence[Measured]) -> dict[str, float]:
    said = summary(found, ["a", "a", "b", "b", "c", "c"], valid_from=0.6, confidence=0.95, seed=0)
    return said | {name: value["value"] for name, value in said["controls"].items()} | {"drop": said["drop"]["value"]}


def test_a_network_that_looks_at_the_disc_is_valid_and_its_controls_are_not() -> None:
    found = measured(Seeks(red=1.0, blue=0.0))
    said = told(found)
    assert said["mean_dri"] > 0.95
    assert said["valid"] is True
    assert said["moved_dri"] < 0.05
    assert said["random_dri"] < 0.5 < said["mean_dri"]
    assert said["energy"]["value"] > 0.95
    assert said["pointing"]["value"] == 1
    assert said["drop"] > 0.3
    assert abs(said["drop_elsewhere"]) < 0.05
    assert said["above"]["moved_dri"]["low"] > 0.8
    assert said["maps"] == {"ok": 6, "flat": 0, "empty": 0}


def test_a_network_that_looks_elsewhere_is_not() -> None:
    said = told(measured(Seeks(red=-1.0, blue=2.0)))
    assert said["mean_dri"] < 0.05
    assert said["valid"] is False
    assert said["energy"]["value"] < 0.05
    assert said["pointing"]["value"] == 0
    assert abs(said["drop"]) < 0.2


def test_a_network_that_sees_nothing_says_so_and_counts_as_nothing() -> None:
    network = Seeks(red=1.0, blue=0.0)
    network.features[0].bias.data.fill_(-100.0)
    found = measured(network, randomisations=1)
    assert {one.state for one in found} == {"empty"}
    said = told(found)
    assert said["mean_dri"] == 0
    assert said["maps"]["empty"] == 6


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, other = (told(measured(Seeks(red=1.0, blue=0.0), seed=5)) for _ in range(2))
    assert one == other


def test_stopping_ends_it_between_two_photographs() -> None:
    images, discs = scenes()
    with pytest.raises(Cancelled):
        measure(Seeks(red=1.0, blue=0.0), images, discs, layer="features", rules=Rules(), stop=lambda: True)


def test_random_weights_are_others_and_leave_the_network_and_the_generator_alone() -> None:
    images, _ = scenes()
    network = SmallCnn().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    other = randomised(network, images, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(torch.equal(value, before[name]) for name, value in other.state_dict().items() if name.endswith("0.weight"))
    again = randomised(network, images, seed=1)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in other.state_dict().items())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(2, 20), st.integers(2, 20), st.integers(0, 9))
def test_a_moved_mask_has_its_shape_lies_in_the_field_and_touches_nothing(top: int, left: int, height: int, width: int, seed: int) -> None:
    mask, field = np.zeros((64, 64), bool), np.ones((64, 64), bool)
    field[:, :3] = False
    mask[top : top + height, left : left + width] = True
    for copied in moved(mask, field, count=3, seed=seed):
        assert copied.sum() == mask.sum()
        assert not (copied & mask).any()
        assert (copied & field).sum() >= 0.98 * copied.sum()


def test_a_disc_that_fills_the_field_fits_nowhere_else() -> None:
    full = np.ones((32, 32), bool)
    assert moved(full, full, count=3, seed=0) == []
    assert moved(~full, full, count=3, seed=0) == []


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_relevance_lies_between_0_and_1_and_is_1_for_the_mask_itself(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((12, 12)) < 0.4
    mask[3, 3] = True
    got = relevance(random.random((12, 12)).astype(np.float32), mask)
    assert all(0 <= value <= 1 for value in (got.iou, got.energy, got.pointing))
    itself = relevance(mask.astype(np.float32), mask)
    assert (itself.iou, itself.energy, itself.pointing) == (1, 1, 1)


def test_painting_takes_the_colour_of_the_rest() -> None:
    image, disc = scene(20, 20)
    pixels = image.permute(1, 2, 0).numpy()
    field = pixels.max(axis=2) > 12
    made = painted(pixels, disc, field)
    assert not (made[disc][:, 0] > 200).any()
    assert np.array_equal(made[~disc], pixels[~disc])
