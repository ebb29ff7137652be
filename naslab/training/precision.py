"""In which precision a network's forward passes run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from naslab.training.recipe import Recipe

BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
LEAST_PIXELS = 256
"""Images of fewer pixels are too small for a CPU: converting them takes as long as bfloat16 wins."""
GROUPS = 6
"""The place of the number of groups among a convolution's arguments."""


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

    On a CPU grouped convolutions stay in float32: in bfloat16 a depthwise one was up to six times as slow, and with
    it MobileNetV2's training twice.
    """
    if not is_reduced(recipe, device, size):
        yield
        return
    with torch.autocast(device.type, torch.bfloat16):
        if device.type != "cpu":
            yield
            return
        with _GroupedInFloat32():
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


class _GroupedInFloat32(TorchFunctionMode):
    """Leaves convolutions of several groups out of the autocast around it."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function is torch.conv2d and len(args) > GROUPS and args[GROUPS] > 1:
            with torch.autocast("cpu", enabled=False):
                return function(args[0].float(), *args[1:], **(kwargs or {}))
        return function(*args, **(kwargs or {}))
