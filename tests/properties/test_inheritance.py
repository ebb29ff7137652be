"""Inherited weights: they fit any child of any parent, and a child said to be its parent's function is it."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_networks import BLOCKS, archs, fits
from torch import nn

from naslab.arch import (
    ArchSpec,
    Bottleneck,
    ConvBlock,
    DepthwiseSeparable,
    FusedMBConv,
    Head,
    InvertedBottleneck,
    MBConv,
    NormStyle,
    PreactResidual,
    ResidualBlock,
    SqueezeExcite,
    Stage,
)
from naslab.arch.build import build
from naslab.arch.sides import Sides, one_spelling, pair_of
from naslab.training.inheritance import inherit
from naslab.training.inheritance.importance import sorted_by_importance

PROPERTY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PROPERTY
@given(archs(), archs(), st.integers(0, 3))
def test_any_child_can_inherit_from_any_parent(parent: ArchSpec, child: ArchSpec, seed: int) -> None:
    assert_report_is_true(parent, child, seed)


@PROPERTY
@given(archs(), st.integers(0, 3))
def test_a_network_of_sorted_channels_computes_the_same(arch: ArchSpec, seed: int) -> None:
    module, ordered = lived(build(arch, seed)), build(arch, seed)
    ordered.load_state_dict(sorted_by_importance(arch, module.state_dict()))
    assert_same_function(module, ordered, arch, seed)


def test_a_shortcut_with_weights_that_the_parent_lacks_is_told() -> None:
    plain = ConvBlock(kernel=1, norm=False)
    bare = PreactResidual(
        kernel=1, ratio=0.25, shortcut="projection", first_act=False, last_norm=False, first_norm=False
    )
    parent, child = (
        ArchSpec(input=(1, 5, 5), num_classes=2, norm=None, stages=(Stage(block=block, width=4),))
        for block in (plain, bare)
    )
    assert_report_is_true(parent, child, 0)


@PROPERTY
@given(st.data())
def test_a_changed_network_is_the_parents_function_where_the_report_says_so(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(BLOCKS)))
    parent = data.draw(archs((kind, ConvBlock)))
    assert_report_is_true(parent, data.draw(changed(parent)), 1)


ODD = st.sampled_from((1, 3, 5, (1, 5), (3, 1)))
SE = st.none() | st.builds(SqueezeExcite, ratio=st.sampled_from((0.25, 0.5)))
GROWABLE = (
    st.builds(ConvBlock, kernel=ODD),
    st.builds(ResidualBlock, kernel=ODD, se=SE),
    st.builds(Bottleneck, kernel=ODD, ratio=st.sampled_from((0.25, 0.5)), se=SE),
    st.builds(DepthwiseSeparable, kernel=ODD, se=SE),
    st.builds(MBConv, kernel=ODD, expansion=st.sampled_from((2, 3)), se=SE),
    st.builds(InvertedBottleneck, kernel=ODD, expansion=st.sampled_from((2, 3))),
    st.builds(FusedMBConv, kernel=ODD, expansion=st.sampled_from((2, 3)), se=SE),
)


@pytest.mark.slow
@PROPERTY
@given(st.data())
def test_growing_preserves_the_function(data: st.DataObject) -> None:
    """Wider stages, larger kernels, and more blocks where their kind holds an identity."""
    stages = []
    for index in range(data.draw(st.integers(1, 3))):
        block = data.draw(st.one_of(*GROWABLE))
        width = (8, 20, 36)[index]
        stages.append(Stage(block=block, width=width, repeats=data.draw(st.integers(1, 2)), stride=1 + index % 2))
    stem = (Stage(block=ConvBlock(), width=7),)
    parent = ArchSpec(
        input=(3, 9, 9), stem=stem, stages=tuple(stages), num_classes=4, norm=NormStyle(), activation="relu"
    )
    grown = []
    for stage in parent.stages:
        more = data.draw(st.sampled_from(((0, 0), (2, 2), (2, 0), (0, 4))))
        kernel = larger_by(stage.block.kernel, more)
        deepest = stage.repeats + data.draw(st.integers(0, 2))
        grown.append(
            Stage(
                block=msgspec.structs.replace(stage.block, kernel=kernel),
                width=stage.width + data.draw(st.sampled_from((0, 4, 8))),
                repeats=deepest,
                stride=stage.stride,
            )
        )
    child = msgspec.structs.replace(parent, stages=tuple(grown))
    assert assert_report_is_true(parent, child, 0) == ()


def larger_by(kernel: Sides, more: tuple[int, int]) -> Sides:
    height, width = pair_of(kernel)
    sides: Sides = one_spelling((height + more[0], width + more[1]))
    return sides


@st.composite
def changed(draw: st.DrawFn, parent: ArchSpec) -> ArchSpec:
    """The network with one stage changed: another width, another number of blocks, another kernel, or left out."""
    index = draw(st.integers(0, len(parent.stages) - 1))
    stage = parent.stages[index]
    ways = [
        msgspec.structs.replace(stage, repeats=stage.repeats + draw(st.sampled_from((-1, 1, 2))) or 1),
        msgspec.structs.replace(stage, width=(stage.width or 4) + draw(st.sampled_from((-3, 4, 8)))),
    ]
    if getattr(stage.block, "kernels", ()):
        larger = tuple(kernel + 2 for kernel in stage.block.kernels)
        kernels = draw(st.sampled_from((larger, (*stage.block.kernels, 3))))
        ways.append(msgspec.structs.replace(stage, block=msgspec.structs.replace(stage.block, kernels=kernels)))
    elif "kernel" in stage.block.__struct_fields__:
        block = msgspec.structs.replace(stage.block, kernel=larger_by(stage.block.kernel, (2, 2)))
        ways.append(msgspec.structs.replace(stage, block=block))
    new = draw(st.sampled_from(ways))
    child = msgspec.structs.replace(parent, stages=(*parent.stages[:index], new, *parent.stages[index + 1 :]))
    return child if fits(child) else parent


def assert_report_is_true(parent: ArchSpec, child: ArchSpec, seed: int) -> tuple[str, ...]:
    """The weights fit; where the function is said to be preserved it is, to float32's rounding."""
    old = lived(build(parent, seed))
    weights, inherited = inherit(parent, old.state_dict(), child, seed)
    new = build(child, seed)
    new.load_state_dict(weights)
    names = [name for part in (inherited.copied, inherited.widened, inherited.sliced) for name in part]
    names += [*inherited.deepened, *inherited.fresh]
    owners = {name.rpartition(".")[0] for name in new.state_dict()}
    assert sorted(names) == sorted(owners)
    if inherited.is_preserved:
        assert_same_function(old, new, parent, seed)
    return inherited.broken


def assert_same_function(old: nn.Module, new: nn.Module, arch: ArchSpec, seed: int) -> None:
    """Both compute the same of images of `arch`'s size, to rounding."""
    images = torch.randn(3, *arch.input, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        before, after = old.double().eval()(images.double()), new.double().eval()(images.double())
    if bool(before.isfinite().all()):
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4 * (1 + float(before.abs().max())))


def lived(module: nn.Module) -> nn.Module:
    """The module as after some training: no norm is what it was at first."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in module.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.running_mean.normal_(0, 0.3, generator=generator)
                each.running_var.uniform_(0.5, 2, generator=generator)
            if isinstance(each, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
                each.weight.uniform_(0.5, 1.5, generator=generator)
                each.bias.normal_(0, 0.3, generator=generator)
    return module


HEADS = (
    Head(),
    Head(norm_pooled=True),
    Head(pool_size=(2, 3)),
    Head(norm_pooled=True, pool_size=(2, 2)),
    Head(width=6, pool_size=(2, 2), hidden=(5,)),
)


@pytest.mark.parametrize(("old", "new"), list(permutations(HEADS, 2)))
def test_every_head_can_inherit_from_every_other(old: Head, new: Head) -> None:
    """Also where what lies between the pool and the vector of its positions is in one of them alone."""
    stage = Stage(block=ConvBlock(), width=4)
    parent, child = (ArchSpec(input=(1, 5, 5), stages=(stage,), num_classes=3, head=head) for head in (old, new))
    assert_report_is_true(parent, child, 0)
