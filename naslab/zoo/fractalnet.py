"""FractalNet: Larsson et al. 2017, "FractalNet: Ultra-Deep Neural Networks without Residuals", arXiv 1605.07648.

The reading taken here: a fractal of C columns is C columns of 2^(c-1) convolutions, each followed by batch
normalisation and ReLU without bias; every column's first convolution reads the block's input and widens it itself;
columns that end at one place meet in one join, their mean; a 2 x 2 max pooling follows every block; the last one
leaves 1 x 1 positions, and a linear layer classifies them. With widths 64 to 512 that is 33.7 M parameters for
20 layers; the paper prints 38.6 M and does not say what its blocks hold beyond figure 1.
"""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, Fractal, PoolBlock, Stage, StochasticDepth
from naslab.arch.block import require
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("FractalNet: Ultra-Deep Neural Networks without Residuals", 2016, "1605.07648")
WIDTHS = (64, 128, 256, 512, 512)
DROPOUT = (0.0, 0.1, 0.2, 0.3, 0.4)
"""Per block (section 4)."""


def fractalnet(
    columns: int,
    widths: tuple[int, ...] = WIDTHS,
    dropout: tuple[float, ...] = DROPOUT,
    drop_path: float = 0.15,
    num_classes: int = 10,
    resolution: Resolution = 32,
    in_channels: int = 3,
) -> ArchSpec:
    """FractalNet of len(`widths`) * 2^(`columns` - 1) layers on its longest path, drop-path in training (section 3).

    Block i is `widths[i]` wide, with dropout of the rate `dropout[i]` behind its convolutions; `drop_path` is the rate
    at which a join drops its inputs. Raises `SpecError` where there is not one dropout rate for each block.
    """
    require(len(dropout) == len(widths), "dropout", f"must be one rate a block, {len(widths)}, got {len(dropout)}")
    stages: list[Stage] = []
    for width, rate in zip(widths, dropout, strict=True):
        stages += [
            Stage(block=Fractal(columns=columns, dropout=rate), width=width),
            Stage(block=PoolBlock(kind="max", kernel=2, padding=0), stride=2),
        ]
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stages=tuple(stages),
        num_classes=num_classes,
        stochastic_depth=StochasticDepth(rate=drop_path, rule="uniform"),
    )


MODELS = entries(
    "FractalNet",
    PAPER,
    ("fractalnet20", partial(fractalnet, 3), Published(95.40, "arXiv 1605.07648, table 1, C10+, with drop-path")),
    ("fractalnet40", partial(fractalnet, 4, dropout=(0.0,) * 5), None),
)
