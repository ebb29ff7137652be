"""Inception-v4 and Inception-ResNet-v2: Szegedy et al. 2017, arXiv 1602.07261, figures 3 to 9 and 15 to 19."""

from __future__ import annotations

from naslab.arch import ArchSpec, ConvBlock, ConvStep, ForkStep, Head, Parallel, PoolStep, Stage
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape
from naslab.zoo.inception import NORM, REDUCING_POOL, TALL, WIDE, conv, reducing, stem_stages

PAPER = Paper("Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", 2016, "1602.07261")
INSIDE = ConvStep(width=96, kernel=3, padded=False)
AVERAGE = PoolStep(kind="avg")


def inception_v4(num_classes: int = 1000, resolution: Resolution = 299, in_channels: int = 3) -> ArchSpec:
    """Inception-v4: cells of one form each at 35 x 35, 17 x 17 and 8 x 8 (figure 9)."""
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(
            Stage(block=ConvBlock(kernel=3, padding=0), width=32, stride=2),
            Stage(block=ConvBlock(kernel=3, padding=0), width=32),
            Stage(block=ConvBlock(kernel=3), width=64),
            Stage(block=Parallel(branches=((REDUCING_POOL,), (reducing(96),))), stride=2),
            Stage(block=Parallel(branches=((conv(64), INSIDE), (conv(64), conv(64, WIDE), conv(64, TALL), INSIDE)))),
            Stage(block=Parallel(branches=((reducing(192),), (REDUCING_POOL,))), stride=2),
        ),
        stages=(
            Stage(block=_cell_a(), repeats=4),
            Stage(
                block=Parallel(branches=((reducing(384),), (conv(192), conv(224, 3), reducing(256)), (REDUCING_POOL,))),
                stride=2,
            ),
            Stage(block=_cell_b(), repeats=7),
            Stage(
                block=Parallel(
                    branches=(
                        (conv(192), reducing(192)),
                        (conv(256), conv(256, WIDE), conv(320, TALL), reducing(320)),
                        (REDUCING_POOL,),
                    )
                ),
                stride=2,
            ),
            Stage(block=_cell_c(), repeats=3),
        ),
        head=Head(dropout=0.2),
        num_classes=num_classes,
        norm=NORM,
    )


def _cell_a() -> Parallel:
    """35 x 35 (figure 4)."""
    return Parallel(
        branches=(
            (conv(96),),
            (conv(64), conv(96, 3)),
            (conv(64), conv(96, 3), conv(96, 3)),
            (AVERAGE, conv(96)),
        )
    )


def _cell_b() -> Parallel:
    """17 x 17 (figure 5)."""
    double = (conv(192), conv(192, TALL), conv(224, WIDE), conv(224, TALL), conv(256, WIDE))
    return Parallel(
        branches=((conv(384),), (conv(192), conv(224, WIDE), conv(256, TALL)), double, (AVERAGE, conv(128)))
    )


def _cell_c() -> Parallel:
    """8 x 8 (figure 6)."""
    fork = ForkStep(branches=((conv(256, (1, 3)),), (conv(256, (3, 1)),)))
    double = (conv(384), conv(448, (3, 1)), conv(512, (1, 3)), fork)
    return Parallel(branches=((conv(256),), (conv(384), fork), double, (AVERAGE, conv(256))))


def inception_resnet_v2(num_classes: int = 1000, resolution: Resolution = 299, in_channels: int = 3) -> ArchSpec:
    """Inception-ResNet-v2 as released: cells added to their input, scaled by 0.17, 0.1 and 0.2 (section 3.3)."""
    block_8 = ((conv(192),), (conv(192), conv(224, (1, 3)), conv(256, (3, 1))))
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=stem_stages(),
        stages=(
            Stage(
                block=Parallel(
                    branches=(
                        (conv(96),),
                        (conv(48), conv(64, 5)),
                        (conv(64), conv(96, 3), conv(96, 3)),
                        (AVERAGE, conv(64)),
                    )
                )
            ),
            Stage(
                block=Parallel(
                    branches=((conv(32),), (conv(32), conv(32, 3)), (conv(32), conv(48, 3), conv(64, 3))),
                    residual_scale=0.17,
                ),
                repeats=10,
            ),
            Stage(
                block=Parallel(branches=((reducing(384),), (conv(256), conv(256, 3), reducing(384)), (REDUCING_POOL,))),
                stride=2,
            ),
            Stage(
                block=Parallel(
                    branches=((conv(192),), (conv(128), conv(160, WIDE), conv(192, TALL))), residual_scale=0.1
                ),
                repeats=20,
            ),
            Stage(
                block=Parallel(
                    branches=(
                        (conv(256), reducing(384)),
                        (conv(256), reducing(288)),
                        (conv(256), conv(288, 3), reducing(320)),
                        (REDUCING_POOL,),
                    )
                ),
                stride=2,
            ),
            Stage(block=Parallel(branches=block_8, residual_scale=0.2), repeats=9),
            Stage(block=Parallel(branches=block_8, residual_scale=1.0, closing="none")),
        ),
        head=Head(width=1536, dropout=0.2),
        num_classes=num_classes,
        norm=NORM,
    )


MODELS = entries(
    "Inception-v4",
    PAPER,
    ("inception_v4", inception_v4, Published(80.0, "arXiv 1602.07261, table 2, one central crop")),
    ("inception_resnet_v2", inception_resnet_v2, Published(80.1, "arXiv 1602.07261, table 2, one central crop")),
)
