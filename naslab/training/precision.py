"""In which precision a network's forward passes run, and by which convolutions on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from naslab.study.recipe import Recipe
from naslab.training.cpu_convolutions import CpuConvolutions

BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
LEAST_PIXELS = 256
"""Images of fewer pixels are too small for a CPU: converting them takes as long as bfloat16 wins."""


def is_reduced(recipe: Recipe, device: torch.device, size: tuple[int, int]) -> bool:
    """Whether networks of a recipe compute in bfloat16 on a device, for images of `size` (height, width).

    >>> is_reduced(Recipe(precision="float32"), torch.device("cuda"), (224, 224))
    False
    """
    if recipe.precision != "auto":
        return recipe.precision == "bfloat16"
    if device.type == "cpu":
        return size[0] * size[1] >= LEAST_PIXELS and cpu_has_bfloat16()
    return device.type == "cuda"


@contextmanager
def forward_precision(recipe: Recipe, device: torch.device, size: tuple[int, int]) -> Iterator[None]:
    """Forward passes inside the block run in the recipe's precision.

    On a CPU their convolutions are computed in the fastest of several ways, those of several groups in float32.
    """
    with torch.autocast(device.type, torch.bfloat16, enabled=is_reduced(recipe, device, size)):
        if device.type != "cpu":
            yield
            return
        with CpuConvolutions():
            yield


@cache
def cpu_has_bfloat16() -> bool:
    """Whether this machine's CPU has instructions for bfloat16: AVX-512 BF16 or AMX, as Linux tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not BFLOAT16_FLAGS.isdisjoint(flags.split())
