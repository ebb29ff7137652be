"""Scaling any architecture: what changes, what stays, what fits, and what cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from naslab.arch import (
    ArchSpec,
    Bottleneck,
    BranchWidths,
    ConvBlock,
    DepthwiseSeparable,
    Fire,
    FusedMBConv,
    Head,
    Inception,
    InvertedBottleneck,
    MBConv,
    PoolBlock,
    PreactResidual,
    ResidualBlock,
    Skip,
    SqueezeExcite,
    Stage,
    cost,
    lower,
)
from naslab.arch.block import Role
from naslab.errors import SpecError
from naslab.scaling import EFFICIENTNET, EFFICIENTNET_V2, PLAIN, PYCLS, Factors, Rounding, scale
from naslab.scaling.scale import widths
from naslab.scaling.walk import change, numbers
from naslab.zoo import model, model_names

ROUNDINGS = (EFFICIENTNET, EFFICIENTNET_V2, PYCLS, PLAIN)


def network(*stages: Stage, side: int = 32, channels: int = 3, head: Head | None = None) -> ArchSpec:
    stem = (Stage(block=ConvBlock(), width=16),)
    return ArchSpec(input=(channels, side, side), stem=stem, stages=stages, num_classes=10, head=head or Head())


@st.composite
def networks(draw: st.DrawFn) -> ArchSpec:
    """Networks of every kind of block whose width a stage sets."""
    kinds = st.sampled_from(
        [
            ConvBlock(),
            ConvBlock(kernel=5, groups=4),
            DepthwiseSeparable(),
            MBConv(kernel=5, expansion=4),
            MBConv(expansion=1),
            InvertedBottleneck(),
            FusedMBConv(se=SqueezeExcite(ratio=0.25)),
            ResidualBlock(),
            ResidualBlock(groups=8, shortcut="pad"),
            Bottleneck(groups=4),
            Bottleneck(ratio=0.5, groups=8, se=SqueezeExcite(ratio=1 / 16)),
            PreactResidual(ratio=0.25),
            Inception(),
            Skip(),
        ]
    )
    base = st.integers(2, 12)
    stages, width = [], 16
    for _ in range(draw(st.integers(1, 4))):
        width = max(width, 8 * draw(base) // 16 * 16)
        stage = Stage(block=draw(kinds), width=width, repeats=draw(st.integers(1, 3)), stride=draw(st.integers(1, 2)))
        stages.append(stage)
        if draw(st.booleans()):
            stages.append(Stage(block=PoolBlock()))
    sides = st.integers(16, 40)
    arch = network(*stages, head=Head(width=draw(st.sampled_from([None, 64]))))
    return replace(arch, input=(draw(st.integers(1, 4)), draw(sides), draw(sides)))


FACTORS = st.floats(0.5, 3)


@given(arch=networks(), rounding=st.sampled_from(ROUNDINGS))
@settings(max_examples=50, deadline=None)
def test_factors_of_one_are_the_identity(arch: ArchSpec, rounding: Rounding) -> None:
    assert scale(arch, 1, 1, 1, rounding) == arch


@pytest.mark.parametrize("name", model_names())
def test_the_whole_zoo_scales(name: str) -> None:
    """One is the identity, and a width factor of one and a half makes a valid, wider network of every one."""
    arch = model(name)
    assert scale(arch) is arch
    wider = scale(arch, width=1.5)
    assert cost(wider).macs > cost(arch).macs
    assert wider.num_classes == arch.num_classes
    assert wider.input == arch.input


@given(arch=networks(), depth=FACTORS, width=FACTORS, resolution=FACTORS, rounding=st.sampled_from(ROUNDINGS))
@settings(max_examples=60, deadline=None)
def test_any_network_scales_to_a_valid_one(
    arch: ArchSpec, depth: float, width: float, resolution: float, rounding: Rounding
) -> None:
    scaled = scale(arch, depth, width, resolution, rounding)
    lower(scaled)
    for side, base in zip(scaled.input[1:], arch.input[1:], strict=True):
        assert side == rounding.resolution(base, resolution)
    assert scaled.input[0] == arch.input[0]
    assert [stage.stride for stage in scale(arch, 1, width, resolution, rounding).stages] == [
        stage.stride for stage in arch.stages
    ]


@given(arch=networks(), low=FACTORS, high=FACTORS, rounding=st.sampled_from(ROUNDINGS))
@settings(max_examples=40, deadline=None)
def test_costs_grow_with_depth_and_resolution(arch: ArchSpec, low: float, high: float, rounding: Rounding) -> None:
    low, high = sorted((low, high))
    for one, other in (
        (scale(arch, low, 1, 1, rounding), scale(arch, high, 1, 1, rounding)),
        (scale(arch, 1, 1, low, rounding), scale(arch, 1, 1, high, rounding)),
    ):
        smaller, larger = cost(one), cost(other)
        assert smaller.macs <= larger.macs
        assert smaller.params <= larger.params
        assert smaller.activations <= larger.activations


@given(base=st.integers(1, 2000), low=FACTORS, high=FACTORS, rounding=st.sampled_from(ROUNDINGS))
@settings(max_examples=150, deadline=None)
def test_rounding_is_monotone_and_never_crosses_the_base(
    base: int, low: float, high: float, rounding: Rounding
) -> None:
    low, high = sorted((low, high))
    for rounded in (rounding.width, rounding.depth, rounding.resolution):
        assert rounded(base, 1.0) == base
        assert rounded(base, low) <= rounded(base, high)
        assert (rounded(base, high) >= base) if high >= 1 else (rounded(base, high) <= base)


def test_depth_repeats_stages_and_neither_pooling_nor_stem() -> None:
    arch = network(Stage(block=MBConv(), width=24, repeats=2), Stage(block=PoolBlock(), stride=2))
    scaled = scale(arch, depth=2)
    assert [stage.repeats for stage in scaled.stages] == [4, 1]
    assert scaled.stem == arch.stem


def test_equal_neighbours_deepen_as_one_stage() -> None:
    """However a network is written down, it deepens the same."""
    one = Stage(block=MBConv(), width=24)
    apart = network(replace(one, stride=2), one, one)
    together = network(replace(one, stride=2, repeats=3))
    assert scale(apart, depth=1.1) == scale(together, depth=1.1)
    assert scale(apart, depth=1.1).stages[0].repeats == 4


def test_width_reaches_into_blocks_and_leaves_stem_and_head_alone_if_asked() -> None:
    branches = BranchWidths(one=16, three=32, five=8, pool=8, reduce_three=24, reduce_five=8)
    arch = network(Stage(block=Inception(widths=branches)), head=Head(width=64, hidden=(128, 32)))
    wide = scale(arch, width=2)
    assert wide.stages[0].block == Inception(
        widths=BranchWidths(one=32, three=64, five=16, pool=16, reduce_three=48, reduce_five=16)
    )
    assert (wide.stem[0].width, wide.head.width, wide.head.hidden) == (32, 128, (256, 64))
    kept = scale(arch, width=2, scale_stem=False, scale_head=False)
    assert (kept.stem, kept.head) == (arch.stem, arch.head)
    assert kept.stages == wide.stages


def test_a_width_that_branches_dictate_follows_them() -> None:
    """Four branches round by themselves, so their sum is not the rounded sum."""
    branches = BranchWidths(one=20, three=20, five=12, pool=12, reduce_three=8, reduce_five=8)
    arch = network(Stage(block=Inception(widths=branches), width=64), Stage(block=PoolBlock(), width=64, stride=2))
    scaled = scale(arch, width=1.3)
    made = scaled.stages[0].block.widths  # type: ignore[union-attr]
    assert scaled.stages[0].width == made.one + made.three + made.five + made.pool
    assert scaled.stages[1].width == scaled.stages[0].width


def test_squeeze_excite_keeps_its_ratio() -> None:
    block = MBConv(se=SqueezeExcite(ratio=0.25))
    arch = network(Stage(block=block, width=32))
    assert scale(arch, width=2).stages[0].block == block


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.1, 1.4, 2, 3.3])
def test_groups_keep_their_width(factor: float) -> None:
    """ResNeXt-50 32x4d: groups of 4, 8, 16 and 32 channels at any width."""
    scaled = scale(model("resnext50_32x4d"), width=factor)
    for stage, group_width in zip(scaled.stages, (4, 8, 16, 32), strict=True):
        block = stage.block
        assert isinstance(block, Bottleneck)
        assert stage.width is not None
        filtered = stage.width * block.ratio
        assert filtered == block.groups * group_width


def test_pycls_scales_the_width_of_a_group() -> None:
    """The published rule: 1 and 2 stay, 3 to 5 become 4, else multiples of 8; then widths are made to divide."""
    assert [PYCLS.channels_of_a_group(base, 2) for base in (1, 2, 8, 24)] == [2, 4, 16, 48]
    scaled = scale(model("regnet_y_400mf"), width=2, rounding=PYCLS)
    base = model("regnet_y_400mf")
    for stage, old in zip(scaled.stages, base.stages, strict=True):
        assert stage.width is not None
        assert stage.width // stage.block.groups == 16  # type: ignore[union-attr]
        assert old.width is not None
        assert abs(stage.width - 2 * old.width) <= 8


def test_groups_that_cannot_keep_their_width_still_divide() -> None:
    """A first convolution of 3 groups on 3 image channels: any number of groups must divide 3."""
    stage = Stage(block=ConvBlock(groups=3), width=9)
    arch = ArchSpec(input=(3, 8, 8), stages=(stage,), num_classes=2)
    scaled = scale(arch, width=2.3, rounding=PLAIN)
    assert scaled.stages[0].block == ConvBlock(groups=3)
    assert scaled.stages[0].width is not None
    assert scaled.stages[0].width % 3 == 0


def test_a_fire_module_stays_even() -> None:
    arch = network(Stage(block=Fire(squeeze=16), width=128))
    for factor in (0.35, 0.71, 1.13, 1.9):
        width = scale(arch, width=factor, rounding=PLAIN).stages[0].width
        assert width is not None
        assert width % 2 == 0
        assert abs(width - 128 * factor) <= 1.5


def test_sides_scale_by_themselves() -> None:
    arch = replace(network(Stage(block=MBConv(), width=24)), input=(3, 96, 160))
    assert scale(arch, resolution=1.25).input == (3, 120, 200)
    assert scale(arch, resolution=1.1, rounding=PYCLS).input == (3, 104, 176)


@pytest.mark.parametrize(
    ("factors", "rule"),
    [
        ({"depth": 0}, "depth: must be above 0 and finite, got 0"),
        ({"width": -1}, "width: must be above 0 and finite, got -1"),
        ({"resolution": float("nan")}, "resolution: must be above 0 and finite, got nan"),
        ({"resolution": float("inf")}, "resolution: must be above 0 and finite, got inf"),
        ({"width": 0.01}, r"(stem|stages)\[0\].width: \d+ channels times 0.01 leave none"),
        ({"resolution": 0.01}, "input: 32 pixels times 0.01 leave none"),
    ],
)
def test_factors_that_leave_nothing(factors: dict[str, float], rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        scale(network(Stage(block=MBConv(), width=24)), **factors)


def test_a_network_that_no_longer_fits_says_where_and_by_what() -> None:
    with pytest.raises(SpecError, match=r"stages\[\d\].*\(scaled by depth 1, width 1, resolution 0.5\)"):
        scale(model("lenet5"), resolution=0.5)


def test_the_walk_finds_every_role() -> None:
    stage = Stage(block=Bottleneck(groups=4), width=64, repeats=3)
    arch = network(stage, head=Head(width=32, hidden=(8, 9)))
    assert widths(arch) == [64, 16, 32, 8, 9]
    assert numbers(arch, Role.GROUPS) == [4, 1]
    assert numbers(arch, Role.REPEATS) == [3, 1]
    assert change(arch, Role.WIDTH, lambda number: number) is arch


def test_the_formulas_ratio() -> None:
    assert Factors(depth=2, width=3, resolution=5).macs_ratio == 450
