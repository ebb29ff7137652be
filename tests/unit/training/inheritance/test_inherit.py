"""What a child takes from its parent, move by move."""

from __future__ import annotations

import msgspec
import pytest
import torch

from naslab.arch import (
    ArchSpec,
    Bottleneck,
    ConvBlock,
    ConvNeXtBlock,
    DenseLayer,
    Head,
    Inception,
    InvertedBottleneck,
    MBConv,
    NormStyle,
    PreactResidual,
    ResidualBlock,
    ShuffleUnit,
    SqueezeExcite,
    Stage,
)
from naslab.arch.build import build
from naslab.errors import DataError
from naslab.space import load_space
from naslab.training.inheritance import Inherited, inherit

PLAIN = InvertedBottleneck(kernel=3, expansion=2)


def network(*stages: Stage, **fields: object) -> ArchSpec:
    stem = (Stage(block=ConvBlock(), width=6),)
    return msgspec.structs.replace(ArchSpec(input=(3, 9, 9), stem=stem, stages=stages, num_classes=4), **fields)


def transferred(parent: ArchSpec, child: ArchSpec, seed: int = 0) -> tuple[Inherited, float]:
    """The report, and the largest difference of logits in shares of the parent's spread."""
    old = build(parent, 1)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for each in old.modules():
            if isinstance(each, torch.nn.BatchNorm2d):
                each.running_mean.normal_(0, 0.2, generator=generator)
                each.bias.normal_(0, 0.2, generator=generator)
                each.weight.uniform_(0.6, 1.4, generator=generator)
    weights, inherited = inherit(parent, old.state_dict(), child, seed)
    new = build(child, 2)
    new.load_state_dict(weights)
    images = torch.randn(6, *parent.input, generator=generator)
    with torch.no_grad():
        before, after = old.eval()(images), new.eval()(images)
    spread = float(before.std(0).mean())
    assert spread > 1e-3  # else any two networks would be alike
    return inherited, float((after - before).abs().max()) / spread


def stage(block: object = PLAIN, width: int | None = 8, repeats: int = 1, stride: int = 1) -> Stage:
    return Stage(block=block, width=width, repeats=repeats, stride=stride)  # type: ignore[arg-type]


SE = SqueezeExcite(ratio=0.5)
PRESERVING = {
    "wider": (stage(), stage(width=20), "widened"),
    "wider on both sides of sums": (stage(repeats=3), stage(width=12, repeats=3), "widened"),
    "wider bottleneck": (stage(Bottleneck(ratio=0.5)), stage(Bottleneck(ratio=1.0)), "widened"),
    "wider expansion": (stage(), stage(InvertedBottleneck(kernel=3, expansion=3)), "widened"),
    "wider squeeze": (stage(MBConv(se=SE)), stage(MBConv(se=SqueezeExcite(ratio=1.0))), "widened"),
    "wider branches": (stage(Inception()), stage(Inception(), width=16), "widened"),
    "wider growth": (
        stage(DenseLayer(growth=4), width=None),
        stage(DenseLayer(growth=6), width=None),
        "widened",
    ),
    "wider groups": (stage(ConvBlock(groups=2)), stage(ConvBlock(groups=2), width=12), "widened"),
    "wider grouped filter": (
        stage(Bottleneck(groups=2, ratio=0.5)),
        stage(Bottleneck(groups=2, ratio=1.0)),
        "widened",
    ),
    "larger kernel": (stage(), stage(InvertedBottleneck(kernel=7, expansion=2)), "widened"),
    "larger strided kernel": (
        stage(stride=2),
        stage(InvertedBottleneck(kernel=5, expansion=2), stride=2),
        "widened",
    ),
    "deeper with shortcuts": (stage(), stage(repeats=3), "deepened"),
    "deeper without shortcuts": (stage(ConvBlock()), stage(ConvBlock(), repeats=2), "deepened"),
    "deeper residual": (stage(ResidualBlock(se=SE)), stage(ResidualBlock(se=SE), repeats=2), "deepened"),
    "deeper preact": (stage(PreactResidual()), stage(PreactResidual(), repeats=2), "deepened"),
    "deeper shuffle": (stage(ShuffleUnit(groups=2)), stage(ShuffleUnit(groups=2), repeats=2), "deepened"),
    "gate before a norm": (stage(ResidualBlock()), stage(ResidualBlock(se=SE)), "deepened"),
    "gate before a filter": (stage(MBConv(se=None)), stage(MBConv(se=SE)), "deepened"),
    "projected shortcut": (
        stage(ResidualBlock(), width=6),
        stage(ResidualBlock(), width=10),
        "deepened",
    ),
}


@pytest.mark.parametrize("move", PRESERVING)
def test_a_move_that_preserves_the_function(move: str) -> None:
    old, new, done = PRESERVING[move]
    tail = stage(ConvBlock(), width=10, stride=2)
    inherited, difference = transferred(network(old, tail), network(new, tail))
    assert inherited.broken == ()
    assert getattr(inherited, done)
    assert inherited.fresh == inherited.sliced == ()
    assert difference < 1e-3


BREAKING = {
    "narrower": (stage(width=12), stage(width=8), "sliced", "not every channel"),
    "narrower expansion": (
        stage(InvertedBottleneck(expansion=4)),
        stage(InvertedBottleneck(expansion=3)),
        "sliced",
        "not every channel",
    ),
    "smaller kernel": (stage(InvertedBottleneck(kernel=5, expansion=2)), stage(), "sliced", "windows"),
    "another kind": (stage(), stage(ResidualBlock()), "fresh", "another kind"),
    "another activation": (
        stage(),
        stage(InvertedBottleneck(kernel=3, expansion=2, activation="silu")),
        "copied",
        "silu here, relu in the parent",
    ),
    "shallower": (stage(repeats=2), stage(), "copied", "that is not here"),
    "identity behind a linear map": (
        stage(InvertedBottleneck(expansion=1), repeats=2),
        stage(InvertedBottleneck(expansion=2), repeats=2),
        "deepened",
        "relu changes what it reads",
    ),
    "another stride": (stage(stride=1), stage(stride=2), "fresh", "no weights let it pass"),
    "layer norm over more": (
        stage(ConvNeXtBlock(layer_scale=None), width=None, repeats=2),
        stage(ConvNeXtBlock(layer_scale=None, expansion=3), width=None, repeats=2),
        "sliced",
        "not every value",
    ),
}


@pytest.mark.parametrize("move", BREAKING)
def test_a_move_that_changes_the_function_says_so(move: str) -> None:
    old, new, done, why = BREAKING[move]
    tail = stage(ConvBlock(), width=10, stride=2)
    inherited, _ = transferred(network(old, tail), network(new, tail))
    assert getattr(inherited, done)
    assert any(why in line for line in inherited.broken), inherited.broken


def test_the_same_network_is_copied_bit_by_bit() -> None:
    arch = network(stage(repeats=2), stage(MBConv(), width=12, stride=2))
    weights = build(arch, 1).state_dict()
    made, inherited = inherit(arch, weights, arch)
    assert inherited.widened == inherited.deepened == inherited.sliced == inherited.fresh == inherited.broken == ()
    assert inherited.share == 1.0
    for name, value in weights.items():
        assert torch.equal(made[name], value), name


def test_group_norm_is_preserved_where_groups_stay_whole() -> None:
    style = NormStyle(kind="group", groups=1)
    old, new = network(stage(ConvBlock()), norm=style), network(stage(ConvBlock(), width=16), norm=style)
    inherited, difference = transferred(old, new)
    assert inherited.broken == ()
    assert difference < 1e-3
    odd, _ = transferred(old, network(stage(ConvBlock(), width=12), norm=style))
    assert any("group norm" in line for line in odd.broken)


def test_a_wide_head_and_hidden_layers() -> None:
    old = network(stage(), head=Head(width=8, pool_size=(2, 2), hidden=(6,)))
    new = network(stage(), head=Head(width=12, pool_size=(2, 2), hidden=(9,)))
    inherited, difference = transferred(old, new)
    assert inherited.broken == ()
    assert difference < 1e-3


def test_copies_of_a_channel_do_not_stay_equal() -> None:
    old = network(stage(ConvBlock()), stage(ConvBlock(), width=10))
    new = network(stage(ConvBlock(), width=16), stage(ConvBlock(), width=10))
    weights, _ = inherit(old, build(old, 1).state_dict(), new)
    read = weights["stage1.0.conv.weight"]
    assert not torch.allclose(read[:, :8], read[:, 8:])
    torch.testing.assert_close(read[:, :8] + read[:, 8:], build(old, 1).state_dict()["stage1.0.conv.weight"])


def test_the_channels_kept_are_those_that_count_most() -> None:
    old = network(stage(InvertedBottleneck(expansion=2)))
    new = network(stage(InvertedBottleneck(expansion=1.5)))
    weights = build(old, 1).state_dict()
    weights["stage0.0.project.conv.weight"][:, :3] = 0.0
    made, _ = inherit(old, weights, new)
    assert torch.equal(made["stage0.0.expand.conv.weight"], weights["stage0.0.expand.conv.weight"][3:])


def test_it_is_a_function_of_the_seed() -> None:
    old, new = network(stage()), network(stage(width=20), stage(ResidualBlock(), width=20))
    weights = build(old, 1).state_dict()
    one, again, other = (inherit(old, weights, new, seed)[0] for seed in (3, 3, 4))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_weights_of_another_network_are_refused() -> None:
    arch = network(stage())
    weights = build(network(stage(width=12)), 0).state_dict()
    with pytest.raises(DataError, match=r"'stage0\.0\.project\.conv\.weight' is \(12, 12, 1, 1\), the parent's is"):
        inherit(arch, weights, arch)
    with pytest.raises(DataError, match="is missing"):
        inherit(arch, {}, arch)


def test_an_identity_of_a_layer_choice_becomes_a_block() -> None:
    space = load_space("nas_bench_macro").template | {"input": [3, 16, 16]}
    layers = space["stages"]
    options = layers[0]["block"]["choice"]

    def arch(*choices: int) -> ArchSpec:
        stages = [each | {"block": options[choice]} for each, choice in zip(layers, choices, strict=True)]
        return msgspec.convert(space | {"stages": stages}, ArchSpec)

    old, new = arch(1, 0, 2, 0, 2, 1, 0, 0), arch(1, 1, 2, 2, 2, 1, 0, 0)
    _, inherited = inherit(old, build(old, 0).state_dict(), new)
    assert inherited.broken == ()
    # of stage 3 and 4, which are equal in the child, either may stand for the parent's
    assert {name.split(".")[0] for name in inherited.deepened} in ({"stage1", "stage3"}, {"stage1", "stage4"})
