"""PyramidNet: Han et al. 2017, "Deep Pyramidal Residual Networks", arXiv 1610.02915, equation 2 and table 1."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, PreactResidual, Stage
from naslab.arch.block import require_positive
from naslab.errors import SpecError
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Deep Pyramidal Residual Networks", 2016, "1610.02915")


def pyramidnet(
    depth: int,
    alpha: int,
    bottleneck: bool = False,
    num_classes: int = 10,
    resolution: Resolution = 32,
    in_channels: int = 3,
) -> ArchSpec:
    """The additive PyramidNet of `depth` weighted layers for CIFAR: block k of N is floor(16 + k * `alpha` / N) wide.

    With `bottleneck` it is four times as wide. Widths follow from the block's number, not from the width before
    (equation 2's floor must not be applied twice). Raises `SpecError` where depth is not 6n + 2 (9n + 2 with
    bottlenecks), or alpha below 1.
    """
    layers = 9 if bottleneck else 6
    if depth < layers + 2 or depth % layers != 2:
        raise SpecError("depth", f"must be {layers}n + 2 with n at least 1, got {depth}")
    require_positive(alpha, "alpha")
    per_stage = depth // layers
    num_blocks = 3 * per_stage
    block = PreactResidual(ratio=0.25 if bottleneck else 1.0, shortcut="pooled_pad", first_act=False, last_norm=True)
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3, activation="none"), width=16),),
        stages=tuple(
            Stage(
                block=block,
                width=(16 + k * alpha // num_blocks) * (4 if bottleneck else 1),
                stride=2 if k in (per_stage + 1, 2 * per_stage + 1) else 1,
            )
            for k in range(1, num_blocks + 1)
        ),
        head=Head(norm=True),
        num_classes=num_classes,
    )


MODELS = entries(
    "PyramidNet",
    PAPER,
    ("pyramidnet110_a48", partial(pyramidnet, 110, 48), Published(95.42, "arXiv 1610.02915, table 4")),
    ("pyramidnet110_a84", partial(pyramidnet, 110, 84), Published(95.74, "arXiv 1610.02915, table 4")),
    ("pyramidnet110_a270", partial(pyramidnet, 110, 270), Published(96.27, "arXiv 1610.02915, table 4")),
    ("pyramidnet164_a270", partial(pyramidnet, 164, 270, True), Published(96.52, "arXiv 1610.02915, table 4")),
    ("pyramidnet272_a200", partial(pyramidnet, 272, 200, True), Published(96.69, "arXiv 1610.02915, table 4")),
)
