"""A first search space for data of a size: a commented file to begin one's own with.

Stages halve the map until it has a side of 4 to 7; widths double with each, and all of them are scaled until half
of the networks that are drawn are within the budget.
"""

from __future__ import annotations

import math
from statistics import median
from typing import NamedTuple, get_args

import numpy as np
import yaml

from naslab.arch.block import round_width
from naslab.arch.cost import cost
from naslab.arch.layers.activation import Activation
from naslab.errors import SpecError, counted
from naslab.space.space import SearchSpace

LARGE_SIDE = 96
"""The stem halves images from this side on, as those of ImageNet's networks do."""
DRAWN = 48
"""Networks whose cost is counted for each scale of the widths."""
SCALES = tuple(2 ** (step / 2) for step in range(-4, 9))
"""Factors of the widths that are tried."""


class Starter(NamedTuple):
    """The text of a space's file, the space, and the `median_macs` of networks drawn from it."""

    text: str
    space: SearchSpace
    median_macs: int


def starter_space(
    shape: tuple[int, int, int], num_classes: int, target_macs: float | None = None, about: str = ""
) -> Starter:
    """A commented space for images of `shape` (channels, height, width) and `num_classes` classes.

    Half of its networks have at most `target_macs` multiply-accumulates, as nearly as widths of a multiple of eight
    allow; without, widths are those of small networks of the literature. `about` is what the first comment says of the
    data. Raises `SpecError` for a budget that the smallest such space is above.

    >>> starter = starter_space((3, 32, 32), 10, target_macs=20e6)
    >>> starter.median_macs < 20e6, len(starter.space.template["stages"])
    (True, 3)
    """
    scaled = [(_space(shape, num_classes, scale), scale) for scale in (SCALES if target_macs else (1.0,))]
    drawn = [(_median_macs(space), space, scale) for space, scale in scaled]
    within = [each for each in drawn if target_macs is None or each[0] <= target_macs]
    if not within:
        least = min(each[0] for each in drawn)
        raise SpecError("target_macs", f"half of the smallest such space is above it: it is at least {least:,}")
    macs, space, scale = max(within, key=lambda each: each[0])
    return Starter(_text(shape, num_classes, scale, about, macs, space.size()), space, macs)


def _text(shape: tuple[int, int, int], num_classes: int, scale: float, about: str, macs: int, size: int) -> str:
    """The file, whose comments say what may be changed."""
    head, *stages = _widths(shape, scale)
    strides = _strides(shape)
    lines = [
        f"# {about or 'A space'}: {counted(size, 'network', form=',')}, half of them with at most {macs:,} "
        "multiply-accumulates.",
        "# Every {choice: [...]} is a hole; add options, take some away, or write a value in its place.",
        f"input: {list(shape)}  # channels, height, width; they follow the data set",
        f"num_classes: {num_classes}",
        f"activation: relu  # or {', '.join(each for each in get_args(Activation) if each != 'relu')}",
        "stem:",
        f"  - {{block: {{type: conv, kernel: 3}}, width: {{choice: {head}}}, stride: {_stem_stride(shape)}}}",
        "stages:  # each repeats its block; the first of them takes the stride",
    ]
    for index, (widths, stride) in enumerate(zip(stages, strides, strict=True)):
        if index == 0:
            lines += ["  - block: &block  # every stage chooses for itself (naslab list blocks)", "      choice:"]
            lines += [f"        - {_flow(each)}" for each in BLOCKS]
        else:
            lines += ["  - block: *block"]
        lines += [f"    width: {{choice: {widths}}}", "    repeats: {choice: [1, 2, 3]}", f"    stride: {stride}"]
    return "\n".join(lines) + "\n"


BLOCKS: tuple[dict[str, object], ...] = (
    {"type": "mbconv", "kernel": {"choice": [3, 5]}, "expansion": {"choice": [3, 6]}},
    {"type": "inverted_bottleneck", "kernel": {"choice": [3, 5]}, "expansion": {"choice": [3, 6]}},
    {"type": "fused_mbconv", "expansion": {"choice": [2, 4]}},
    {"type": "depthwise_separable", "kernel": {"choice": [3, 5]}},
    {"type": "residual"},
)


def _flow(value: object) -> str:
    """A value as YAML in one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000).strip()


def _space(shape: tuple[int, int, int], num_classes: int, scale: float) -> SearchSpace:
    return SearchSpace(yaml.safe_load(_text(shape, num_classes, scale, "", 0, 0)))


def _median_macs(space: SearchSpace) -> int:
    rng = np.random.default_rng(0)
    return int(median(cost(space.decode(space.sample(rng))).macs for _ in range(DRAWN)))


def _stem_stride(shape: tuple[int, int, int]) -> int:
    return 2 if min(shape[1:]) >= LARGE_SIDE else 1


def _strides(shape: tuple[int, int, int]) -> list[int]:
    """The stride of each stage: two to five, the first of which leaves the map as it is."""
    side = min(shape[1:]) / _stem_stride(shape)
    count = min(5, max(2, math.floor(math.log2(max(side, 1) / 7)) + 1))
    return [1] + [2] * (count - 1)


def _widths(shape: tuple[int, int, int], scale: float) -> list[list[int]]:
    """Options of the width of the stem and of each stage."""
    middles = [16.0] + [24.0 * 2**index for index in range(len(_strides(shape)))]
    return [sorted({round_width(scale * middle * part) for part in (0.67, 1, 1.33)}) for middle in middles]
