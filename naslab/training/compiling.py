"""When a network is handed to torch.compile."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from naslab.study.recipe import Recipe

PAYS_BACK_AFTER = 5000
"""Steps of a training on a GPU that `auto` compiles for; an estimate, not yet measured on a GPU: about a minute of
compiling against a few milliseconds saved in every step."""


def pays_to_compile(recipe: Recipe, device: torch.device, num_steps: int) -> bool:
    """Whether a training of `num_steps` steps on `device` compiles its network: as `recipe.compile` says.

    On a CPU `auto` never does: 20 to 200 seconds of compiling for 1.0 to 1.3 times the speed.

    >>> pays_to_compile(Recipe(compile="auto"), torch.device("cpu"), 10**6)
    False
    """
    if recipe.compile == "auto":
        return device.type == "cuda" and num_steps >= PAYS_BACK_AFTER
    return recipe.compile == "on"


def compiled(module: nn.Module, recipe: Recipe, device: torch.device, num_steps: int) -> nn.Module:
    """`module` as the steps of a training call it: compiled where that pays, else itself; the weights are the same.

    Whether it pays follows from `recipe`, `device` and the number of steps, `num_steps` (`pays_to_compile`). Compiling
    itself happens in the first step.
    """
    return cast(nn.Module, torch.compile(module)) if pays_to_compile(recipe, device, num_steps) else module
