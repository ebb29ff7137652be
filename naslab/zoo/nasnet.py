"""NASNet-A: Zoph et al. 2018, "Learning Transferable Architectures for Scalable Image Recognition", arXiv 1707.07012.

The cells are those of figure 4 in the released code's order of states.
"""

from __future__ import annotations

from functools import partial

import msgspec

from naslab.arch import (
    ActivationBlock,
    ArchSpec,
    Cell,
    ConvBlock,
    Edge,
    Head,
    NormStyle,
    Pair,
    Stage,
    StochasticDepth,
)
from naslab.arch.block import require_positive
from naslab.arch.blocks.cell import CellOp
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Learning Transferable Architectures for Scalable Image Recognition", 2017, "1707.07012")
NORM = NormStyle(eps=1e-3)


def cell(*pairs: tuple[CellOp, int, CellOp, int], outputs: tuple[int, ...], shifted: bool = False) -> Cell:
    """A cell from rows (left operation, its state, right operation, its state), one for each of `pairs`.

    The states in `outputs` are concatenated; with `shifted` strided windows lie where TensorFlow's padding puts them.
    """
    return Cell(
        pairs=tuple(
            Pair(left=Edge(op=left, state=first), right=Edge(op=right, state=second))
            for left, first, right, second in pairs
        ),
        outputs=outputs,
        shifted=shifted,
    )


NORMAL = cell(
    ("separable_5x5", 0, "separable_3x3", 1),
    ("separable_5x5", 1, "separable_3x3", 1),
    ("avg_pool_3x3", 0, "identity", 1),
    ("avg_pool_3x3", 1, "avg_pool_3x3", 1),
    ("separable_3x3", 0, "identity", 0),
    outputs=(1, 2, 3, 4, 5, 6),
)
REDUCTION = cell(
    ("separable_5x5", 0, "separable_7x7", 1),
    ("max_pool_3x3", 0, "separable_7x7", 1),
    ("avg_pool_3x3", 0, "separable_5x5", 1),
    ("identity", 3, "avg_pool_3x3", 2),
    ("separable_3x3", 2, "max_pool_3x3", 0),
    outputs=(3, 4, 5, 6),
    shifted=True,
)


def cell_stages(normal: Cell, reduction: Cell, filters: int, repeats: int, lookback: int = 2) -> tuple[Stage, ...]:
    """Three groups of `repeats` cells `normal`, with a cell `reduction` before the second and the third.

    The groups have `filters`, twice and four times as many. `lookback` is how far the first cell behind a reduction
    looks back: 3 passes over the reduced map.
    """
    stages: list[Stage] = [Stage(block=normal, width=filters, repeats=repeats)]
    behind = msgspec.structs.replace(normal, lookback=lookback)
    for width in (2 * filters, 4 * filters):
        stages.append(Stage(block=reduction, width=width, stride=2))
        if lookback == 2:
            stages.append(Stage(block=normal, width=width, repeats=repeats))
            continue
        stages.append(Stage(block=behind, width=width))
        if repeats > 1:
            stages.append(Stage(block=normal, width=width, repeats=repeats - 1))
    return tuple(stages)


def stem_stages(reduction: Cell, filters: int, stem: int) -> tuple[Stage, ...]:
    """The first layers: a convolution of `stem` filters at stride 2, then two `reduction` cells (section 3).

    The cells have a quarter and a half of the `filters`.
    """
    first = msgspec.structs.replace(reduction, lookback=1)
    return (
        Stage(block=ConvBlock(kernel=3, padding=0, activation="none"), width=stem, stride=2),
        Stage(block=first, width=max(1, filters // 4), stride=2),
        Stage(block=reduction, width=max(1, filters // 2), stride=2),
    )


def nasnet_a(
    repeats: int,
    last_width: int,
    stem: int = 32,
    skips_reduction: bool = False,
    drop_path: float = 0.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """NASNet-A (`repeats` @ `last_width`): N normal cells a group, the last cell's output in channels (section 3).

    `stem` is how many filters the first convolution has, `drop_path` the rate at which the last cell's paths are
    dropped, growing linearly to it. With `skips_reduction` the first cell behind a reduction reads the map before the
    reduced cell's input, as in the released large network. Raises `SpecError` where repeats or width are below 1.
    """
    require_positive(repeats, "repeats")
    require_positive(last_width, "last_width")
    filters = last_width // 24
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=stem_stages(REDUCTION, filters, stem),
        stages=(
            *cell_stages(NORMAL, REDUCTION, filters, repeats, 3 if skips_reduction else 2),
            Stage(block=ActivationBlock()),
        ),
        head=Head(dropout=0.5),
        num_classes=num_classes,
        norm=NORM,
        stochastic_depth=StochasticDepth(rate=drop_path),
    )


MODELS = entries(
    "NASNet-A",
    PAPER,
    ("nasnet_a_mobile", partial(nasnet_a, 4, 1056), Published(74.0, "arXiv 1707.07012, table 3")),
    (
        "nasnet_a_large",
        partial(nasnet_a, 6, 4032, stem=96, skips_reduction=True, drop_path=0.3, resolution=331),
        Published(82.7, "arXiv 1707.07012, table 2"),
    ),
)
