"""The counting convention on figures that can be worked out by hand."""

from __future__ import annotations

import pytest

from naslab.arch import (
    ArchSpec,
    BranchWidths,
    Context,
    ConvBlock,
    Head,
    Inception,
    NormStyle,
    PoolBlock,
    Stage,
    cost,
    layer_costs,
    uncounted_layers,
)
from naslab.arch.plan import Pool
from naslab.arch.tally import tally

CELL = {"one": 128, "three": 192, "five": 96}


@pytest.mark.parametrize(
    ("block", "macs", "channels"),
    [
        (Inception(naive=True, widths=BranchWidths(**CELL)), 854_196_224, 672),
        (Inception(widths=BranchWidths(**CELL, pool=64, reduce_three=64, reduce_five=64)), 271_351_808, 480),
    ],
)
def test_the_inception_module_of_the_lectures(block: Inception, macs: int, channels: int) -> None:
    found = tally(block.lower((256, 28, 28), None, 1, Context()), (256, 28, 28))
    assert (found.macs, found.out_shape) == (macs, (channels, 28, 28))


def test_one_convolution_by_hand() -> None:
    arch = ArchSpec(input=(3, 8, 6), stages=(Stage(block=ConvBlock(kernel=3), width=16, stride=2),), num_classes=10)
    found = cost(arch)
    assert found.params == 3 * 9 * 16 + 2 * 16 + 16 * 10 + 10
    assert found.macs == 3 * 9 * 16 * (4 * 3) + 16 * 10
    assert found.activations == 16 * 4 * 3
    assert found.peak_activation_bytes == 4 * (3 * 8 * 6 + 16 * 4 * 3)


def test_without_a_norm_convolutions_have_a_bias() -> None:
    arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=16),), num_classes=10, norm=None)
    with_norm = ArchSpec(input=(3, 8, 8), stages=arch.stages, num_classes=10)
    assert cost(with_norm).params - cost(arch).params == 16
    assert cost(with_norm).macs == cost(arch).macs


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "ceil", "out"),
    [
        (112, 3, 2, 0, True, 56),
        (112, 3, 2, 0, False, 55),
        (5, 2, 2, 1, True, 3),
        (7, 3, 2, 1, False, 4),
        (6, 1, 4, 0, True, 2),
    ],
)
def test_pooled_sizes_are_torchs(size: int, kernel: int, stride: int, padding: int, ceil: bool, out: int) -> None:
    layer = Pool("max", (kernel, kernel), (stride, stride), (padding, padding), ceil)
    assert tally(layer, (1, size, size)).out_shape == (1, out, out)


def test_group_norm_takes_the_largest_divisor() -> None:
    style = Context(norm=NormStyle(kind="group", groups=32))
    norm = style.normalise(48)
    assert norm is not None
    assert norm.groups == 24


def test_rows_name_layers_in_order() -> None:
    arch = ArchSpec(
        input=(3, 8, 8),
        stages=(Stage(block=ConvBlock(), width=4), Stage(block=PoolBlock(kernel=2, padding=0), stride=2)),
        num_classes=2,
        head=Head(hidden=(5,)),
    )
    assert [(row.path, row.out_shape) for row in layer_costs(arch)] == [
        ("stage0.0.conv", (4, 8, 8)),
        ("stage0.0.norm", (4, 8, 8)),
        ("stage0.0.act", (4, 8, 8)),
        ("stage1.0", (4, 4, 4)),
        ("head.pool", (4, 1, 1)),
        ("head.flatten", (4, 1, 1)),
        ("head.hidden0.linear", (5, 1, 1)),
        ("head.hidden0.act", (5, 1, 1)),
        ("head.classifier", (2, 1, 1)),
    ]
    assert uncounted_layers(arch) == {"Act": 2, "Flatten": 1, "GlobalPool": 1, "Norm": 1, "Pool": 1}
