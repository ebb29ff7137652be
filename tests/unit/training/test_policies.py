"""AutoAugment, RandAugment and colour jitter on batches, seeded and apart from all other randomness."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from naslab.study.recipe import Recipe
from naslab.training.policies import IMAGES_A_DRAW, color_policy, recolored

POLICIES = [
    Recipe(auto_augment="cifar10"),
    Recipe(auto_augment="svhn"),
    Recipe(auto_augment="imagenet"),
    Recipe(rand_augment=2, rand_augment_magnitude=15),
    Recipe(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2),
]


def pixels_of(count: int, channels: int = 3, side: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(256, (count, side, side, channels), dtype=torch.uint8, generator=generator)


def changed(recipe: Recipe, pixels: torch.Tensor, seed: int = 0) -> torch.Tensor:
    policy = color_policy(recipe)
    assert policy is not None
    return recolored(pixels, policy, random.Random(seed))


def test_a_recipe_without_colours_has_no_policy():
    assert color_policy(Recipe(crop_padding=4, horizontal_flip=True, cutout=4, mixup=0.2)) is None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("recipe", POLICIES)
def test_images_change_and_stay_images(recipe, channels):
    pixels = pixels_of(30, channels)
    after = changed(recipe, pixels)
    assert after.shape == pixels.shape
    assert after.dtype == torch.uint8
    assert after.is_contiguous()
    assert not torch.equal(after, pixels)


@pytest.mark.parametrize("recipe", POLICIES)
def test_they_are_a_function_of_the_seed_and_leave_the_global_state_alone(recipe):
    pixels = pixels_of(40)
    torch.manual_seed(5)
    expected = torch.rand(3)
    first = changed(recipe, pixels, seed=1)
    torch.manual_seed(5)
    assert torch.equal(changed(recipe, pixels, seed=1), first)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.equal(changed(recipe, pixels, seed=2), first)


def test_eight_images_share_a_draw_and_the_next_eight_have_their_own():
    pixels = pixels_of(1).expand(4 * IMAGES_A_DRAW, -1, -1, -1)
    after = changed(Recipe(brightness=0.9), pixels)
    groups = after.reshape(4, IMAGES_A_DRAW, *after.shape[1:])
    assert torch.equal(groups, groups[:, :1].expand_as(groups))
    assert len({tuple(group.flatten().tolist()) for group in groups[:, 0]}) == 4


def test_a_group_is_what_torchvision_makes_of_it():
    pixels = pixels_of(IMAGES_A_DRAW)
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(random.Random(7).getrandbits(63))
        expected = v2.RandAugment(2, 9)(pixels.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert torch.equal(changed(Recipe(rand_augment=2), pixels, seed=7), expected)


@given(bright=st.floats(0.05, 0.95), seed=st.integers(0, 1000))
def test_brightness_stays_within_its_range(bright, seed):
    after = changed(Recipe(brightness=bright), torch.full((16, 2, 2, 3), 100, dtype=torch.uint8), seed)
    assert 100 * (1 - bright) - 1 <= after.min()
    assert after.max() <= 100 * (1 + bright) + 1
