"""Descriptions that break a rule: every message names the path, the rule and the value."""

# ruff: noqa: E501  (a table of messages, one to a line)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from naslab.arch import ArchSpec, Stage, cost, decode_arch, load_arch, lower
from naslab.arch.blocks import ConvBlock
from naslab.arch.build import module_of
from naslab.arch.plan import Conv, Layer, Sequence
from naslab.arch.tally import tally
from naslab.errors import NaslabError, SpecError

CONV = {"block": {"type": "conv"}, "width": 8}


def block(kind: str, **fields: Any) -> dict[str, Any]:
    return {"block": {"type": kind, **fields}}


def network(*stages: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"input": [3, 32, 32], "num_classes": 10, "stages": list(stages), **rest}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (network(CONV, CONV, block("mbconv", kernel=4)), "stages[2].block.kernel: must be odd and positive, got 4"),
        (network(block("mbconw")), "stages[0].block.type: unknown block 'mbconw' (did you mean 'mbconv'?)"),
        (network(block("mbconv", kernal=3)), "stages[0].block: unknown field 'kernal' (did you mean 'kernel' or 'kernels'?)"),
        (network(block("mbconv", kernel="3")), "stages[0].block.kernel: expected int or [height, width], got str '3'"),
        (network(block("mbconv", se={"ratio": 2})), "stages[0].block.se.ratio: must be above 0 and at most 1, got 2.0"),
        (network(block("mbconv", se={"rato": 1})), "stages[0].block.se: unknown field 'rato' (did you mean 'ratio'?)"),
        (network(block("pool") | {"width": 8}), "stages[0].width: pooling keeps its 3 channels, got 8"),
        (network(CONV | {"width": -8}), "stages[0].width: must be at least 1, got -8"),
        (network(CONV | {"stride": 9}), "stages[0].stride: must be 1 to 8, got 9"),
        (network(CONV | {"reps": 9}), "stages[0]: unknown field 'reps' (did you mean 'repeats'?)"),
        (network(CONV | {"width": 10}, block("conv", groups=4)), "stages[1].block.groups: 4 must divide 10 input and 10 output channels"),
        (network(CONV, block("bottleneck", groups=3)), "stages[1].block.groups: 3 must divide 2 input and 2 output channels"),
        (network(CONV, block("fire", squeeze=4) | {"width": 7}), "stages[1].width: must be even, half by each filter, got 7"),
        (network(CONV, block("convnext") | {"stride": 2}), "stages[1].stride: a ConvNeXt block keeps its sizes, got 2"),
        (network(CONV, block("residual", shortcut="pad") | {"width": 4}), "stages[1].width: a padded shortcut cannot shrink 8 channels to 4"),
        (network(block("inception", naive=True)), "stages[0].width: a naive Inception cell on 3 channels needs at least 11, got 3"),
        (network(block("parallel", branches=[[{"type": "conf"}]])), "stages[0].block.branches[0][0].type: unknown type 'conf' (did you mean 'conv'?)"),
        (
            network(block("parallel", branches=[[{"type": "conv", "width": 8}], [{"type": "pool", "strided": True}]]) | {"stride": 2}),
            "stages[0].branch1: makes a map of (16, 16), the branches before it make (32, 32)",
        ),
        (
            network(block("cell", pairs=[{"left": {"op": "identity", "state": 0}, "right": {"op": "identity", "state": 2}}])),
            "stages[0].block.pairs[0].right.state: pair 0 reads state 2, but only states 0 to 1 come before it",
        ),
        (
            network(block("conv", kernel=5, padding=0) | {"repeats": 20}),
            "stages[0].conv: a 5 x 5 window does not fit a map of 4 x 4; the input is too small for the strides before it",
        ),
        (network(CONV, norm={"kind": "bach"}), "norm.kind: must be one of batch, group, layer, weights, got 'bach' (did you mean 'batch'?)"),
        (network(CONV, norm={"eps": 0}), "norm.eps: must be positive, got 0.0"),
        (network(CONV, head={"classifier": "conv", "hidden": [3]}), "head.hidden: a conv classifier has no hidden layers, got (3,)"),
        (network(CONV, head={"dropout": 1.0}), "head.dropout: must be at least 0 and below 1, got 1.0"),
        (network(CONV, stochastic_depth={"rate": 1.5}), "stochastic_depth.rate: must be at least 0 and below 1, got 1.5"),
        (network(CONV, num_classes=0), "num_classes: must be at least 1, got 0"),
        (network(CONV, input=[3, 32]), "input: expected array of length 3, got 2"),
        (network(CONV, input=[3, 0, 32]), "input[1]: must be at least 1, got 0"),
        (network(), "stages: must hold at least one stage"),
        (network({"width": 8}), "stages[0]: misses the required field block"),
        ({"stages": [CONV], "num_classes": 2}, "misses the required field input"),
        ([1], "expected object, got array"),
    ],
)  # fmt: skip
def test_message(data: Any, message: str) -> None:
    with pytest.raises(SpecError) as error:
        cost(decode_arch(data))
    assert str(error.value) == message


def test_lowering_and_costing_say_the_same() -> None:
    arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(kernel=3, padding=0), repeats=9),), num_classes=2)
    messages = []
    for reading in (cost, lower):
        with pytest.raises(SpecError) as error:
            reading(arch)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


class Unheard(Layer, frozen=True):
    """A layer that no interpreter knows."""


def test_every_interpreter_refuses_an_unknown_layer() -> None:
    with pytest.raises(SpecError, match=r"^the cost model does not know the layer Unheard$"):
        tally(Unheard(), (3, 8, 8))
    with pytest.raises(SpecError, match=r"^odd: the cost model does not know the layer Unheard$"):
        tally(Sequence(("odd",), (Unheard(),)), (3, 8, 8))
    with pytest.raises(SpecError, match=r"^the builder does not know the layer Unheard$"):
        module_of(Unheard())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Conv(4, 8), "takes 4 channels, got 3"),
        (Conv(3, 8, (9, 9)), "a 9 x 9 window does not fit a map of 8 x 8; the input is too small for the strides before it"),
    ],
)  # fmt: skip
def test_a_layer_that_does_not_fit(layer: Layer, message: str) -> None:
    with pytest.raises(SpecError) as error:
        tally(layer, (3, 8, 8))
    assert str(error.value) == message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NaslabError, match=r"^cannot read .*nowhere\.yaml: No such file or directory$"):
        load_arch(tmp_path / "nowhere.yaml")
    (tmp_path / "broken.yaml").write_text("stages: [", encoding="utf-8")
    with pytest.raises(NaslabError, match=r"broken\.yaml is not YAML: "):
        load_arch(tmp_path / "broken.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NaslabError, match=r"binary\.yaml is not YAML: "):
        load_arch(tmp_path / "binary.yaml")
