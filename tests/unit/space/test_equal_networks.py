"""Choices that make no difference share one identity, those that do have their own."""

from __future__ import annotations

import pytest

from naslab.arch import (
    ArchSpec,
    Block,
    Bottleneck,
    InvertedBottleneck,
    MBConv,
    NormStyle,
    PreactResidual,
    ResidualBlock,
    Stage,
    StochasticDepth,
    arch_id,
    decode_arch,
    encode,
)


def network(*stages: Stage, **fields: object) -> ArchSpec:
    return ArchSpec(input=(8, 8, 8), stages=stages, num_classes=2, **fields)  # type: ignore[arg-type]


def stage(block: Block, **fields: int) -> Stage:
    return Stage(block=block, width=8, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MBConv(se=None), InvertedBottleneck()),
        (MBConv(se=None, activation="relu"), InvertedBottleneck()),
        (InvertedBottleneck(expansion=3), InvertedBottleneck(expansion=3.0)),
        (ResidualBlock(shortcut="pad"), ResidualBlock()),
        (Bottleneck(shortcut="pooled_projection", stride_first=True), Bottleneck()),
        (PreactResidual(shortcut="pad"), PreactResidual()),
    ],
)
def test_the_same_at_stride_1_and_equal_widths(one: Block, other: Block) -> None:
    assert arch_id(network(stage(one, repeats=2))) == arch_id(network(stage(other), stage(other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ResidualBlock(shortcut="pad"), ResidualBlock()),
        (ResidualBlock(shortcut="none"), ResidualBlock()),
        (Bottleneck(stride_first=True), Bottleneck()),
        (PreactResidual(shortcut="pad"), PreactResidual()),
    ],
)
def test_not_the_same_where_the_shape_changes(one: Block, other: Block) -> None:
    assert arch_id(network(stage(one, stride=2))) != arch_id(network(stage(other, stride=2)))


def test_a_missing_shortcut_is_never_the_same() -> None:
    assert arch_id(network(stage(ResidualBlock(shortcut="none")))) != arch_id(network(stage(ResidualBlock())))


def test_stages_merge_whatever_their_unused_shortcuts_say() -> None:
    merged = network(stage(ResidualBlock(shortcut="pad"), stride=2, repeats=3))
    apart = network(
        stage(ResidualBlock(shortcut="pad"), stride=2), stage(ResidualBlock()), stage(ResidualBlock(shortcut="pad"))
    )
    assert arch_id(merged) == arch_id(apart)


def test_an_identity_survives_files_and_written_out_defaults() -> None:
    arch = network(stage(MBConv(expansion=3)), stochastic_depth=StochasticDepth(rate=0))
    assert arch_id(arch) == arch_id(decode_arch(encode(arch)))
    assert arch_id(arch) == arch_id(network(stage(MBConv(expansion=3)), norm=NormStyle()))
    assert arch_id(arch) != arch_id(network(stage(MBConv(expansion=3)), norm=NormStyle(eps=1e-3)))
    assert arch_id(arch) != arch_id(network(stage(MBConv(expansion=3)), norm=None))
