"""Kernels, strides and dilations of two sides: one spelling, exact cost, spaces by holes, inheritance, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import yaml

from naslab.arch import (
    ArchSpec,
    Bottleneck,
    Cell,
    CellInput,
    ConvBlock,
    Edge,
    FractionalPoolBlock,
    GraphCell,
    MBConv,
    Pair,
    PoolBlock,
    Stage,
    UniversalBottleneck,
    cost,
)
from naslab.arch.block import PLAIN
from naslab.arch.blocks.parallel import ConvStep, Parallel, PoolStep
from naslab.arch.build import build
from naslab.arch.files import BLOCKS, decode_arch, encode
from naslab.arch.identity import arch_id
from naslab.arch.lower import lower
from naslab.arch.plan import Layer, Subsample, named_parts
from naslab.arch.sides import Sides, pair_of
from naslab.arch.spec import MAX_STRIDE
from naslab.arch.summary import describe_block, describe_stage
from naslab.errors import SpecError
from naslab.notations.registry import NOTATIONS, write_notation
from naslab.scaling.scale import scale
from naslab.space import SearchSpace
from naslab.space.matching import options_as_written
from naslab.space.tree import grow_tree
from naslab.training.inheritance import inherit

WITH_KERNEL = sorted(name for name, kind in BLOCKS.items() if "kernel" in kind.__struct_fields__)
"""The blocks of one kernel, by their names."""
NEEDED: dict[str, dict[str, Any]] = {"dense": {"growth": 4}, "fire": {"squeeze": 4}}


def network(block: dict[str, Any], stride: Any = 1, width: int | None = None) -> ArchSpec:
    stage = {"block": block, "stride": stride} | ({"width": width} if width else {})
    return decode_arch({"input": [8, 12, 16], "num_classes": 3, "stages": [stage]})


def first_conv(net: torch.nn.Module) -> torch.nn.Conv2d:
    return next(each for each in net.modules() if isinstance(each, torch.nn.Conv2d))


@pytest.mark.parametrize("name", WITH_KERNEL)
def test_equal_sides_are_one_number(name: str) -> None:
    block = {"type": name, **NEEDED.get(name, {})}
    one, two = network({**block, "kernel": 3}), network({**block, "kernel": [3, 3]}, [1, 1])
    assert one == two
    assert encode(one) == encode(two)


def test_equal_sides_are_one_number_on_the_branches_of_a_cell() -> None:
    def cell(kernel: Sides) -> Parallel:
        return Parallel(branches=((ConvStep(width=4, kernel=kernel),), (PoolStep(kernel=kernel),)))

    assert cell((3, 3)) == cell(3) != cell((1, 3))


def test_a_window_of_two_sides_costs_what_its_module_has() -> None:
    arch = network({"type": "conv", "kernel": [1, 7], "dilation": [1, 2], "bias": False}, [2, 1], 16)
    assert cost(arch).params == 16 * 8 * 7 + 2 * 16 + (16 * 3 + 3)
    assert cost(arch).macs == 16 * 8 * 7 * 6 * 16 + 16 * 3
    conv = first_conv(build(arch))
    assert (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((1, 7), (2, 1), (0, 6), (1, 2))


def test_a_dilation_that_spreads_nothing_is_no_other_network() -> None:
    assert arch_id(network({"type": "conv", "kernel": [1, 3], "dilation": [5, 2]})) == arch_id(
        network({"type": "conv", "kernel": [1, 3], "dilation": 2})
    )


def test_a_plain_convolution_of_two_sides_is_one_network_in_every_block_that_makes_it() -> None:
    cell = Parallel(branches=((ConvStep(width=8, kernel=(1, 7)),),))
    arch = ArchSpec(input=(8, 12, 16), num_classes=3, stages=(Stage(block=cell),))
    plain = ArchSpec(input=(8, 12, 16), num_classes=3, stages=(Stage(block=ConvBlock(kernel=(1, 7)), width=8),))
    assert arch_id(arch) == arch_id(plain)


TEMPLATE = yaml.safe_load("""
input: [8, 12, 16]
num_classes: 3
stages:
  - block:
      type: conv
      kernel: [{choice: [1, 3]}, {choice: [3, 7]}]
      dilation: {choice: [1, [1, 2]]}
    width: 8
    stride: {choice: [1, [2, 1]]}
""")


def network_of_space(kernel: Sides, stride: Sides) -> ArchSpec:
    return ArchSpec(
        input=(8, 12, 16), num_classes=3, stages=(Stage(block=ConvBlock(kernel=kernel), width=8, stride=stride),)
    )


@pytest.mark.parametrize(("kernel", "stride"), [((1, 7), (2, 1)), (3, 1), ((1, 3), 1), ((3, 7), (2, 1))])
def test_a_space_holds_windows_of_two_sides_by_holes(kernel: Sides, stride: Sides) -> None:
    space = SearchSpace(TEMPLATE)
    assert space.size() == 2 * 2 * 2 * 2
    arch = network_of_space(kernel, stride)
    genome = space.genome_of(arch)
    assert genome is not None
    assert space.decode(genome) == arch


def test_equal_sides_are_read_off_a_template_however_they_are_written() -> None:
    """Read, not found by trying each: a large space has too many."""
    block = {"type": "conv", "kernel": {"choice": [[3, 3], [1, 7]]}, "dilation": [{"choice": [1, 2]}, 2]}
    space = SearchSpace({**TEMPLATE, "stages": [{"block": block, "width": 8, "stride": [2, 2]}]})
    arch = network({"type": "conv", "kernel": 3, "dilation": 2}, 2, 8)
    (options,) = options_as_written(grow_tree(space.template), arch)
    assert sorted(options.values()) == [0, 1]


def test_two_spellings_of_one_option_are_refused() -> None:
    template = {**TEMPLATE, "stages": [{"block": {"type": "conv", "kernel": {"choice": [3, [3, 3]]}}, "width": 8}]}
    with pytest.raises(SpecError, match="is the same option as choice"):
        SearchSpace(template)


@pytest.mark.parametrize(
    ("block", "stride", "rule"),
    [
        ({"type": "conv", "kernel": [1, 4]}, 1, r"stages\[0\].block.kernel: must be odd and positive, got \[1, 4\]"),
        ({"type": "conv", "kernel": [1, 3, 5]}, 1, r"stages\[0\].block.kernel: .*2"),
        ({"type": "conv", "kernel": "3"}, 1, r"stages\[0\].block.kernel: .*'3'"),
        ({"type": "mbconv", "dilation": [0, 1]}, 1, r"block.dilation: must be at least 1, got \[0, 1\]"),
        ({"type": "conv"}, [2, 9], rf"stages\[0\].stride: must be 1 to {MAX_STRIDE}, got \[2, 9\]"),
        ({"type": "pool", "kernel": [1, 3], "padding": 1}, 1, r"block.padding: must be 0 to \[0, 1\], got 1"),
        ({"type": "dense", "growth": 4}, [2, 1], r"stride: a dense layer keeps its sizes, got \[2, 1\]"),
    ],
)
def test_what_is_no_window_is_told_in_one_line(block: dict[str, Any], stride: Any, rule: str) -> None:
    with pytest.raises(SpecError, match=rule) as caught:
        lower(network(block, stride))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sides", [(1,), (1, 3, 5), [], (1.0, 3), "3", 3.0, True])
@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda sides: ConvBlock(kernel=sides), "kernel"),
        (lambda sides: ConvBlock(padding=sides), "padding"),
        (lambda sides: ConvBlock(dilation=sides), "dilation"),
        (lambda sides: Bottleneck(shortcut_kernel=sides), "shortcut_kernel"),
        (lambda sides: UniversalBottleneck(first=sides), "first"),
        (lambda sides: MBConv(kernels=(3, sides)), r"kernels\[1\]"),
        (lambda sides: PoolBlock(kernel=sides), "kernel"),
        (lambda sides: FractionalPoolBlock(kernel=sides), "kernel"),
        (lambda sides: ConvStep(width=4, kernel=sides), "kernel"),
        (lambda sides: Stage(block=ConvBlock(), stride=sides), "stride"),
    ],
)
def test_python_values_that_are_no_window_are_told_by_their_field(
    make: Callable[[Any], object], field: str, sides: Any
) -> None:
    with pytest.raises(SpecError, match=rf"^{field}: must be a whole number or \[height, width\], got "):
        make(sides)


def valid_conv(stride: Any) -> dict[str, Any]:
    return {"block": {"type": "conv", "padding": 0}, "width": 8, "stride": stride}


@pytest.mark.parametrize("written", [lambda hole: [hole, 1], lambda hole: {"choice": [1, [hole, 1]]}])
def test_the_largest_strides_together_are_tried_where_a_side_is_a_hole(written: Callable[[Any], Any]) -> None:
    first, second = (written({"choice": each}) for each in ([4, 1], [1, 4]))
    template = {"num_classes": 3, "stages": [valid_conv(first), valid_conv(second), valid_conv(1)]}
    with pytest.raises(SpecError, match=r"stages\[2\].conv: .*too small for the strides"):
        SearchSpace({"input": [3, 28, 28], **template})
    assert SearchSpace({"input": [3, 64, 64], **template}).size() in (4, 9)


def test_words_tell_a_window_from_several_kernels() -> None:
    assert describe_stage(Stage(block=ConvBlock(kernel=(1, 7), dilation=(1, 2)), stride=(2, 1))) == (
        "conv kernel [1, 7] dilation [1, 2], stride [2, 1]"
    )
    mixed = ((3, 5, 7), ((3, 5), 7))
    assert [describe_block(MBConv(kernels=kernels)) for kernels in mixed] == [
        "mbconv expansion 6 kernels 3/5/7",
        "mbconv expansion 6 kernels [3, 5]/7",
    ]


def subsamples(layer: Layer) -> set[Subsample]:
    inside = (part for _, part in named_parts(layer))
    return {layer} if isinstance(layer, Subsample) else set().union(*map(subsamples, inside))


SKIPS = GraphCell(inputs=2, nodes=((CellInput(op="skip_connect", state=0), CellInput(op="skip_connect", state=1)),))
HALVES = Cell(pairs=(Pair(left=Edge(op="conv_3x3", state=0), right=Edge(op="identity", state=1)),), lookback=2)


@pytest.mark.parametrize("cell", [SKIPS, HALVES])
def test_halves_of_a_reduction_are_shifted_along_the_sides_that_shrink(cell: GraphCell | Cell) -> None:
    """Shifted along a side of one position, the odd half would be zeros alone."""
    shapes = (8, 16, 1), (8, 8, 1)
    assert subsamples(cell.lower_on(shapes, 8, 1, PLAIN)) == {Subsample((2, 1)), Subsample((2, 1), (1, 0))}
    square = (8, 16, 16), (8, 8, 8)
    assert subsamples(cell.lower_on(square, 8, 1, PLAIN)) == {Subsample((2, 2)), Subsample((2, 2), (1, 1))}


@pytest.mark.parametrize("child", [(1, 5), 3, (3, 7), (7, 1)])
def test_a_child_of_other_sides_takes_the_middle_and_zeros_around(child: Sides) -> None:
    """1 x 7 to 1 x 5 keeps the middle; where no side shrinks the child is the parent's function."""
    old, new = (network({"type": "conv", "kernel": kernel}, 1, 8) for kernel in ((1, 7), child))
    parent = build(old, seed=0).eval()
    inherited = inherit(old, parent.state_dict(), new, seed=1)
    made = build(new).eval()
    made.load_state_dict(inherited.weights)
    images = torch.randn(2, 8, 12, 16, generator=torch.Generator().manual_seed(0))
    keeps = pair_of(child)[1] >= 7
    assert torch.allclose(parent(images), made(images), atol=1e-5) == keeps
    before, after = (
        next(each for each in net.modules() if isinstance(each, torch.nn.Conv2d)) for net in (parent, made)
    )
    middle, own = before.weight[:, :, 0, 3], after.weight
    assert torch.equal(own[:, :, own.shape[2] // 2, own.shape[3] // 2], middle)


@pytest.mark.parametrize("name", [each.name for each in NOTATIONS])
def test_notations_of_square_windows_say_that_they_cannot_tell_others(name: str) -> None:
    with pytest.raises(SpecError):
        write_notation(network({"type": "mbconv", "kernel": [1, 7]}, [2, 1], 8), name)


def test_scaling_keeps_windows_of_two_sides() -> None:
    arch = network({"type": "conv", "kernel": [1, 7], "dilation": [1, 2]}, [2, 1], 8)
    wider = scale(arch, width=2.0)
    (stage,) = wider.stages
    assert (stage.width, stage.block, stage.stride) == (16, arch.stages[0].block, (2, 1))
