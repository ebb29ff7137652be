"""Depth and receptive field: spans compose, and a position sees what its gradient reaches."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from naslab.arch import (
    ArchSpec,
    ConvBlock,
    DepthwiseSeparable,
    Fractal,
    MBConv,
    PoolBlock,
    PreactResidual,
    ResidualBlock,
    Stage,
    lower,
    plan,
    reach,
)
from naslab.arch.build import module_of
from naslab.arch.declaration import COUNTERS
from naslab.arch.plan import Concat, Conv, Dag, History, Layer, Node, Residual, Sequence, chain
from naslab.arch.span import POINT, Span, joined, then
from naslab.arch.tally import tally

spans = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(1, 4), st.integers(1, 4))


@given(spans, spans, spans)
def test_spans_compose_in_any_grouping(one: Span, two: Span, three: Span) -> None:
    assert then(then(one, two), three) == then(one, then(two, three))
    assert then(POINT, one) == then(one, POINT) == one


@given(spans, spans, spans)
def test_a_part_before_a_fork_is_a_part_before_each_branch(trunk: Span, left: Span, right: Span) -> None:
    assert then(trunk, joined((left, right))) == joined((then(trunk, left), then(trunk, right)))


def test_every_layer_of_the_algebra_is_counted() -> None:
    kinds = {each for each in vars(plan).values() if isinstance(each, type) and issubclass(each, Layer)}
    assert set(COUNTERS) >= kinds - {Layer}


def test_dilation_and_rectangles() -> None:
    layer = chain([Conv(3, 3, (3, 1), (2, 1), dilation=(2, 1)), Conv(3, 3, (3, 5))])
    assert tally(layer, (3, 32, 32)).span == (2, 4 + 2 * 2, 4, 2, 1)


def test_of_ways_that_meet_the_deepest_and_the_widest_count() -> None:
    deep = chain([Conv(4, 4), Conv(4, 4)])
    wide = Conv(4, 4, (5, 3), padding=(2, 1))
    for layer in (Residual(deep, wide), Concat(("deep", "wide"), (deep, wide))):
        assert tally(layer, (4, 8, 8)).span == (2, 4, 2, 1, 1)


def test_a_graph_that_remembers_sees_what_its_inputs_see() -> None:
    """The second input is the map before the convolution: the longest way to the sum leads through the filter."""
    conv = Conv(4, 4, (3, 3), padding=(1, 1))
    graph = Dag(("sum",), (Node(Sequence((), ()), (0, 1)),), (2,), num_inputs=2)
    row = History(("0", "1", "2"), (conv, conv, graph))
    assert tally(row, (4, 8, 8)).span == (2, 4, 4, 1, 1)
    only_earlier = Dag(("conv",), (Node(conv, (0,)),), (2,), num_inputs=2)
    assert tally(History(("0", "1", "2"), (conv, conv, only_earlier)), (4, 8, 8)).span == (2, 4, 4, 1, 1)


@pytest.mark.parametrize(
    "block",
    [
        ConvBlock(kernel=5),
        DepthwiseSeparable(),
        MBConv(kernel=5, se=None),
        PoolBlock(kind="avg"),
        ResidualBlock(),
        PreactResidual(),
        Fractal(),
    ],
    ids=lambda block: type(block).__name__,
)
def test_a_position_sees_as_far_as_its_gradient_reaches(block: object) -> None:
    """With positive weights and inputs nothing cancels, so every pixel of the field has a gradient above zero."""
    stages = (Stage(block=block, repeats=2, stride=2), Stage(block=ConvBlock(), width=4))  # type: ignore[arg-type]
    arch = ArchSpec(input=(4, 65, 65), stages=stages, num_classes=2)
    whole = lower(arch)
    module = module_of(Sequence(whole.names[:-1], whole.layers[:-1])).eval()
    for each in module.parameters():
        torch.nn.init.constant_(each, 0.1)
    images = torch.ones(1, *arch.input, requires_grad=True)
    features = module(images)
    features[0, :, features.shape[2] // 2, features.shape[3] // 2].sum().backward()
    assert images.grad is not None
    rows, columns = (images.grad[0].sum(0) > 0).nonzero().T
    seen = (int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1)
    assert seen == reach(arch).field
