"""Networks that lower to the same layers have one identity, whatever was written; others have their own."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from naslab.arch import (
    ActivationBlock,
    ArchSpec,
    AuxiliaryHead,
    Bottleneck,
    Cell,
    ConvBlock,
    DropoutBlock,
    Edge,
    Fractal,
    Head,
    Inception,
    InvertedBottleneck,
    MBConv,
    NormFreeBlock,
    NormStyle,
    Pair,
    PreactResidual,
    ResidualBlock,
    Skip,
    SqueezeExcite,
    Stage,
    StochasticDepth,
    arch_id,
    canonical,
    cost,
    identity,
    lower,
)
from naslab.arch.block import Block, Context, Sides
from naslab.arch.blocks import BranchWidths
from naslab.arch.identity import rows_of
from naslab.arch.lower import lower_at
from naslab.arch.plan import Concat, Conv, Dropout, DropPath, Identity, Layer, Residual, Shape, seq
from naslab.arch.plan_rows import layer_rows
from naslab.errors import SpecError
from naslab.zoo import model


def network(*stages: Stage, **fields: Any) -> ArchSpec:
    return msgspec.structs.replace(ArchSpec(input=(8, 16, 16), stages=stages, num_classes=10), **fields)


def wide(block: Any, **fields: Any) -> Stage:
    return Stage(block=block, width=16, **fields)


CONV = Stage(block=ConvBlock(), width=8)
CELL = Cell(pairs=(Pair(left=Edge(op="conv_3x3", state=0), right=Edge(op="identity", state=1)),))
DEEP = StochasticDepth(rate=0.2)
ONE_HEAD = (AuxiliaryHead(after=0),)
SAME = {
    "a squeezed width of one": tuple(
        network(wide(ResidualBlock(se=SqueezeExcite(ratio=ratio)), repeats=2)) for ratio in (1 / 16, 1 / 32)
    ),
    "a filter's share that rounds to the same": tuple(network(wide(Bottleneck(ratio=each))) for each in (0.25, 0.26)),
    "an expansion that rounds to the same": tuple(
        network(wide(InvertedBottleneck(expansion=each))) for each in (2, 2.01)
    ),
    "a first share that is the filter's": tuple(
        network(wide(Bottleneck(ratio=0.5, reduce_ratio=each))) for each in (None, 0.5)
    ),
    "what the gate's convention says": tuple(
        network(wide(MBConv(se=SqueezeExcite(of=of, activation=act)))) for of, act in ((None, None), ("input", "relu"))
    ),
    "widths that the cell takes by itself": (
        network(Stage(block=Inception(), width=16)),
        network(
            Stage(
                block=Inception(
                    widths=BranchWidths(one=4, three=8, five=2, pool=2, reduce_three=6, reduce_five=1),
                )
            )
        ),
    ),
    "a stem and a stage": (network(CONV, wide(MBConv()), stem=(CONV,)), network(CONV, CONV, wide(MBConv()))),
    "one block and two that make it": (
        network(CONV),
        network(Stage(block=ConvBlock(activation="none"), width=8), Stage(block=ActivationBlock())),
    ),
    "one dropped block": tuple(
        network(wide(MBConv()), stochastic_depth=StochasticDepth(rate=0.2, rule=rule)) for rule in ("linear", "uniform")
    ),
    "dropped blocks beside one that does nothing": (
        network(CONV, Stage(block=Skip()), wide(MBConv(), repeats=2), stochastic_depth=DEEP),
        network(CONV, wide(MBConv()), wide(MBConv()), stochastic_depth=DEEP),
    ),
    "stochastic depth where nothing is dropped": (network(CONV, stochastic_depth=DEEP), network(CONV)),
    "groups of a norm without groups": tuple(network(CONV, norm=NormStyle(groups=groups)) for groups in (8, 32)),
    "the activation of a head without one": tuple(network(CONV, head=Head(activation=each)) for each in (None, "gelu")),
    "cells in one stage and in two": (
        network(Stage(block=CELL, width=8, repeats=2)),
        network(Stage(block=CELL, width=8), Stage(block=CELL, width=8)),
    ),
    "an auxiliary head that says its default": (
        network(CONV, auxiliary=(AuxiliaryHead(after=0, head=Head(activation="silu")),)),
        network(CONV, auxiliary=ONE_HEAD),
    ),
    "an auxiliary head behind what does nothing before it": (
        network(Stage(block=Skip()), CONV, auxiliary=(AuxiliaryHead(after=1),)),
        network(CONV, auxiliary=ONE_HEAD),
    ),
    "norm-free blocks in one stage and in two": (
        network(Stage(block=NormFreeBlock(), width=8, repeats=2), norm=NormStyle(kind="weights")),
        network(
            Stage(block=NormFreeBlock(), width=8),
            Stage(block=NormFreeBlock(sums_before=1), width=8),
            norm=NormStyle(kind="weights"),
        ),
    ),
}
BASE = network(wide(MBConv(), repeats=3), stochastic_depth=DEEP)
DIFFERENT = {
    "a rate of stochastic depth": (BASE, msgspec.structs.replace(BASE, stochastic_depth=StochasticDepth(rate=0.1))),
    "a rule of stochastic depth": (
        BASE,
        msgspec.structs.replace(BASE, stochastic_depth=StochasticDepth(rate=0.2, rule="uniform")),
    ),
    "no stochastic depth": (BASE, msgspec.structs.replace(BASE, stochastic_depth=StochasticDepth())),
    "what is dropped of a cell": (
        network(Stage(block=CELL, width=8), stochastic_depth=DEEP),
        network(Stage(block=CELL, width=8), stochastic_depth=StochasticDepth(rate=0.3)),
    ),
    "what is dropped of a mean": tuple(
        network(wide(Fractal(columns=2)), stochastic_depth=StochasticDepth(rate=rate)) for rate in (0.1, 0.2)
    ),
    "a dropout rate": tuple(network(CONV, Stage(block=DropoutBlock(rate=rate))) for rate in (0.1, 0.2)),
    "a dropout rate of the head": tuple(network(CONV, head=Head(dropout=rate)) for rate in (0.0, 0.2)),
    "a dropout rate of a block": tuple(network(wide(PreactResidual(dropout=rate))) for rate in (0.0, 0.3)),
    "the momentum of norms": tuple(network(CONV, norm=NormStyle(momentum=each)) for each in (0.1, 0.01)),
    "the order of layers": (network(CONV, wide(MBConv())), network(wide(MBConv()), CONV)),
    "a gate elsewhere": tuple(
        network(wide(Bottleneck(ratio=1, se=SqueezeExcite(), se_after=each))) for each in ("expand", "filter")
    ),
    "no auxiliary head": (network(CONV), network(CONV, auxiliary=ONE_HEAD)),
    "the weight of an auxiliary head": (
        network(CONV, auxiliary=ONE_HEAD),
        network(CONV, auxiliary=(AuxiliaryHead(after=0, weight=0.4),)),
    ),
    "the place of an auxiliary head": tuple(
        network(CONV, CONV, auxiliary=(AuxiliaryHead(after=after),)) for after in (0, 1)
    ),
    "the layers of an auxiliary head": (
        network(CONV, auxiliary=ONE_HEAD),
        network(CONV, auxiliary=(AuxiliaryHead(after=0, stages=(CONV,)),)),
    ),
    "an auxiliary head that training refuses": tuple(
        network(CONV, Stage(block=Skip()), auxiliary=(AuxiliaryHead(after=after),)) for after in (0, 1)
    ),
    "the place of a head that training refuses": (
        network(CONV, Stage(block=Skip()), CONV, auxiliary=(AuxiliaryHead(after=1),)),
        network(CONV, CONV, Stage(block=Skip()), auxiliary=(AuxiliaryHead(after=2),)),
    ),
    "cells of other inputs": tuple(
        network(CONV, Stage(block=msgspec.structs.replace(CELL, lookback=each), width=8)) for each in (2, 3)
    ),
    "what cells read": (
        network(CONV, Stage(block=ConvBlock(activation="none"), width=8), Stage(block=CELL, width=8)),
        network(
            CONV,
            Stage(block=ConvBlock(norm=False, activation="none", bias=False), width=8),
            Stage(block=CELL, width=8),
        ),
    ),
    "the side of the input": tuple(network(CONV, input=(8, *size)) for size in ((16, 8), (8, 16))),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_layers_have_one_identity(case: str) -> None:
    one, other = SAME[case]
    assert arch_id(one) == arch_id(other)


@pytest.mark.parametrize("case", DIFFERENT)
def test_other_layers_have_another(case: str) -> None:
    one, other = DIFFERENT[case]
    assert arch_id(one) != arch_id(other)


def test_where_cells_stand_apart_counts() -> None:
    cell = Stage(block=CELL, width=8)
    apart = network(Stage(block=ConvBlock(activation="none"), width=8), Stage(block=ActivationBlock()), cell)
    together = network(CONV, cell)
    assert arch_id(apart) != arch_id(together), "the cell reads what is before the activation, or the input"


class Holding(Layer, frozen=True):
    value: Any = 0.0


def test_numbers_that_json_lacks_are_told_apart() -> None:
    values = (math.inf, -math.inf, math.nan, None, "inf", 1e300)
    assert len({layer_rows(Holding(value)) for value in values}) == len(values)


def test_sets_are_written_in_one_order() -> None:
    names = ("width", "depth", "kernel", "se", "norm")
    one, other = (layer_rows(Holding(frozenset(order))) for order in (names, names[::-1]))
    assert one == other == layer_rows(Holding(tuple(sorted(names))))


KNOWN = {
    "resnet18": "728a3b9f25b1776c",
    "efficientnet_b0": "096ecef1774ff68c",
    "mobilenet_v2": "4934ea2806b0552f",
    "googlenet": "3458f5d451484f73",
    "densenet121": "070e63caafb5915f",
    "shufflenet_v2_x1_0": "a82cc861784cce97",
    "nasnet_a_mobile": "7064bc2154b848df",
    "convnext_tiny": "7134880ab54d9532",
    "efficientnet_v2_s": "b5a0ffc9ca0a8467",
    "inception_v3": "5c9f27978f78f50b",
    "mobilenet_v3_large": "8bf83fed8e6b336b",
    "nfnet_f0": "9ceff96260c0cc73",
    "regnet_y_400mf": "49f9c7d99d6a78b3",
    "resnet_rs_50": "fda8ce51aa482170",
}


@pytest.mark.parametrize("name", KNOWN)
def test_identities_that_ledgers_hold_stay(name: str) -> None:
    assert arch_id(model(name)) == KNOWN[name]


class Halved(Block, frozen=True, tag="test_halved"):
    """A block that drops as often as it is told, then half of the time, then half as often above `halved_from`."""

    halved_from: float = 0.0

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        return seq(
            often=Residual(Conv(shape[0], shape[0]), drop_rate=drop_rate),
            always=DropPath(0.5),
            seldom=DropPath(drop_rate / 2) if drop_rate > self.halved_from else None,
        )


class Thrifty(Block, frozen=True, tag="test_thrifty"):
    """A block that tells its layers the rate in a field of another name."""

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        return seq(body=Residual(Conv(shape[0], shape[0]), drop_rate=drop_rate), dropout=Dropout(drop_rate))


class Clamped(Block, frozen=True, tag="test_clamped"):
    """A block that drops no more often than `most`."""

    most: float = 0.2

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        return Residual(Conv(shape[0], shape[0]), drop_rate=min(drop_rate, self.most))


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.2])
@pytest.mark.parametrize(
    "block",
    [
        MBConv(),
        Fractal(columns=2),
        Halved(),
        Halved(halved_from=0.3),
        Halved(halved_from=1),
        Clamped(),
        Thrifty(),
        DropoutBlock(rate=0.5),
    ],
    ids=lambda each: type(each).__name__,
)
def test_rates_are_read_as_the_lowered_layers_hold_them(block: Any, rate: float) -> None:
    stage = Stage(block=block, repeats=2)
    arch = network(stage, stage, stochastic_depth=StochasticDepth(rate=rate))
    assert rows_of(arch) == layer_rows(lower(arch))


@pytest.mark.parametrize(("block", "times"), [(MBConv(expansion=3.875), 1), (Clamped(most=0.19), 4)])
def test_most_blocks_are_lowered_once_beside_their_cost(
    block: Any, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does something else with its rate is lowered at three more."""
    arch = network(Stage(block=block, repeats=3), stochastic_depth=StochasticDepth(rate=0.13))
    cost(arch)
    rates: list[float] = []

    def noted(*given: Any) -> Layer:
        rates.append(given[5])
        return lower_at(*given)

    monkeypatch.setattr(identity, "lower_at", noted)
    assert rows_of(arch) == layer_rows(lower(arch))
    assert len(rates) == len(set(rates)) == times


def test_networks_of_cells_without_auxiliary_heads_keep_their_identity() -> None:
    assert arch_id(network(Stage(block=CELL, width=8, repeats=2))) == "74708427933172cb"
    assert arch_id(network(CONV, Stage(block=CELL, width=8), stochastic_depth=DEEP)) == "49bed6acf53db21e"
    assert arch_id(network(wide(Fractal(columns=2)), stochastic_depth=DEEP)) == "b3e34668cde2f827"


def test_a_stack_of_one_branch_is_that_branch() -> None:
    assert layer_rows(Concat(("only",), (Conv(8, 8),))) == layer_rows(Conv(8, 8))
    assert layer_rows(Concat(("one", "two"), (Conv(8, 8), Conv(8, 8)))) != layer_rows(
        seq(one=Conv(8, 8), two=Conv(8, 8))
    )


@pytest.mark.parametrize("seed", ["0", "1"])
def test_every_process_tells_the_same(seed: str) -> None:
    program = (
        "import sys; from naslab.arch import arch_id; from naslab.zoo import model\n"
        "print(*(arch_id(model(name)) for name in sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", program, *reversed(KNOWN)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert found == list(reversed(KNOWN.values()))


def test_a_new_field_with_a_default_changes_no_identity() -> None:
    before = msgspec.defstruct("Blur", [("channels", int), ("kernel", int, 3)], bases=(Layer,), frozen=True)
    after = msgspec.defstruct(
        "Blur",
        [("channels", int), ("body", Layer, Identity()), ("kernel", int, 3), ("gain", float, 1.0)],
        bases=(Layer,),
        frozen=True,
    )
    rows = layer_rows(before(channels=8))
    assert layer_rows(after(channels=8)) == rows
    assert layer_rows(after(channels=8, body=seq(), gain=1)) == rows
    assert layer_rows(after(channels=8, gain=2)) != rows
    assert layer_rows(after(channels=8, body=Conv(8, 8))) != rows
    assert layer_rows(before(channels=9)) != rows


def test_rates_inside_a_layer_of_ones_own_count() -> None:
    own = msgspec.defstruct("Own", [("body", Layer)], bases=(Layer,), frozen=True)
    rates = {layer_rows(own(body=Residual(Conv(8, 8), drop_rate=rate))) for rate in (0.0, 0.1, 0.2)}
    rates |= {layer_rows(own(body=seq(conv=Conv(8, 8), drop=DropPath(rate)))) for rate in (0.1, 0.2)}
    assert len(rates) == 5


def test_a_network_that_does_not_fit_is_refused_by_the_place() -> None:
    arch = network(CONV, Stage(block=ConvBlock(kernel=19, padding=0), width=8))
    with pytest.raises(SpecError, match=r"^stages\[1\]"):
        arch_id(arch)


@pytest.mark.parametrize("case", ["a squeezed width of one", "an expansion that rounds to the same"])
def test_what_rounds_to_the_same_is_written_otherwise(case: str) -> None:
    one, other = SAME[case]
    assert one != other
    assert canonical(one) != canonical(other)
    assert lower(one) == lower(other)
