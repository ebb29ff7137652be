"""Small networks that the tests train."""

from __future__ import annotations

from naslab.arch import ArchSpec, Cell, ConvBlock, Edge, Head, MBConv, Pair, ResidualBlock, Stage, StochasticDepth


def conv_net(**changes: object) -> ArchSpec:
    """Two convolutions for the digits."""
    parts: dict[str, object] = {
        "input": (1, 8, 8),
        "stages": (Stage(block=ConvBlock(), width=16), Stage(block=ConvBlock(), width=32, stride=2)),
        "num_classes": 10,
    }
    return ArchSpec(**(parts | changes))  # type: ignore[arg-type]


def random_net() -> ArchSpec:
    """Every source of randomness in a forward pass: dropout and stochastic depth."""
    return conv_net(
        stem=(Stage(block=ConvBlock(), width=8),),
        stages=(Stage(block=MBConv(expansion=2), width=8, repeats=2), Stage(block=ResidualBlock(), width=16, stride=2)),
        head=Head(dropout=0.3),
        stochastic_depth=StochasticDepth(rate=0.3),
    )


def cell_net(**changes: object) -> ArchSpec:
    """Cells, each of which reads the outputs of the two before it, the first one the image."""
    pairs = (
        Pair(left=Edge(op="separable_3x3", state=0), right=Edge(op="identity", state=1)),
        Pair(left=Edge(op="avg_pool_3x3", state=1), right=Edge(op="conv_1x1", state=2)),
    )
    return conv_net(**{"stages": (Stage(block=Cell(pairs=pairs), width=8, repeats=2),), **changes})
