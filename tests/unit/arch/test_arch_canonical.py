"""Networks that compute the same are written the same; networks that do not are not."""

from __future__ import annotations

import msgspec
import pytest

from naslab.arch import (
    ActivationBlock,
    ArchSpec,
    AuxiliaryHead,
    ConvBlock,
    ConvStep,
    DropoutBlock,
    FusedMBConv,
    InvertedBottleneck,
    MBConv,
    Parallel,
    PatchConv,
    PoolBlock,
    Skip,
    SqueezeExcite,
    Stage,
    Transition,
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
    "a width that keeps the channels of a block of several layers": (
        network(Stage(block=MBConv())),
        network(Stage(block=MBConv(), width=8)),
    ),
    "padding that keeps the sizes": (network(Stage(block=ConvBlock(padding=1), width=8)), network(CONV)),
    "no dropout": (network(CONV, Stage(block=DropoutBlock(rate=0.0))), network(CONV)),
    "an inverted bottleneck has no gate": (
        network(Stage(block=MBConv(se=None), width=8)),
        network(Stage(block=InvertedBottleneck(), width=8)),
    ),
    "a strided skip is a convolution of a pixel": (
        network(Stage(block=Skip(), width=16, stride=2)),
        network(Stage(block=ConvBlock(kernel=1, activation="none"), width=16, stride=2)),
    ),
    "what a skip does not repeat": (
        network(Stage(block=ConvBlock(kernel=1, activation="none"), width=16, stride=2, repeats=2)),
        network(Stage(block=Skip(), width=16, stride=2), Stage(block=ConvBlock(kernel=1, activation="none"), width=16)),
    ),
    "no bias, as by default": (network(Stage(block=ConvBlock(bias=False), width=8)), network(CONV)),
    "no bias, as by default without a norm of its own": (
        network(Stage(block=ConvBlock(bias=False, norm=False), width=8)),
        network(Stage(block=ConvBlock(norm=False), width=8)),
    ),
    "a norm that the network has not": (
        msgspec.structs.replace(network(Stage(block=ConvBlock(norm=False, bias=True), width=8)), norm=None),
        msgspec.structs.replace(network(CONV), norm=None),
    ),
    "nothing expanded, filtered in one": (
        network(Stage(block=FusedMBConv(expansion=1), width=16)),
        network(Stage(block=ConvBlock(), width=16)),
    ),
    "only the first of them has no shortcut": (
        network(Stage(block=FusedMBConv(expansion=1), width=16, repeats=3)),
        network(Stage(block=ConvBlock(), width=16), Stage(block=FusedMBConv(expansion=1), width=16, repeats=2)),
    ),
    "one branch": (
        network(Stage(block=Parallel(branches=((ConvStep(width=16, kernel=3, strided=True),),)), stride=2)),
        network(Stage(block=ConvBlock(), width=16, stride=2)),
    ),
    "patches of a pixel": (
        network(Stage(block=PatchConv(bias=False), width=16)),
        network(Stage(block=Skip(), width=16)),
    ),
    "no activation": (network(CONV, Stage(block=ActivationBlock(activation="none"))), network(CONV)),
    "whole numbers": (
        network(Stage(block=MBConv(expansion=6.0), width=8)),
        network(Stage(block=MBConv(expansion=6), width=8)),
    ),
}
DIFFERENT = {
    "a shortcut": (network(Stage(block=FusedMBConv(expansion=1), width=8)), network(CONV)),
    "a bias where none is by default": (network(Stage(block=ConvBlock(bias=True), width=8)), network(CONV)),
    "no bias where one is by default": (
        msgspec.structs.replace(network(Stage(block=ConvBlock(bias=False), width=8)), norm=None),
        msgspec.structs.replace(network(CONV), norm=None),
    ),
    "a gate behind the filter": (
        network(Stage(block=FusedMBConv(expansion=1, se=SqueezeExcite()), width=16)),
        network(Stage(block=ConvBlock(), width=16)),
    ),
    "an activation behind the pixel": (
        network(Stage(block=Skip(), stride=2)),
        network(Stage(block=ConvBlock(kernel=1), stride=2)),
    ),
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


@pytest.mark.parametrize("block", [Transition(), Parallel(branches=((ConvStep(width=16), ConvStep(width=4)),))])
def test_a_width_that_a_block_makes_itself_is_not_written_down(block: Transition | Parallel) -> None:
    assert canonical(network(Stage(block=block))).stages[0].width is None


def test_patches_of_an_even_and_an_odd_side_are_no_convolution_block() -> None:
    patches = network(Stage(block=PatchConv(norm="none"), width=16, stride=(2, 1)))
    assert canonical(patches) == patches


def test_a_head_stays_behind_the_stage_it_reads() -> None:
    fused = Stage(block=FusedMBConv(expansion=1), width=16, repeats=2)
    arch = msgspec.structs.replace(network(CONV, fused, CONV), auxiliary=(AuxiliaryHead(after=1),))
    simple = canonical(arch)
    assert [type(stage.block) for stage in simple.stages] == [ConvBlock, ConvBlock, FusedMBConv, ConvBlock]
    assert [each.after for each in simple.auxiliary] == [2]


@pytest.mark.parametrize(
    ("arch", "known"),
    [
        (network(CONV, Stage(block=Skip(), stride=2), Stage(block=MBConv(), width=16, repeats=2)), "b917cd691da3e747"),
        (
            network(CONV, Stage(block=FusedMBConv(), width=16), Stage(block=ConvBlock(se=SqueezeExcite()))),
            "2c72a1ad0848e14e",
        ),
        (network(Stage(block=PatchConv(), width=16, stride=4), Stage(block=PoolBlock(), stride=2)), "86faa5d571af0221"),
    ],
)
def test_identities_that_ledgers_hold_stay(arch: ArchSpec, known: str) -> None:
    assert arch_id(arch) == known
