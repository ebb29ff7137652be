"""Networks that compute the same are written the same; networks that do not are not."""

from __future__ import annotations

import msgspec
import pytest

from naslab.arch import (
    ArchSpec,
    ConvBlock,
    DropoutBlock,
    InvertedBottleneck,
    MBConv,
    PoolBlock,
    Skip,
    SqueezeExcite,
    Stage,
    arch_id,
    canonical,
)


def network(*stages: Stage) -> ArchSpec:
    return ArchSpec(input=(8, 16, 16), stages=stages, num_classes=10)


CONV = Stage(block=ConvBlock(), width=8)
SAME = {
    "a skip does nothing": (network(CONV, Stage(block=Skip())), network(CONV)),
    "equal neighbours are repeats": (network(CONV, CONV), network(msgspec.structs.replace(CONV, repeats=2))),
    "a block's own activation is the network's": (
        network(Stage(block=ConvBlock(activation="relu"), width=8)),
        network(CONV),
    ),
    "a width that keeps the channels": (network(Stage(block=ConvBlock())), network(CONV)),
    "padding that keeps the sizes": (network(Stage(block=ConvBlock(padding=1), width=8)), network(CONV)),
    "no dropout": (network(CONV, Stage(block=DropoutBlock(rate=0.0))), network(CONV)),
    "an inverted bottleneck has no gate": (
        network(Stage(block=MBConv(se=None), width=8)),
        network(Stage(block=InvertedBottleneck(), width=8)),
    ),
    "whole numbers": (
        network(Stage(block=MBConv(expansion=6.0), width=8)),
        network(Stage(block=MBConv(expansion=6), width=8)),
    ),
}
DIFFERENT = {
    "a stride": (network(CONV), network(msgspec.structs.replace(CONV, stride=2))),
    "a strided skip": (network(CONV, Stage(block=Skip(), stride=2)), network(CONV)),
    "a wider skip": (network(CONV, Stage(block=Skip(), width=16)), network(CONV)),
    "a gate": (network(Stage(block=MBConv())), network(Stage(block=MBConv(se=SqueezeExcite(ratio=0.5))))),
    "strided neighbours": (
        network(CONV, msgspec.structs.replace(CONV, stride=2)),
        network(msgspec.structs.replace(CONV, repeats=2)),
    ),
    "pooling of a pixel with a stride": (network(CONV, Stage(block=PoolBlock(kernel=1), stride=2)), network(CONV)),
    "the input": (network(CONV), msgspec.structs.replace(network(CONV), input=(8, 16, 15))),
    "the classes": (network(CONV), msgspec.structs.replace(network(CONV), num_classes=11)),
}


@pytest.mark.parametrize("case", SAME)
def test_same_networks_have_one_identity(case: str) -> None:
    one, other = SAME[case]
    assert one != other or case == "whole numbers"
    assert canonical(one) == canonical(other)
    assert arch_id(one) == arch_id(other)


@pytest.mark.parametrize("case", DIFFERENT)
def test_different_networks_keep_their_own(case: str) -> None:
    one, other = DIFFERENT[case]
    assert arch_id(one) != arch_id(other)


def test_an_identity_is_sixteen_hexadecimal_digits() -> None:
    assert len(arch_id(network(CONV))) == 16
    assert int(arch_id(network(CONV)), 16) >= 0


def test_a_network_of_skips_alone_keeps_one() -> None:
    assert canonical(network(Stage(block=Skip(), repeats=3))).stages == (Stage(block=Skip()),)
