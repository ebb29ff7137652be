"""AutoAugment, RandAugment and colour jitter of uint8 images on their device, by torchvision's transforms."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from naslab.study.recipe import Recipe

IMAGES_A_DRAW = 8
"""Images that share a draw. Torchvision draws once a call, and on a CPU a call for each image costs six times as much:
143 ms against 23 for RandAugment of 128 images of 32 x 32. Batches are in random order, so their neighbours differ."""

Transform = Callable[[Tensor], Tensor]


def color_policy(recipe: Recipe) -> Transform | None:
    """A recipe's AutoAugment, RandAugment and colour jitter, in this order; `None` for a recipe without any.

    It takes and gives images, uint8 of shape (batch, channels, height, width).
    """
    if not (recipe.auto_augment or recipe.rand_augment or _color_ranges(recipe)):
        return None
    from torchvision.transforms import v2  # more than a second, which other recipes do without

    parts: list[Transform] = []
    if recipe.auto_augment is not None:
        parts.append(v2.AutoAugment(v2.AutoAugmentPolicy(recipe.auto_augment)))
    if recipe.rand_augment:
        parts.append(v2.RandAugment(recipe.rand_augment, recipe.rand_augment_magnitude))
    if _color_ranges(recipe):
        parts.append(v2.ColorJitter(*_color_ranges(recipe)))
    whole: Transform = v2.Compose(parts)
    return whole


def _color_ranges(recipe: Recipe) -> tuple[float, ...]:
    """Brightness, contrast, saturation and hue; nothing where all are 0."""
    ranges = (recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue)
    return ranges if any(ranges) else ()


def recolored(pixels: Tensor, policy: Transform, host: random.Random) -> Tensor:
    """Images through a policy that is drawn anew for every eight of them.

    `pixels` and the result are uint8 of shape (batch, height, width, channels).
    Torchvision draws from torch's global generator of the CPU, which is seeded from `host` and then put back.
    """
    images = pixels.permute(0, 3, 1, 2)
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(host.getrandbits(63))
    try:
        changed = torch.cat([policy(part) for part in torch.split(images, IMAGES_A_DRAW)])
    finally:
        torch.default_generator.set_state(before)
    return changed.permute(0, 2, 3, 1).contiguous()
