"""ConvNeXt: Liu et al. 2022, "A ConvNet for the 2020s", arXiv 2201.03545, section 3 and table 9."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvNeXtBlock, Head, NormStyle, PatchConv, Stage, StochasticDepth
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("A ConvNet for the 2020s", 2022, "2201.03545")


def convnext(
    repeats: tuple[int, ...],
    width: int,
    drop_rate: float = 0.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """Stages of `repeats` blocks, the first `width` wide and each next one twice as wide at half the resolution.

    `drop_rate` is the stochastic depth of the last block, growing linearly to it.
    """
    stages: list[Stage] = []
    for index, count in enumerate(repeats):
        out = width * 2**index
        if index:
            stages.append(Stage(block=PatchConv(norm="before"), width=out, stride=2))
        stages.append(Stage(block=ConvNeXtBlock(), width=out, repeats=count))
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=PatchConv(norm="after"), width=width, stride=4),),
        stages=tuple(stages),
        head=Head(norm_pooled=True),
        num_classes=num_classes,
        norm=NormStyle(kind="layer", eps=1e-6),
        activation="gelu",
        stochastic_depth=StochasticDepth(rate=drop_rate),
    )


MODELS = entries(
    "ConvNeXt",
    PAPER,
    ("convnext_tiny", partial(convnext, (3, 3, 9, 3), 96, 0.1), Published(82.1, "arXiv 2201.03545, table 1")),
    ("convnext_small", partial(convnext, (3, 3, 27, 3), 96, 0.4), Published(83.1, "arXiv 2201.03545, table 1")),
    ("convnext_base", partial(convnext, (3, 3, 27, 3), 128, 0.5), Published(83.8, "arXiv 2201.03545, table 1")),
    ("convnext_large", partial(convnext, (3, 3, 27, 3), 192, 0.5), Published(84.3, "arXiv 2201.03545, table 1")),
)
