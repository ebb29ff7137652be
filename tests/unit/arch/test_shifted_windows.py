"""Windows of graphs that lie where TensorFlow's padding puts them: computed there alone, counted as computed."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from naslab.arch import ArchSpec, Cell, ConvBlock, Edge, Pair, Stage, cost
from naslab.arch.build import build, module_of
from naslab.arch.plan import Act, Conv, Dag, Layer, Node, Pool, Shape, seq
from naslab.arch.tally import tally
from naslab.errors import SpecError

ACTIVATIONS = ("relu", "silu", "elu", "sigmoid")


def run(layer: Layer, x: torch.Tensor) -> tuple[torch.Tensor, int]:
    """What a graph makes of a map, and the multiply-accumulates that its convolutions computed for one image."""
    module, macs = module_of(layer).eval(), 0

    def add(conv: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal macs
        assert isinstance(conv, nn.Conv2d)
        macs += out[0].numel() * conv.weight[0].numel()

    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            each.register_forward_hook(add)
    with torch.no_grad():
        return module(x), macs


def filtered(x: torch.Tensor, conv: nn.Conv2d, padding: int, stride: int) -> torch.Tensor:
    """A convolution with `stride` - 1 zeros fewer before the map along its even sides."""
    (top, left) = (padding - (stride - 1) * (1 - side % 2) for side in x.shape[2:])
    return functional.conv2d(functional.pad(x, (left, padding, top, padding)), conv.weight, None, stride, 0, 1, 2)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from((1, 3, 5, 7)), st.integers(1, 3), st.integers(7, 12), st.integers(7, 12))
@example(5, 2, 8, 8)
@example(1, 3, 8, 9)
def test_a_shifted_convolution_has_its_own_windows_alone(kernel: int, stride: int, height: int, width: int) -> None:
    x, half = torch.randn(1, 2, height, width), kernel // 2
    conv = Conv(2, 2, (kernel, kernel), (stride, stride), (half, half), groups=2)
    graph = Dag(("sep",), (Node(seq(act=Act("silu"), deep=conv, wide=Conv(2, 3)), (0,), shifted_like=0),), (1,))
    torch.manual_seed(0)
    out, macs = run(graph, x)
    counted = tally(graph, (2, height, width))
    assert (counted.out_shape, counted.macs) == (out.shape[1:], macs)
    assert macs == (2 * kernel**2 + 2 * 3) * out.shape[2] * out.shape[3]
    torch.manual_seed(0)
    sep = module_of(graph)["sep"]
    expected = sep.wide(filtered(functional.silu(x), sep.deep, half, stride))
    assert torch.allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize(("size", "act"), list(product([(6, 6), (6, 7), (7, 7)], ACTIVATIONS)))
def test_a_shifted_window_lies_where_one_row_of_zeros_more_puts_it(size: tuple[int, int], act: str) -> None:
    """How it was computed first, with a map too large by a row and a column: the values stay."""
    x = torch.randn(1, 2, *size)
    layer = seq(act=Act(act), conv=Conv(2, 3, (5, 5), (2, 2), (2, 2)))
    graph = module_of(Dag(("conv",), (Node(layer, (0,), shifted_like=0),), (1,)))
    plain = module_of(layer)
    plain.load_state_dict(graph["conv"].state_dict())
    top, left = (1 - side % 2 for side in size)
    assert torch.allclose(graph(x), plain(functional.pad(x, (left, 0, top, 0)))[:, :, top:, left:], atol=1e-6)


PAIRS = (
    Pair(left=Edge(op="separable_5x5", state=0), right=Edge(op="separable_3x3", state=1)),
    Pair(left=Edge(op="separable_7x7", state=2), right=Edge(op="max_pool_3x3", state=0)),
)


@pytest.mark.parametrize("side", [12, 13])
def test_shifted_separable_convolutions_cost_what_others_do(side: int) -> None:
    """Windows are moved, not added."""
    costs = set()
    for shifted in (False, True):
        cells = (Stage(block=Cell(pairs=PAIRS, shifted=shifted), width=8, stride=2),)
        arch = ArchSpec(input=(3, side, side), stem=(Stage(block=ConvBlock(), width=4),), stages=cells, num_classes=2)
        counted = cost(arch)
        costs.add((counted.params, counted.macs, counted.activations))
    assert len(costs) == 1


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(Pool("max", (3, 3), (4, 4), (1, 1)), (4, 2, 2)), (Conv(4, 4, (1, 1), (4, 4)), (4, 2, 2))],
)
def test_a_map_without_a_shifted_window_is_refused(layer: Layer, shape: Shape) -> None:
    with pytest.raises(SpecError, match="no shifted window starts on a map of 2 x 2"):
        tally(Dag(("node",), (Node(layer, (0,), shifted_like=0),), (1,)), shape)


@pytest.mark.slow
def test_an_onnx_file_pads_as_the_network_does(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    from naslab.training.onnx_file import write_onnx

    cells = (Stage(block=Cell(pairs=PAIRS, lookback=1, shifted=True), width=8, stride=2),)
    arch = ArchSpec(input=(3, 12, 13), stages=cells, num_classes=3)
    network, images = build(arch, seed=0).eval(), torch.randn(1, *arch.input)
    write_onnx(network, arch.input, tmp_path / "net.onnx")
    found = ReferenceEvaluator(onnx.load(tmp_path / "net.onnx"))
    (logits,) = found.run(None, {found.input_names[0]: images.numpy()})
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(logits), network(images), atol=1e-3)
