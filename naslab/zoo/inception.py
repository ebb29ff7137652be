"""Inception-v3: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv 1512.00567.

Widths are those of the released network, which the paper's table 1 leaves out.
"""

from __future__ import annotations

from naslab.arch import (
    ArchSpec,
    AuxiliaryHead,
    ConvBlock,
    ConvStep,
    ForkStep,
    Head,
    NormStyle,
    Parallel,
    PoolBlock,
    PoolStep,
    Stage,
)
from naslab.arch.blocks.parallel import Branch
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Rethinking the Inception Architecture for Computer Vision", 2015, "1512.00567")
NORM = NormStyle(eps=1e-3)
HALVE = Stage(block=PoolBlock(kind="max", kernel=3, padding=0), stride=2)

WIDE, TALL = (1, 7), (7, 1)
"""Kernels (height, width) of a factorised 7x7 filter."""


def conv(width: int, kernel: int | tuple[int, int] = 1) -> ConvStep:
    """A filter that keeps sizes."""
    return ConvStep(width=width, kernel=kernel)


def reducing(width: int, kernel: int = 3) -> ConvStep:
    """A filter that takes the stage's stride and stays inside the map."""
    return ConvStep(width=width, kernel=kernel, strided=True, padded=False)


REDUCING_POOL = PoolStep(kind="max", strided=True, padded=False)


def stem_stages() -> tuple[Stage, ...]:
    """The convolutions before the first cell: 299 x 299 to 35 x 35 (table 1)."""
    inside, keeping = ConvBlock(kernel=3, padding=0), ConvBlock(kernel=3)
    return (
        Stage(block=inside, width=32, stride=2),
        Stage(block=inside, width=32),
        Stage(block=keeping, width=64),
        HALVE,
        Stage(block=ConvBlock(kernel=1), width=80),
        Stage(block=inside, width=192),
        HALVE,
    )


def inception_v3(num_classes: int = 1000, resolution: Resolution = 299, in_channels: int = 3) -> ArchSpec:
    """Inception-v3 with batch-normalised auxiliary classifier in training; any input of at least 75 x 75."""
    narrow = [_cell_35(pooled) for pooled in (32, 64, 64)]
    middle = [_cell_17(width) for width in (128, 160, 160, 192)]
    stages = (
        *(Stage(block=block) for block in narrow),
        Stage(
            block=Parallel(branches=((reducing(384),), (conv(64), conv(96, 3), reducing(96)), (REDUCING_POOL,))),
            stride=2,
        ),
        *(Stage(block=block) for block in middle),
        Stage(
            block=Parallel(
                branches=(
                    (conv(192), reducing(320)),
                    (conv(192), conv(192, WIDE), conv(192, TALL), reducing(192)),
                    (REDUCING_POOL,),
                )
            ),
            stride=2,
        ),
        Stage(block=_cell_8(), repeats=2),
    )
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=stem_stages(),
        stages=stages,
        head=Head(dropout=0.5),
        num_classes=num_classes,
        norm=NORM,
        auxiliary=(_auxiliary(len(narrow) + len(middle)),),
    )


def _pooled(width: int) -> Branch:
    return (PoolStep(kind="avg", count_padding=True), conv(width))


def _cell_35(pooled: int) -> Parallel:
    """Two 3x3 filters in place of a 5x5 (figure 5)."""
    double = (conv(64), conv(96, 3), conv(96, 3))
    return Parallel(branches=((conv(64),), (conv(48), conv(64, 5)), double, _pooled(pooled)))


def _cell_17(width: int) -> Parallel:
    """Factorised 7x7 filters (figure 6)."""
    single = (conv(width), conv(width, WIDE), conv(192, TALL))
    double = (conv(width), conv(width, TALL), conv(width, WIDE), conv(width, TALL), conv(192, WIDE))
    return Parallel(branches=((conv(192),), single, double, _pooled(192)))


def _cell_8() -> Parallel:
    """Filter banks that fork at the end (figure 7)."""
    fork = ForkStep(branches=((conv(384, (1, 3)),), (conv(384, (3, 1)),)))
    single, double = (conv(384), fork), (conv(448), conv(384, 3), fork)
    return Parallel(branches=((conv(320),), single, double, _pooled(192)))


def _auxiliary(after: int) -> AuxiliaryHead:
    """Behind the last 17 x 17 cell (figure 8)."""
    inside = Parallel(branches=((ConvStep(width=768, kernel=5, padded=False),),))
    return AuxiliaryHead(
        after=after,
        stages=(
            Stage(block=PoolBlock(kind="avg", kernel=5, padding=0), stride=3),
            Stage(block=ConvBlock(kernel=1), width=128),
            Stage(block=inside),
        ),
        weight=0.4,
    )


MODELS = entries("Inception-v3", PAPER, ("inception_v3", inception_v3, Published(77.294, TORCHVISION)))
