"""AmoebaNet-A: Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search", arXiv 1802.01548.

The cells are those of figure 5 in the released code's order of states.
"""

from __future__ import annotations

from functools import partial

from naslab.arch import ActivationBlock, ArchSpec, Head, Stage
from naslab.arch.block import require_positive
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape
from naslab.zoo.nasnet import NORM, cell, cell_stages, stem_stages

PAPER = Paper("Regularized Evolution for Image Classifier Architecture Search", 2018, "1802.01548")
NORMAL = cell(
    ("avg_pool_3x3", 0, "max_pool_3x3", 0),
    ("separable_3x3", 1, "identity", 1),
    ("identity", 0, "avg_pool_3x3", 1),
    ("separable_3x3", 0, "separable_5x5", 2),
    ("avg_pool_3x3", 5, "separable_3x3", 0),
    outputs=(1, 3, 4, 6),
)
REDUCTION = cell(
    ("separable_3x3", 1, "avg_pool_3x3", 0),
    ("max_pool_3x3", 0, "separable_7x7", 2),
    ("max_pool_3x3", 1, "max_pool_3x3", 0),
    ("separable_3x3", 4, "conv_1x7_7x1", 0),
    ("avg_pool_3x3", 1, "separable_7x7", 0),
    outputs=(2, 3, 4, 5, 6),
)


def amoebanet_a(
    repeats: int,
    filters: int,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """AmoebaNet-A: `repeats` (the paper's N) normal cells a group, of `filters` (F), 2F and 4F filters (section 4).

    Raises `SpecError` where one of them is below 1.
    """
    require_positive(repeats, "repeats")
    require_positive(filters, "filters")
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=stem_stages(REDUCTION, filters, 32),
        stages=(*cell_stages(NORMAL, REDUCTION, filters, repeats), Stage(block=ActivationBlock())),
        head=Head(dropout=0.5),
        num_classes=num_classes,
        norm=NORM,
    )


MODELS = entries(
    "AmoebaNet-A",
    PAPER,
    ("amoebanet_a_n6_f190", partial(amoebanet_a, 6, 190, resolution=331), Published(82.8, "arXiv 1802.01548, table 2")),
    ("amoebanet_a_n4_f50", partial(amoebanet_a, 4, 50), Published(74.5, "arXiv 1802.01548, table 3")),
)
