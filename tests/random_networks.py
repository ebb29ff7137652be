"""Random architectures of every block there is, valid by construction: what does not fit is left out as it is drawn."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
from hypothesis import strategies as st

from naslab.arch import (
    ActivationBlock,
    ActivationFirstResidual,
    ArchSpec,
    Bottleneck,
    BranchWidths,
    Cell,
    CellInput,
    ConvBlock,
    ConvNeXtBlock,
    ConvStep,
    DenseLayer,
    DepthwiseSeparable,
    DropoutBlock,
    Edge,
    Fire,
    ForkStep,
    Fractal,
    FractionalPoolBlock,
    FusedMBConv,
    GraphCell,
    Head,
    Inception,
    InvertedBottleneck,
    LocalNormBlock,
    MBConv,
    NormFreeBlock,
    NormStyle,
    Pair,
    Parallel,
    PatchConv,
    PoolBlock,
    PoolStep,
    PreactResidual,
    ResidualBlock,
    ShuffleUnit,
    Skip,
    SplitShuffleUnit,
    SqueezeExcite,
    Stage,
    StochasticDepth,
    Transition,
    UniversalBottleneck,
    VertexCell,
    cost,
)
from naslab.arch.blocks.cell import CellOp
from naslab.arch.blocks.cell_operations import Operation
from naslab.arch.blocks.residual import Shortcut
from naslab.arch.blocks.vertex_cell import VertexOp
from naslab.arch.plan import Activation
from naslab.arch.sides import Sides
from naslab.errors import SpecError

ACTIVATIONS = typing.get_args(Activation)
activation = st.sampled_from((None, None, "none", *ACTIVATIONS))
kernel = st.sampled_from((1, 3, 5, (1, 5), (3, 1)))
strides: st.SearchStrategy[Any] = st.sampled_from((1, 1, 2, 3, (2, 1), (1, 3)))
groups = st.sampled_from((1, 1, 1, 2, 4))
ratio = st.sampled_from((0.25, 0.5, 1.0, 1.5))
expansion = st.sampled_from((0.5, 1, 2.3, 4))
flag = st.booleans()
width = st.sampled_from((4, 8, 12, 16, 20, 7))
se = st.none() | st.builds(
    SqueezeExcite,
    ratio=st.sampled_from((0.05, 0.25, 1.0)),
    of=st.sampled_from((None, "input", "gated")),
    divisor=st.sampled_from((1, 8)),
    activation=st.none() | st.sampled_from(ACTIVATIONS),
    gate=st.sampled_from(("sigmoid", "hardsigmoid")),
    gain=st.sampled_from((1.0, 2.0)),
)
mixed = st.sampled_from(((), (3, 5), (3, 5, 7)))
conv_step = st.builds(ConvStep, width=width, kernel=st.sampled_from((1, 3, (1, 5), (3, 1))), strided=flag)
pool_step = st.builds(PoolStep, kind=st.sampled_from(("max", "avg")), strided=flag, count_padding=flag)
fork_step = st.builds(ForkStep, branches=st.lists(st.tuples(conv_step), min_size=1, max_size=2).map(tuple))
branch = st.lists(conv_step | pool_step | fork_step, min_size=1, max_size=3).map(tuple)
edge_ops = st.sampled_from(typing.get_args(CellOp))


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    pairs = tuple(
        Pair(
            left=Edge(op=draw(edge_ops), state=draw(st.integers(0, index + 1))),
            right=Edge(op=draw(edge_ops), state=draw(st.integers(0, index + 1))),
        )
        for index in range(draw(st.integers(1, 3)))
    )
    return Cell(pairs=pairs, lookback=draw(st.integers(1, 3)), activation=draw(activation))


cell_operations = st.sampled_from(typing.get_args(Operation))


@st.composite
def graph_cells(draw: st.DrawFn) -> GraphCell:
    inputs = draw(st.integers(1, 2))
    nodes = tuple(
        tuple(
            CellInput(op=draw(cell_operations), state=draw(st.integers(0, inputs + index - 1)))
            for _ in range(draw(st.integers(1, 3)))
        )
        for index in range(draw(st.integers(1, 3)))
    )
    outputs = draw(st.sampled_from(((), (0,), (inputs, 0))))
    lookback = draw(st.integers(1, 3)) if inputs == 2 else 2
    return GraphCell(nodes=nodes, outputs=outputs, inputs=inputs, lookback=lookback, activation=draw(activation))


@st.composite
def vertex_cells(draw: st.DrawFn) -> VertexCell:
    size = draw(st.integers(2, 5))
    matrix = [[draw(st.integers(0, 1)) if column > row else 0 for column in range(size)] for row in range(size)]
    matrix[0][1] = 1
    if size > 2:
        matrix[1][size - 1] = 1
    if sum(map(sum, matrix)) > 9:
        matrix[0][size - 1] = 0
    ops = tuple(draw(st.sampled_from(typing.get_args(VertexOp))) for _ in range(size - 2))
    return VertexCell(matrix=tuple(map(tuple, matrix)), ops=ops, activation=draw(activation))


BLOCKS: dict[type[msgspec.Struct], st.SearchStrategy[Any]] = {
    ConvBlock: st.builds(
        ConvBlock,
        kernel=kernel,
        groups=groups,
        se=se,
        activation=activation,
        padding=st.none() | st.integers(0, 3),
        norm=flag,
        bias=st.none() | flag,
    ),
    PatchConv: st.builds(PatchConv, norm=st.sampled_from(("before", "after", "none")), bias=flag),
    FractionalPoolBlock: st.builds(
        FractionalPoolBlock, kernel=st.sampled_from((2, 3, (3, 2))), ratio=st.sampled_from((0.5, 0.7, 0.9))
    ),
    PoolBlock: st.builds(
        PoolBlock,
        kind=st.sampled_from(("max", "avg")),
        kernel=st.integers(1, 4) | st.sampled_from(((1, 3), (2, 1))),
        padding=st.sampled_from((None, 0)),
        ceil=flag,
    ),
    LocalNormBlock: st.builds(LocalNormBlock, size=st.sampled_from((3, 5))),
    DropoutBlock: st.builds(DropoutBlock, rate=st.sampled_from((0.0, 0.5)), channelwise=flag),
    ActivationBlock: st.builds(ActivationBlock, activation=activation),
    Skip: st.builds(Skip),
    DepthwiseSeparable: st.builds(DepthwiseSeparable, kernel=kernel, se=se, activation=activation),
    MBConv: st.builds(MBConv, kernel=kernel, expansion=expansion, se=se, activation=activation)
    | st.builds(MBConv, hidden=width, se=se, has_shortcut=flag, kernels=mixed),
    InvertedBottleneck: st.builds(InvertedBottleneck, kernel=kernel, expansion=expansion, activation=activation)
    | st.builds(
        InvertedBottleneck,
        expansion=st.sampled_from((1, 2.3)),
        hidden_divisor=st.sampled_from((1, 8)),
        keeps_expand=flag,
        pointwise_groups=st.sampled_from((1, 2)),
        has_shortcut=flag,
        kernels=mixed,
    ),
    FusedMBConv: st.builds(FusedMBConv, kernel=kernel, expansion=expansion, se=se, activation=activation)
    | st.builds(FusedMBConv, hidden=width, has_shortcut=flag),
    ResidualBlock: st.builds(
        ResidualBlock,
        kernel=kernel,
        groups=groups,
        shortcut=st.sampled_from(typing.get_args(Shortcut)),
        se=se,
        activation=activation,
    ),
    Bottleneck: st.builds(
        Bottleneck,
        kernel=kernel,
        ratio=ratio,
        groups=groups,
        stride_first=flag,
        shortcut=st.sampled_from(typing.get_args(Shortcut)),
        se=se,
        activation=activation,
        reduce_ratio=st.none() | ratio,
        shortcut_kernel=st.sampled_from((1, 3)),
        se_after=st.sampled_from(("expand", "filter")),
    ),
    PreactResidual: st.builds(
        PreactResidual,
        kernel=kernel,
        ratio=ratio,
        groups=groups,
        shortcut=st.sampled_from(("projection", "pad", "pooled_pad")),
        se=se,
        activation=activation,
        dropout=st.sampled_from((0.0, 0.3)),
        first_act=flag,
        last_norm=flag,
        first_norm=flag,
        stride_first=flag,
    ),
    Inception: st.builds(Inception, naive=flag, se=se, activation=activation)
    | st.builds(
        Inception,
        widths=st.builds(
            BranchWidths, one=width, three=width, five=width, pool=width, reduce_three=width, reduce_five=width
        ),
        activation=activation,
    ),
    Fire: st.builds(Fire, squeeze=width, kernel=kernel, activation=activation),
    ConvNeXtBlock: st.builds(
        ConvNeXtBlock,
        kernel=kernel,
        expansion=expansion,
        layer_scale=st.sampled_from((None, 1e-6)),
        activation=activation,
    ),
    Parallel: st.builds(
        Parallel,
        branches=st.lists(branch, min_size=1, max_size=3).map(tuple),
        residual_scale=st.sampled_from((None, 0.2)),
        activation=activation,
        closing=activation,
    ),
    DenseLayer: st.builds(
        DenseLayer,
        growth=st.sampled_from((4, 6)),
        bottleneck=st.sampled_from((None, 4.0, 0.5)),
        kernel=kernel,
        dropout=st.sampled_from((0.0, 0.2)),
        activation=activation,
    ),
    Transition: st.builds(Transition, compression=st.sampled_from((0.5, 1.0)), activation=activation),
    Fractal: st.builds(Fractal, columns=st.integers(1, 3), kernel=kernel, activation=activation),
    ShuffleUnit: st.builds(ShuffleUnit, groups=groups, kernel=kernel, activation=activation),
    SplitShuffleUnit: st.builds(SplitShuffleUnit, kernel=kernel, activation=activation),
    NormFreeBlock: st.builds(
        NormFreeBlock, group_width=st.sampled_from((2, 4)), num_filters=st.integers(1, 2), se=se, activation=activation
    ),
    Cell: cells(),
    GraphCell: graph_cells(),
    VertexCell: vertex_cells(),
    UniversalBottleneck: st.builds(
        UniversalBottleneck,
        first=st.none() | kernel,
        middle=st.none() | kernel,
        expansion=expansion,
        se=se,
        activation=activation,
        has_shortcut=flag,
    ),
    ActivationFirstResidual: st.builds(ActivationFirstResidual, kernel=kernel, activation=activation),
}
"""A strategy for every block; a test holds that none is missing."""

norms = st.none() | st.builds(
    NormStyle,
    kind=st.sampled_from(("batch", "batch", "group", "layer", "weights")),
    eps=st.sampled_from((1e-5, 1e-3)),
    groups=st.sampled_from((1, 4, 32)),
)
heads = st.builds(
    Head,
    norm=flag,
    norm_pooled=flag,
    width=st.none() | width,
    pool=st.sampled_from(("avg", "max")),
    pool_size=st.sampled_from(((1, 1), (1, 1), (2, 3))),
    hidden=st.lists(width, max_size=2).map(tuple),
    dropout=st.sampled_from((0.0, 0.2)),
    activation=activation,
    bias=flag,
    hidden_bias=flag,
) | st.builds(Head, classifier=st.just("conv"), width=st.none() | width, dropout=st.sampled_from((0.0, 0.2)))


@st.composite
def archs(draw: st.DrawFn, kinds: tuple[type[msgspec.Struct], ...] = tuple(BLOCKS)) -> ArchSpec:
    """One to four stages of any blocks on a small image of any shape, in any style."""
    arch = ArchSpec(
        input=(draw(st.integers(1, 8)), draw(st.integers(5, 24)), draw(st.integers(5, 24))),
        stem=(Stage(block=ConvBlock(), width=draw(st.sampled_from((4, 8, 16, 24)))),) if draw(flag) else (),
        stages=(Stage(block=Skip()),),
        num_classes=draw(st.integers(1, 12)),
        norm=draw(norms),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        stochastic_depth=StochasticDepth(
            rate=draw(st.sampled_from((0.0, 0.3))), rule=draw(st.sampled_from(("linear", "uniform")))
        ),
    )
    stages: tuple[Stage, ...] = ()
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(kinds))
        block = draw(BLOCKS[kind])
        if "dilation" in block.__struct_fields__:
            block = msgspec.structs.replace(block, dilation=draw(st.sampled_from((1, 1, 2, (1, 2)))))
        repeats = draw(st.integers(1, 3))
        stride: Sides = draw(strides)
        for wide in (draw(width), None):
            grown = msgspec.structs.replace(
                arch, stages=(*stages, Stage(block=block, width=wide, repeats=repeats, stride=stride))
            )
            if fits(grown):
                arch, stages = grown, grown.stages
                break
    with_head = msgspec.structs.replace(arch, head=draw(heads))
    return with_head if fits(with_head) else arch


def fits(arch: ArchSpec) -> bool:
    """Whether every layer of the network fits its input."""
    try:
        cost(arch)
    except SpecError:
        return False
    return True
