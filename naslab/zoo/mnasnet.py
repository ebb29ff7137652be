"""MnasNet: Tan et al. 2019, "Platform-Aware Neural Architecture Search for Mobile", arXiv 1807.11626, figure 7."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, InvertedBottleneck, MBConv, NormStyle, SqueezeExcite, Stage
from naslab.arch.block import require_positive, round_width
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("MnasNet: Platform-Aware Neural Architecture Search for Mobile", 2018, "1807.11626")
B1_ROWS = (
    # kernel, expansion, width, repeats, stride; the first row is a depthwise separable filter without activation
    (3, 1, 16, 1, 1),
    (3, 3, 24, 3, 2),
    (5, 3, 40, 3, 2),
    (5, 6, 80, 3, 2),
    (3, 6, 96, 2, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
A1_ROWS = (
    # kernel, expansion, width, repeats, stride, has squeeze-excite
    (3, 1, 16, 1, 1, False),
    (3, 6, 24, 2, 2, False),
    (5, 3, 40, 3, 2, True),
    (3, 6, 80, 4, 2, False),
    (3, 6, 112, 2, 1, True),
    (5, 6, 160, 3, 2, True),
    (3, 6, 320, 1, 1, False),
)


def mnasnet(
    width: float = 1.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """MnasNet-B1, the network without squeeze-excite, with widths times `width` to multiples of 8."""
    blocks = tuple(
        (InvertedBottleneck(kernel=kernel, expansion=expansion), out, repeats, stride)
        for kernel, expansion, out, repeats, stride in B1_ROWS
    )
    return _mnasnet(blocks, width, num_classes, resolution, in_channels)


def mnasnet_a1(
    width: float = 1.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """MnasNet-A1, the network of figure 7 with squeeze-excite in three of its stages, with widths times `width`."""
    gate = SqueezeExcite(ratio=0.25, of="input")
    blocks = tuple(
        (MBConv(kernel=kernel, expansion=expansion, se=gate if has_se else None), out, repeats, stride)
        for kernel, expansion, out, repeats, stride, has_se in A1_ROWS
    )
    return _mnasnet(blocks, width, num_classes, resolution, in_channels)


def _mnasnet(
    rows: tuple[tuple[InvertedBottleneck | MBConv, int, int, int], ...],
    width: float,
    num_classes: int,
    resolution: Resolution,
    in_channels: int,
) -> ArchSpec:
    require_positive(float(width), "width")
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=round_width(32 * width), stride=2),),
        stages=tuple(
            Stage(block=block, width=round_width(out * width), repeats=repeats, stride=stride)
            for block, out, repeats, stride in rows
        ),
        head=Head(width=1280, dropout=0.2),
        num_classes=num_classes,
        norm=NormStyle(momentum=0.0003),
    )


MODELS = entries(
    "MnasNet",
    PAPER,
    ("mnasnet0_5", partial(mnasnet, 0.5), Published(67.734, TORCHVISION)),
    ("mnasnet0_75", partial(mnasnet, 0.75), Published(71.180, TORCHVISION)),
    ("mnasnet1_0", mnasnet, Published(73.456, TORCHVISION)),
    ("mnasnet1_3", partial(mnasnet, 1.3), Published(76.506, TORCHVISION)),
    ("mnasnet_a1", mnasnet_a1, Published(75.2, "arXiv 1807.11626, table 1")),
)
