"""LeNet-5: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", figure 2."""

from __future__ import annotations

from naslab.arch import ArchSpec, ConvBlock, Head, PoolBlock, Stage
from naslab.zoo.entry import Paper, Resolution, entries, image_shape

PAPER = Paper("Gradient-Based Learning Applied to Document Recognition", 1998)


def lenet5(num_classes: int = 10, resolution: Resolution = 32, in_channels: int = 1) -> ArchSpec:
    """LeNet-5 as it is read today: C3 sees all maps of S2, pooling has no weights, a linear classifier.

    C5 is a convolution, as in the paper, so that images above 32 x 32 give a map there, which is averaged.
    """
    pool = Stage(block=PoolBlock(kind="avg", kernel=2, padding=0), stride=2)
    filters = ConvBlock(kernel=5, padding=0)
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stages=(
            Stage(block=filters, width=6),
            pool,
            Stage(block=filters, width=16),
            pool,
            Stage(block=filters, width=120),
        ),
        head=Head(hidden=(84,)),
        num_classes=num_classes,
        norm=None,
        activation="tanh",
    )


MODELS = entries("LeNet", PAPER, ("lenet5", lenet5, None))
