"""VGG: Simonyan and Zisserman 2015, "Very Deep Convolutional Networks", arXiv 1409.1556, table 1."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, LocalNormBlock, NormStyle, PoolBlock, Stage
from naslab.errors import UnknownNameError
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014, "1409.1556")
WIDTHS = (64, 128, 256, 512, 512)
KERNELS = {
    # The filters of each stage, by the column of table 1; a pooling layer follows every stage.
    "A": ((3,), (3,), (3, 3), (3, 3), (3, 3)),
    "A-LRN": ((3,), (3,), (3, 3), (3, 3), (3, 3)),
    "B": ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)),
    "C": ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)),
    "D": ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    "E": ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3)),
}


def vgg(
    column: str,
    batch_norm: bool = False,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """A `column` of table 1: `A` (11 weighted layers), `A-LRN`, `B` (13), `C` (16), `D` (16) or `E` (19).

    With `batch_norm` a normalisation follows every convolution, which keeps its bias (torchvision's `vgg*_bn`). Raises
    `UnknownNameError` for another column.
    """
    if column not in KERNELS:
        raise UnknownNameError("VGG column", column, KERNELS)
    stages: list[Stage] = []
    for width, kernels in zip(WIDTHS, KERNELS[column], strict=True):
        stages += (Stage(block=ConvBlock(kernel=kernel, bias=batch_norm or None), width=width) for kernel in kernels)
        if column == "A-LRN" and len(stages) == 1:
            stages.append(Stage(block=LocalNormBlock()))
        stages.append(Stage(block=PoolBlock(kind="max", kernel=2, padding=0), stride=2))
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stages=tuple(stages),
        head=Head(pool_size=(7, 7), hidden=(4096, 4096), dropout=0.5),
        num_classes=num_classes,
        norm=NormStyle() if batch_norm else None,
    )


MODELS = entries(
    "VGG",
    PAPER,
    ("vgg11", partial(vgg, "A"), Published(69.020, TORCHVISION)),
    ("vgg11_lrn", partial(vgg, "A-LRN"), Published(70.3, "arXiv 1409.1556, table 3")),
    ("vgg13", partial(vgg, "B"), Published(69.928, TORCHVISION)),
    ("vgg16_c", partial(vgg, "C"), Published(72.7, "arXiv 1409.1556, table 3, scale jittering")),
    ("vgg16", partial(vgg, "D"), Published(71.592, TORCHVISION)),
    ("vgg19", partial(vgg, "E"), Published(72.376, TORCHVISION)),
    ("vgg11_bn", partial(vgg, "A", batch_norm=True), Published(70.370, TORCHVISION)),
    ("vgg13_bn", partial(vgg, "B", batch_norm=True), Published(71.586, TORCHVISION)),
    ("vgg16_bn", partial(vgg, "D", batch_norm=True), Published(73.360, TORCHVISION)),
    ("vgg19_bn", partial(vgg, "E", batch_norm=True), Published(74.218, TORCHVISION)),
)
