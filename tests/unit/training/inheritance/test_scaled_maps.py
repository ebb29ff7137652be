"""A gate that the parent lacks scales a map: every layer behind it must put out what the parent's does all the same."""

from __future__ import annotations

import msgspec
import pytest
import torch
from torch import nn

from naslab.arch import (
    ArchSpec,
    Bottleneck,
    ConvBlock,
    Head,
    Inception,
    MBConv,
    NormStyle,
    PreactResidual,
    ResidualBlock,
    SqueezeExcite,
    Stage,
)
from naslab.arch.build import build
from naslab.training.inheritance import Inherited, inherit

GATES = {
    "half": SqueezeExcite(ratio=0.5),
    "hard half": SqueezeExcite(ratio=0.5, gate="hardsigmoid"),
    "times three": SqueezeExcite(ratio=0.5, gain=6.0),
}
GATED = Stage(block=ConvBlock(), width=6)
"""The stage that gets a gate: its activation, where it is no rectifier, hides the norm that could make up for it."""
READERS: dict[str, tuple[Stage, ...]] = {
    "a convolution": (Stage(block=ConvBlock(), width=10, stride=2),),
    "a depthwise convolution": (Stage(block=ConvBlock(groups=6), width=6),),
    "a grouped convolution": (Stage(block=ConvBlock(groups=2), width=8),),
    "branches that are stacked": (Stage(block=Inception(), width=16), Stage(block=ConvBlock(), width=5)),
    "a norm": (Stage(block=PreactResidual(), width=9, stride=2),),
    "both sides of a sum": (Stage(block=Bottleneck(ratio=0.5), width=12, stride=2),),
    "the classifier": (),
}


def network(gate: SqueezeExcite | None, readers: tuple[Stage, ...], **fields: object) -> ArchSpec:
    gated = msgspec.structs.replace(GATED, block=ConvBlock(se=gate))
    arch = ArchSpec(
        input=(3, 8, 8),
        stem=(Stage(block=ConvBlock(activation="relu"), width=5),),
        stages=(gated, *readers),
        num_classes=4,
        activation="silu",
    )
    return msgspec.structs.replace(arch, **fields)


def trained(arch: ArchSpec) -> nn.Module:
    """A network whose norms are not what they were at first."""
    generator = torch.Generator().manual_seed(3)
    module = build(arch, 1)
    with torch.no_grad():
        for each in module.modules():
            if isinstance(each, nn.BatchNorm2d):
                assert each.running_mean is not None
                assert each.running_var is not None
                each.running_mean.normal_(0, 0.2, generator=generator)
                each.running_var.uniform_(0.5, 2, generator=generator)
                each.weight.uniform_(0.6, 1.4, generator=generator)
                each.bias.normal_(0, 0.2, generator=generator)
    return module


def passed_on(parent: ArchSpec, child: ArchSpec) -> tuple[Inherited, float]:
    """The report, and the largest difference of logits in shares of the parent's largest."""
    old, new = trained(parent), build(child, 2)
    weights, inherited = inherit(parent, old.state_dict(), child, seed=4)
    new.load_state_dict(weights)
    images = torch.randn(5, *parent.input, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    with torch.no_grad():
        before, after = old.double().eval()(images), new.double().eval()(images)
    return inherited, float((after - before).abs().max() / before.abs().max())


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("reader", READERS)
def test_what_reads_a_scaled_map_makes_up_for_the_scale(reader: str, gate: str) -> None:
    readers = READERS[reader]
    inherited, difference = passed_on(network(None, readers), network(GATES[gate], readers))
    assert inherited.broken == ()
    assert inherited.deepened == ("stage0.0.se.body.reduce", "stage0.0.se.body.expand")
    assert difference < 1e-5


@pytest.mark.parametrize(
    "reader", ["a convolution", "branches that are stacked", "both sides of a sum", "the classifier"]
)
def test_a_scaled_map_may_be_wider_too(reader: str) -> None:
    """Copies of a channel share what is read of it, and each is scaled."""
    readers = READERS[reader]
    child = network(GATES["half"], readers)
    wide = msgspec.structs.replace(child.stages[0], width=15)
    inherited, difference = passed_on(
        network(None, readers), msgspec.structs.replace(child, stages=(wide, *child.stages[1:]))
    )
    assert inherited.broken == ()
    assert inherited.widened
    assert difference < 1e-5


@pytest.mark.parametrize("activation", ["relu", "silu", "hardswish", "gelu", "tanh"])
@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize(
    "block",
    [ConvBlock(), MBConv(expansion=2), ResidualBlock(), Bottleneck(ratio=0.5), Inception()],
    ids=lambda block: type(block).__name__,
)
def test_a_gate_anywhere_is_made_up_for_or_reported(block: ConvBlock, norm: str, activation: str) -> None:
    """Whatever the layers around the gate are, a network said to be its parent's function is it."""
    style = NormStyle(kind=norm, groups=1) if norm == "group" else NormStyle(kind=norm)  # type: ignore[arg-type]
    behind = (Stage(block=ResidualBlock(), width=6), Stage(block=ConvBlock(), width=7))

    def arch(gate: SqueezeExcite | None) -> ArchSpec:
        stage = Stage(block=msgspec.structs.replace(block, se=gate), width=16, repeats=2)
        return network(None, (stage, *behind), norm=style, activation=activation, head=Head(hidden=(5,)))

    inherited, difference = passed_on(arch(None), arch(GATES["half"]))
    assert inherited.broken or difference < 1e-5
