"""RegNet: Radosavovic et al. 2020, "Designing Network Design Spaces", arXiv 2003.13678, equations 2 to 4."""

from __future__ import annotations

import math
from functools import partial

from naslab.arch import ArchSpec, Bottleneck, ConvBlock, SqueezeExcite, Stage
from naslab.arch.block import require, require_positive, round_width
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Designing Network Design Spaces", 2020, "2003.13678")
WIDTH_STEP = 8


def regnet(
    depth: int,
    initial_width: int,
    slope: float,
    multiplier: float,
    group_width: int,
    se_ratio: float | None = None,
    is_guarded: bool = True,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """RegNetX, or RegNetY with `se_ratio`: bottlenecks of ratio 1 whose widths are a quantised line.

    `depth`, `initial_width`, `slope`, `multiplier` and `group_width` are the paper's d, w_0, w_a, w_m and g. Widths go
    to the nearest multiple of the group width; in torchvision's models (`is_guarded`) one more where that would lose a
    tenth. Raises what `quantised_stages` raises.
    """
    stages = quantised_stages(depth, initial_width, slope, multiplier)
    blocks = []
    for width, repeats in stages:
        filter_width = min(group_width, width)
        fitted = round_width(width, filter_width) if is_guarded else round(width / filter_width) * filter_width
        se = None if se_ratio is None else SqueezeExcite(ratio=se_ratio, of="input")
        block = Bottleneck(ratio=1.0, groups=fitted // filter_width, se=se, se_after="filter")
        blocks.append(Stage(block=block, width=fitted, repeats=repeats, stride=2))
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=32, stride=2),),
        stages=tuple(blocks),
        num_classes=num_classes,
    )


def quantised_stages(depth: int, initial_width: int, slope: float, multiplier: float) -> tuple[tuple[int, int], ...]:
    """(width, repeats) of each stage: widths on a line, each rounded to a power of `multiplier` and to a multiple of 8.

    Block j of `depth` is `initial_width` + `slope` * j wide before rounding (Radosavovic et al. 2020, arXiv 2003.13678,
    equations 2 to 4). Raises `SpecError` for parameters out of range.

    >>> quantised_stages(22, 24, 24.48, 2.54)
    ((24, 1), (64, 2), (152, 7), (392, 12))
    """
    require_positive(depth, "depth")
    require_positive(slope, "slope")
    require(multiplier > 1, "multiplier", f"must be above 1, got {multiplier}")
    require(
        initial_width > 0 and initial_width % WIDTH_STEP == 0,
        "initial_width",
        f"must be a multiple of {WIDTH_STEP}, got {initial_width}",
    )
    repeats: dict[int, int] = {}
    for index in range(depth):
        exact = initial_width + slope * index
        power = round(math.log(exact / initial_width) / math.log(multiplier))
        width = round(initial_width * multiplier**power / WIDTH_STEP) * WIDTH_STEP
        repeats[width] = repeats.get(width, 0) + 1
    return tuple(repeats.items())


X = {
    # depth, initial width, slope, multiplier, group width (table 8)
    "400mf": (22, 24, 24.48, 2.54, 16),
    "800mf": (16, 56, 35.73, 2.28, 16),
    "1_6gf": (18, 80, 34.01, 2.25, 24),
    "3_2gf": (25, 88, 26.31, 2.25, 48),
    "8gf": (23, 80, 49.56, 2.88, 120),
    "16gf": (22, 216, 55.59, 2.1, 128),
    "32gf": (23, 320, 69.86, 2.0, 168),
}
Y = {
    # the same, with squeeze-excite (table 9)
    "400mf": (16, 48, 27.89, 2.09, 8),
    "800mf": (14, 56, 38.84, 2.4, 16),
    "1_6gf": (27, 48, 20.71, 2.65, 24),
    "3_2gf": (21, 80, 42.63, 2.66, 24),
    "8gf": (17, 192, 76.82, 2.19, 56),
    "16gf": (18, 200, 106.23, 2.48, 112),
    "32gf": (20, 232, 115.89, 2.53, 232),
}
X_TOP1 = {
    "400mf": 72.834,
    "800mf": 75.212,
    "1_6gf": 77.040,
    "3_2gf": 78.364,
    "8gf": 79.344,
    "16gf": 80.058,
    "32gf": 80.622,
}
Y_TOP1 = {
    "400mf": 74.046,
    "800mf": 76.420,
    "1_6gf": 77.950,
    "3_2gf": 78.948,
    "8gf": 80.032,
    "16gf": 80.424,
    "32gf": 80.878,
}
MODELS = entries(
    "RegNet",
    PAPER,
    *((f"regnet_x_{size}", partial(regnet, *X[size]), Published(X_TOP1[size], TORCHVISION)) for size in X),
    *((f"regnet_y_{size}", partial(regnet, *Y[size], 0.25), Published(Y_TOP1[size], TORCHVISION)) for size in Y),
)
