"""NFNet: Brock et al. 2021, "High-Performance Large-Scale Image Recognition Without Normalization", arXiv 2102.06171.

Adaptive gradient clipping (section 4) is a part of the training recipe, not of the network. How maps of even sides are
padded: `naslab.zoo.entry.SAME_PADDED`.
"""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, NormFreeBlock, NormStyle, Stage, StochasticDepth
from naslab.errors import SpecError
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("High-Performance Large-Scale Image Recognition Without Normalization", 2021, "2102.06171")
REPEATS = (1, 2, 6, 3)
"""Blocks of F0's stages; F-n has n + 1 times as many (table 1)."""
WIDTHS = (256, 512, 1536, 1536)
RESOLUTIONS = (256, 224, 256, 320, 384, 416, 448)
"""Of F0 to F6: the training resolution (table 1), for F0 that of its tests; it is trained at 192."""
DROPOUT = (0.2, 0.3, 0.4, 0.4, 0.5, 0.5, 0.5)


def nfnet(
    variant: int,
    num_classes: int = 1000,
    resolution: Resolution | None = None,
    in_channels: int = 3,
) -> ArchSpec:
    """NFNet-F`variant`: standardised weights, scaled activations, no normalisation (tables 1 and 2).

    Without a `resolution` that of the variant is taken (`RESOLUTIONS`). Raises `SpecError` for a variant that is not 0
    to 6.
    """
    if not 0 <= variant < len(RESOLUTIONS):
        raise SpecError("variant", f"must be 0 to {len(RESOLUTIONS) - 1}, got {variant}")
    repeats = tuple((variant + 1) * count for count in REPEATS)
    filter_ = ConvBlock(kernel=3)
    return ArchSpec(
        input=image_shape(RESOLUTIONS[variant] if resolution is None else resolution, in_channels),
        stem=(
            Stage(block=filter_, width=16, stride=2),
            Stage(block=filter_, width=32),
            Stage(block=filter_, width=64),
            Stage(block=ConvBlock(kernel=3, activation="none"), width=128, stride=2),
        ),
        stages=tuple(
            Stage(
                block=NormFreeBlock(sums_before=repeats[index - 1] if index else 0),
                width=width,
                repeats=count,
                stride=2 if index else 1,
            )
            for index, (width, count) in enumerate(zip(WIDTHS, repeats, strict=True))
        ),
        head=Head(width=2 * WIDTHS[-1], dropout=DROPOUT[variant]),
        num_classes=num_classes,
        norm=NormStyle(kind="weights"),
        activation="gelu",
        stochastic_depth=StochasticDepth(rate=0.25),
    )


SOURCE = "arXiv 2102.06171, table 3"
TOP1 = (83.6, 84.7, 85.1, 85.7, 85.9, 86.0, 86.5)
TESTED_AT = (256, 320, 352, 416, 512, 544, 576)
MODELS = entries(
    "NFNet",
    PAPER,
    *(
        (
            f"nfnet_f{variant}",
            partial(nfnet, variant),
            Published(top1, f"{SOURCE}, trained with SAM" if variant == 6 else SOURCE, resolution),
        )
        for variant, (top1, resolution) in enumerate(zip(TOP1, TESTED_AT, strict=True))
    ),
)
