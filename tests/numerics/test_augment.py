"""Augmentation by a policy: every change runs on photograph and mask, both agree, and the same draw comes back."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from arc.fundus.augment import PolicyBatches
from arc.fundus.augment_spec import MODERATE, AugmentPolicy
from arc.fundus.effects import changed
from arc.kit.loader import TensorBatches
from arc.kit.sampler import Order

SIDE = 48
GEOMETRY = ("flip", "rotate", "crop", "elastic_transform", "grid_distortion")
LIGHT = ("brightness", "contrast", "gamma", "colour", "gaussian_blur", "gaussian_noise")


def only(name: str, **more: float) -> AugmentPolicy:
    return AugmentPolicy.model_validate({name: {"probability": 1.0, **more}})


def eye(x: float = 20, y: float = 26) -> tuple[np.ndarray, np.ndarray]:
    """A photograph (SIDE x SIDE x 3) whose red channel is the mask: 0, 128 in the disc, 255 in the cup; and the mask."""
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    away = np.hypot(across - x, down - y)
    mask = np.where(away < 6, 255, np.where(away < 12, 128, 0)).astype(np.uint8)
    return np.dstack([mask, np.full_like(mask, 90), 40 + across.astype(np.uint8)]), mask


def draw(policy: AugmentPolicy, seed: int, **where: float) -> tuple[np.ndarray, np.ndarray]:
    image, mask = changed(*eye(**where), policy, np.random.default_rng(seed))
    assert mask is not None
    return image, mask


@pytest.mark.parametrize("name", AugmentPolicy.model_fields)
def test_every_change_runs_on_photograph_and_mask_and_changes_something(name: str) -> None:
    before, truth = eye()
    kept = before.copy(), truth.copy()
    policy = only(name, strength=0.05) if name == "gaussian_blur" else only(name)  # a small picture shows no finer blur
    different = 0
    for seed in range(8):
        image, mask = changed(before, truth, policy, np.random.default_rng(seed))
        assert image.shape == before.shape
        assert image.dtype == np.uint8
        assert mask is not None
        assert mask.shape == truth.shape
        assert set(np.unique(mask)) <= {0, 128, 255}
        assert np.array_equal(mask, truth) or name in GEOMETRY
        different += not np.array_equal(image, before)
        alone, none = changed(before, None, policy, np.random.default_rng(seed))
        assert none is None
        assert np.array_equal(alone, image)
    assert different >= 6
    assert np.array_equal(before, kept[0])
    assert np.array_equal(truth, kept[1])


@given(
    seed=st.integers(0, 2**63 - 1),
    name=st.sampled_from([*GEOMETRY, "all"]),
    x=st.floats(14, 34),
    y=st.floats(14, 34),
)
@settings(max_examples=60, deadline=None)
def test_the_mask_goes_where_the_photograph_goes(seed: int, name: str, x: float, y: float) -> None:
    policy = AugmentPolicy.model_validate({each: {"probability": 1.0} for each in (GEOMETRY if name == "all" else (name,))})
    image, mask = draw(policy, seed, x=x, y=y)
    # Linear and nearest resampling differ by less than half a level of the mask, but where an edge runs through a pixel.
    for level in (64, 191):
        seen, said = image[..., 0] >= level, mask >= level
        outline = 2 * np.sqrt(np.pi * max(said.sum(), 1))
        assert (seen ^ said).sum() <= max(0.5 * outline, 6)


@given(seed=st.integers(0, 2**63 - 1), turned=st.floats(0, 180))
@settings(max_examples=40, deadline=None)
def test_flip_turn_and_crop_leave_the_ratio_of_cup_to_disc_alone(seed: int, turned: float) -> None:
    policy = AugmentPolicy.model_validate(
        {"flip": {"probability": 1.0}, "rotate": {"probability": 1.0, "strength": turned}, "crop": {"probability": 1.0, "strength": 0.1}}
    )
    _, mask = draw(policy, seed, x=24, y=24)
    cup, disc = ((mask >= level).any(axis=1).sum() for level in (255, 128))
    assert cup / disc == pytest.approx(0.5, abs=0.09)


def test_a_flip_is_exact_and_its_strength_says_which_way() -> None:
    before, truth = eye()
    for strength, axis in ((0.0, 1), (1.0, 0)):
        image, mask = changed(before, truth, only("flip", strength=strength), np.random.default_rng(0))
        assert np.array_equal(image, np.flip(before, axis))
        assert mask is not None
        assert np.array_equal(mask, np.flip(truth, axis))


def test_colour_changes_each_channel_by_a_gain_of_its_own() -> None:
    grey = np.full((SIDE, SIDE, 3), 100, np.uint8)
    gains = np.array([changed(grey, None, only("colour", strength=0.2), np.random.default_rng(seed))[0][0, 0] for seed in range(50)])
    assert gains.min() >= 80
    assert gains.max() <= 120
    assert np.ptp(gains.astype(int), axis=1).mean() > 8


def test_nothing_is_done_without_a_probability_or_a_strength() -> None:
    before, truth = eye()
    for policy in (AugmentPolicy(), *(only(name, strength=0.0) for name in (*LIGHT, "rotate", "crop", "elastic_transform"))):
        image, mask = changed(before, truth, policy, np.random.default_rng(1))
        assert np.array_equal(image, before)
        assert mask is not None
        assert np.array_equal(mask, truth)


def test_a_probability_is_kept() -> None:
    before, truth = eye()
    policy = AugmentPolicy.model_validate({"brightness": {"probability": 0.3, "strength": 0.5}})
    done = sum(not np.array_equal(changed(before, truth, policy, np.random.default_rng(seed))[0], before) for seed in range(600))
    assert done / 600 == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize(
    "wrong", [{"flip": {"probability": 1.5}}, {"rotate": {"strength": -1.0}}, {"crop": {"strength": 1.0}}, {"shear": {}}]
)
def test_a_policy_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AugmentPolicy.model_validate(wrong)


def batches(batch_size: int, *, policy: AugmentPolicy = MODERATE, seed: int = 9) -> PolicyBatches:
    image, mask = eye()
    images = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].repeat(20, 1, 1, 1)
    tensors = (images, torch.from_numpy(mask)[None].repeat(20, 1, 1), torch.arange(20))
    return PolicyBatches(TensorBatches(tensors, order=Order(20, seed=5), batch_size=batch_size), policy=policy, seed=seed, masks=True)


def test_a_resumed_epoch_sees_the_same_pictures_and_masks() -> None:
    whole, rest = list(batches(6).run(3)), list(batches(6).run(3, start=2))
    assert len(whole) == len(batches(6)) == 4
    for one, other in zip(whole[2:], rest, strict=True):
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))
    assert not torch.equal(next(iter(batches(6).run(4)))[0], whole[0][0])
    assert not torch.equal(next(iter(batches(6, seed=10).run(3)))[0], whole[0][0])


def test_what_is_drawn_does_not_depend_on_the_size_of_the_batches_and_leaves_the_set_alone() -> None:
    for at in range(3):
        assert torch.equal(next(iter(batches(20).run(0)))[at], torch.cat([batch[at] for batch in batches(3).run(0)]))
    source = batches(6)
    first, again = list(source.run(0)), list(source.run(0))
    assert all(torch.equal(one[0], other[0]) and torch.equal(one[1], other[1]) for one, other in zip(first, again, strict=True))
    assert len({picture.numpy().tobytes() for batch in first for picture in batch[0]}) == 20


def test_another_policy_is_other_data() -> None:
    assert batches(6).fingerprint == batches(6).fingerprint
    assert batches(6).fingerprint != batches(6, policy=AugmentPolicy()).fingerprint
