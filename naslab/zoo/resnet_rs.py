"""ResNet-RS: Bello et al. 2021, "Revisiting ResNets", arXiv 2103.07579, section 4 and tables 7 and 11."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, Bottleneck, ConvBlock, Head, SqueezeExcite, Stage, StochasticDepth
from naslab.errors import SpecError
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape
from naslab.zoo.resnet import four_stages

PAPER = Paper("Revisiting ResNets: Improved Training and Scaling Strategies", 2021, "2103.07579")
REPEATS = {
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
    270: (4, 29, 53, 4),
    350: (4, 36, 72, 4),
    420: (4, 44, 87, 4),
}


def resnet_rs(
    depth: int,
    dropout: float = 0.25,
    drop_rate: float = 0.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """ResNet-D of `depth` layers with squeeze-excite of a quarter (ResNet-RS).

    Shortcuts are pooled, and a stem of four 3x3 filters takes the place of pooling. `dropout` is the rate before the
    classifier, `drop_rate` the stochastic depth of the last block. Raises `SpecError` for a depth that the paper does
    not have.
    """
    if depth not in REPEATS:
        raise SpecError("depth", f"must be one of {', '.join(map(str, REPEATS))}, got {depth}")
    filters = ConvBlock(kernel=3)
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(
            Stage(block=filters, width=32, stride=2),
            Stage(block=filters, width=32),
            Stage(block=filters, width=64),
            Stage(block=filters, width=64, stride=2),
        ),
        stages=four_stages(Bottleneck(shortcut="pooled_projection", se=SqueezeExcite(ratio=0.25)), REPEATS[depth], 256),
        head=Head(dropout=dropout),
        num_classes=num_classes,
        stochastic_depth=StochasticDepth(rate=drop_rate),
    )


MODELS = entries(
    "ResNet-RS",
    PAPER,
    (
        "resnet_rs_50",
        partial(resnet_rs, 50),
        Published(78.8, "arXiv 2103.07579, table 7", resolution=160),
    ),
    ("resnet_rs_101", partial(resnet_rs, 101, resolution=192), Published(81.2, "arXiv 2103.07579, table 7")),
    ("resnet_rs_152", partial(resnet_rs, 152, resolution=256), Published(83.0, "arXiv 2103.07579, table 7")),
    ("resnet_rs_200", partial(resnet_rs, 200, 0.25, 0.1, resolution=256), Published(83.4, "arXiv 2103.07579, table 7")),
    ("resnet_rs_270", partial(resnet_rs, 270, 0.25, 0.1, resolution=256), Published(83.8, "arXiv 2103.07579, table 7")),
    (
        "resnet_rs_350",
        partial(resnet_rs, 350, 0.4, 0.1, resolution=384),
        Published(84.2, "arXiv 2103.07579, table 7", resolution=320),
    ),
    ("resnet_rs_420", partial(resnet_rs, 420, 0.4, 0.1, resolution=320), Published(84.4, "arXiv 2103.07579, table 7")),
)
