"""Graphs, histories and the other pieces of networks that are no chain: counted as built, and refused with reasons."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from naslab.arch import (
    ArchSpec,
    AuxiliaryHead,
    Cell,
    Context,
    ConvBlock,
    ConvStep,
    DenseLayer,
    Edge,
    Fractal,
    Head,
    NormFreeBlock,
    NormStyle,
    Pair,
    Parallel,
    PoolBlock,
    ShuffleUnit,
    Skip,
    SplitShuffleUnit,
    Stage,
    arch_id,
    canonical,
    cost,
    decode_arch,
    encode,
    layer_costs,
    lower,
)
from naslab.arch.blocks.cell import CellOp
from naslab.arch.build import build, module_of
from naslab.arch.plan import (
    Act,
    ChannelShuffle,
    ChannelSlice,
    Conv,
    Dag,
    History,
    Identity,
    Layer,
    Node,
    Residual,
    Subsample,
    concat,
    seq,
)
from naslab.arch.summary import stage_rows
from naslab.arch.tally import tally


def run(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    out = module_of(layer).eval()(x)
    assert out.shape[1:] == tally(layer, tuple(x.shape[1:])).out_shape
    return out


def test_joins_add_average_and_stack() -> None:
    x = torch.randn(2, 3, 4, 5)
    kept = Node(Identity(), (0,))
    doubled = Node(Identity(), (0, 0), "add")
    mean = Node(Identity(), (0, 2), "mean")
    stacked = Node(Identity(), (0, 3), "concat")
    graph = Dag(("a", "b", "c", "d"), (kept, doubled, mean, stacked), (4, 2))
    assert torch.equal(run(graph, x), torch.cat([x, 1.5 * x, 2 * x], dim=1))


def test_slices_shuffles_and_subsampling() -> None:
    x = torch.arange(6 * 3 * 5.0).reshape(1, 6, 3, 5)
    assert torch.equal(run(ChannelSlice(2, 5), x), x[:, 2:5])
    assert torch.equal(run(ChannelShuffle(2), x), x[:, [0, 3, 1, 4, 2, 5]])
    assert torch.equal(run(Subsample((2, 2)), x), x[:, :, ::2, ::2])
    shifted = torch.zeros(1, 6, 2, 3)
    shifted[:, :, :1, :2] = x[:, :, 1::2, 1::2]
    assert torch.equal(run(Subsample((2, 2), (1, 1)), x), shifted)


@pytest.mark.parametrize("size", [(6, 6), (6, 7), (7, 7)])
def test_a_shifted_window_lies_where_the_same_padding_puts_it(size: tuple[int, int]) -> None:
    x = torch.randn(1, 2, *size)
    conv = Conv(2, 3, (3, 3), (2, 2), (1, 1))
    graph = module_of(Dag(("conv",), (Node(conv, (0,), shifted_like=0),), (1,)))
    padding = [(0, 1) if side % 2 == 0 else (1, 1) for side in size]
    padded = functional.pad(x, (*padding[1], *padding[0]))
    expected = functional.conv2d(padded, graph["conv"].weight, stride=2)
    assert torch.allclose(graph(x), expected, atol=1e-6)


def test_a_residual_is_scaled() -> None:
    x = torch.randn(2, 3, 4, 4)
    assert torch.allclose(run(Residual(Act("tanh"), scale=0.17), x), x + 0.17 * torch.tanh(x))


def test_an_activation_that_opens_a_branch_leaves_its_input_alone() -> None:
    x = torch.randn(2, 3, 4, 4)
    before = x.clone()
    opening = seq(act=Act("relu"), conv=Conv(3, 3))
    nodes = (Node(opening, (0,)), Node(Identity(), (0, 1), "add"))
    for layer in (
        Residual(opening),
        concat(a=opening, b=Identity()),
        Dag(("a", "b"), nodes, (2,)),
        Residual(Act("silu")),
    ):
        module_of(layer)(x)
        assert torch.equal(x, before)


def test_a_history_reads_the_last_outputs() -> None:
    """x0, then f(x0, x0), f(x0, x1), f(x1, x2) with f(a, b) = a + 2 b."""
    both = Node(Identity(), (0, 1, 1), "add")
    step = Dag(("sum",), (both,), (2,), num_inputs=2)
    history = History(("a", "rest"), (step, History(("b", "c"), (step, step))))
    x = torch.randn(1, 2, 3, 3)
    assert torch.allclose(run(history, x), 17 * x)  # 3 x, then x + 6 x, then 3 x + 14 x


ONE = Stage(block=ConvBlock(kernel=3), width=8)


def cell_net(**changes: object) -> ArchSpec:
    pairs = (
        Pair(left=Edge(op="separable_3x3", state=0), right=Edge(op="identity", state=1)),
        Pair(left=Edge(op="avg_pool_3x3", state=1), right=Edge(op="conv_1x7_7x1", state=2)),
        Pair(left=Edge(op="dilated_3x3", state=0), right=Edge(op="max_pool_5x5", state=1)),
    )
    cell = Cell(pairs=pairs)
    arch = ArchSpec(
        input=(3, 17, 22),
        stem=(ONE,),
        stages=(
            Stage(block=cell, width=8, repeats=2),
            Stage(block=msgspec.structs.replace(cell, outputs=(0, 1, 3)), width=6, stride=2),
            Stage(block=ConvBlock(kernel=1), width=20),
            Stage(block=msgspec.structs.replace(cell, lookback=3), width=7, repeats=2),
        ),
        num_classes=4,
    )
    return msgspec.structs.replace(arch, **changes)


def assert_counted_as_built(arch: ArchSpec) -> None:
    counted = cost(arch)
    network = build(arch, seed=0).eval()
    activations = macs = 0

    def add(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal activations, macs
        assert isinstance(module.weight, torch.Tensor)
        activations += output[0].numel() if isinstance(module, nn.Conv2d) else 0
        macs += output[0].numel() * module.weight[0].numel()

    for each in network.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            each.register_forward_hook(add)
    logits = network(torch.randn(2, *arch.input))
    assert logits.shape == (2, arch.num_classes)
    assert (activations, macs) == (counted.activations, counted.macs)
    assert sum(each.numel() for each in network.parameters()) == counted.params
    rows, stages = layer_costs(arch), stage_rows(arch)
    assert sum(row.params for row in rows) == sum(row.params for row in stages) == counted.params
    assert sum(row.macs for row in rows) == sum(row.macs for row in stages) == counted.macs
    assert tally(lower(arch), arch.input).peak * 4 == counted.peak_activation_bytes
    assert decode_arch(encode(arch)) == arch
    assert cost(canonical(arch)) == counted


def test_a_network_of_cells() -> None:
    assert_counted_as_built(cell_net())


OPS = st.sampled_from(get_args(CellOp))


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    num_pairs = draw(st.integers(1, 4))
    pairs = tuple(
        Pair(
            left=Edge(op=draw(OPS), state=draw(st.integers(0, index + 1))),
            right=Edge(op=draw(OPS), state=draw(st.integers(0, index + 1))),
        )
        for index in range(num_pairs)
    )
    return Cell(
        pairs=pairs,
        outputs=tuple(draw(st.sets(st.integers(0, num_pairs + 1), max_size=3))),
        lookback=draw(st.integers(1, 3)),
        shifted=draw(st.booleans()),
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(cells(), st.integers(2, 6), st.integers(1, 2), st.integers(1, 2)), min_size=1, max_size=3))
def test_random_cells_are_counted_as_built(rows: list[tuple[Cell, int, int, int]]) -> None:
    stages = tuple(
        Stage(block=cell, width=width, repeats=repeats, stride=stride) for cell, width, repeats, stride in rows
    )
    assert_counted_as_built(ArchSpec(input=(3, 13, 10), stem=(ONE,), stages=stages, num_classes=3))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_peak_of_a_graph_is_that_of_a_slow_reference(data: st.DataObject) -> None:
    """Values alive at once, found by asking of every value at every node whether somebody still reads it."""
    nodes = []
    for index in range(data.draw(st.integers(1, 6))):
        inputs = data.draw(st.lists(st.integers(0, index), min_size=1, max_size=3, unique=True))
        nodes.append(Node(Conv(4, 4, (3, 3), padding=(1, 1)), tuple(inputs)))
    outputs = tuple(data.draw(st.sets(st.integers(1, len(nodes)), min_size=1, max_size=3)))
    graph = Dag(tuple(f"n{index}" for index in range(len(nodes))), tuple(nodes), outputs)
    size = 4 * 5 * 5
    read_at = {value: [index for index, node in enumerate(nodes) if value in node.inputs] for value in range(7)}
    peak = 0
    for index, node in enumerate(nodes):
        alive = {value for value in range(index + 1) if value in outputs or any(at >= index for at in read_at[value])}
        dying = {value for value in node.inputs if value not in outputs and max(read_at[value]) == index}
        sum_in_place = len(node.inputs) == 1 or dying
        joining = len(alive) + (0 if sum_in_place else 1)
        left = len(alive) - (len(dying) if len(node.inputs) > 1 else 0)
        running = left + (1 if len(node.inputs) == 1 else 2)
        peak = max(peak, joining, running)
    behind = len(outputs)
    peak = max(peak, 2 * behind if behind > 1 else behind)
    assert tally(graph, (4, 5, 5)).peak == peak * size


@pytest.mark.parametrize(
    ("stage", "context"),
    [
        (Stage(block=DenseLayer(growth=5, bottleneck=None), repeats=3), Context()),
        (Stage(block=DenseLayer(growth=5, dropout=0.1), repeats=2), Context()),
        (Stage(block=Fractal(columns=4), width=6, stride=2), Context()),
        (Stage(block=ShuffleUnit(groups=2), width=24, repeats=2, stride=2), Context()),
        (Stage(block=SplitShuffleUnit(), width=20, repeats=2, stride=2), Context()),
        (Stage(block=SplitShuffleUnit(), repeats=2), Context()),
        (Stage(block=NormFreeBlock(group_width=4), width=24, repeats=2, stride=2), Context(NormStyle(kind="weights"))),
        (
            Stage(block=Parallel(branches=((ConvStep(width=5),), (ConvStep(width=6, kernel=(1, 7)),)))),
            Context(None, "silu"),
        ),
        (Stage(block=Parallel(branches=((ConvStep(width=5),),), residual_scale=0.5), repeats=2), Context()),
    ],
    ids=lambda each: each.block.__struct_config__.tag if isinstance(each, Stage) else "",
)
def test_blocks_are_counted_as_built(stage: Stage, context: Context) -> None:
    arch = ArchSpec(
        input=(3, 11, 14), stem=(ONE,), stages=(stage,), num_classes=3, norm=context.norm, activation=context.activation
    )
    assert_counted_as_built(arch)


def test_standardised_weights_have_mean_0_and_their_gain() -> None:
    """Weights of a filter sum to 0 and their squares to the squared gain, whatever their scale (arXiv 2101.08692)."""
    conv = module_of(Conv(6, 4, (3, 3), groups=2, bias=True, standardized=True))
    nn.init.normal_(conv.weight, mean=3.0, std=0.7)
    with torch.no_grad():
        conv.gain.fill_(1.5)
        basis = torch.eye(3 * 9).reshape(27, 3, 3, 3).repeat(1, 2, 1, 1)
        response = conv(basis).squeeze() - conv.bias
    assert torch.allclose(response.sum(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(response.square().sum(0), torch.full((4,), 1.5**2), rtol=1e-5)


HEAD = AuxiliaryHead(after=1, stages=(Stage(block=PoolBlock(kernel=2, padding=0), stride=2),), head=Head(hidden=(7,)))


def test_canonical_networks_keep_their_auxiliary_heads_in_place() -> None:
    skip = Stage(block=Skip())
    arch = ArchSpec(input=(8, 8, 8), stages=(skip, ONE, ONE, skip), num_classes=2, auxiliary=(HEAD,))
    simple = canonical(arch)
    assert simple.stages == (ONE, ONE)
    assert simple.auxiliary == (msgspec.structs.replace(HEAD, after=0),)
    assert canonical(simple) == simple
    assert arch_id(arch) == arch_id(simple) != arch_id(msgspec.structs.replace(arch, auxiliary=()))
    assert canonical(msgspec.structs.replace(arch, auxiliary=())).stages == (msgspec.structs.replace(ONE, repeats=2),)


def test_norm_free_neighbours_merge_only_where_their_constants_go_on() -> None:
    arch = ArchSpec(
        input=(8, 8, 8),
        stages=tuple(Stage(block=NormFreeBlock(group_width=4, sums_before=count), width=8) for count in (0, 1, 1)),
        num_classes=2,
        norm=NormStyle(kind="weights"),
    )
    assert [stage.repeats for stage in canonical(arch).stages] == [2, 1]


def test_cells_with_auxiliary_heads() -> None:
    arch = cell_net(auxiliary=(msgspec.structs.replace(HEAD, after=0), msgspec.structs.replace(HEAD, after=2)))
    plain, network = build(arch, seed=0), build(arch, auxiliary=True).train()
    assert {name for name, _ in plain.named_parameters()} == {
        name for name, _ in network.named_parameters() if not name.startswith("auxiliary.")
    }
    outputs = network(torch.randn(2, *arch.input))
    assert [logits.shape for logits in outputs] == [(2, 4)] * 3


def test_a_network_of_cells_can_be_exported() -> None:
    arch = cell_net(input=(3, 16, 16))
    network = build(arch, seed=0).eval()
    images = torch.randn(2, *arch.input)
    exported = torch.export.export(network, (images,)).module()
    assert torch.allclose(exported(images), network(images), atol=1e-5)
