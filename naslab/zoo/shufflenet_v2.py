"""ShuffleNet V2: Ma et al. 2018, "Practical Guidelines for Efficient CNN Architecture Design", arXiv 1807.11164."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, Head, SplitShuffleUnit, Stage
from naslab.errors import SpecError
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape
from naslab.zoo.shufflenet import REPEATS, stem_stages

PAPER = Paper("ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", 2018, "1807.11164")
WIDTHS = {
    # stages 2 to 4 and the last convolution (table 5)
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}


def shufflenet_v2(
    width: float = 1.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """ShuffleNet V2 of one of the paper's four widths: `width` 0.5, 1, 1.5 or 2. Raises `SpecError` for another."""
    if width not in WIDTHS:
        raise SpecError("width", f"must be one of {', '.join(map(str, WIDTHS))}, got {width}")
    *channels, last = WIDTHS[width]
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=stem_stages(),
        stages=tuple(
            Stage(block=SplitShuffleUnit(), width=out, repeats=repeats, stride=2)
            for out, repeats in zip(channels, REPEATS, strict=True)
        ),
        head=Head(width=last),
        num_classes=num_classes,
    )


MODELS = entries(
    "ShuffleNetV2",
    PAPER,
    ("shufflenet_v2_x0_5", partial(shufflenet_v2, 0.5), Published(60.552, TORCHVISION)),
    ("shufflenet_v2_x1_0", partial(shufflenet_v2, 1.0), Published(69.362, TORCHVISION)),
    ("shufflenet_v2_x1_5", partial(shufflenet_v2, 1.5), Published(72.996, TORCHVISION)),
    ("shufflenet_v2_x2_0", partial(shufflenet_v2, 2.0), Published(76.230, TORCHVISION)),
)
