"""Convolutions padded as TensorFlow's SAME: what they compute, what they cost, and where they are said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import nn
from torch.nn import functional

from naslab.arch import ArchSpec, ConvBlock, InvertedBottleneck, NormStyle, Stage, arch_id, cost, decode_arch, encode
from naslab.arch.build import build
from naslab.arch.modules import SameConv2d
from naslab.arch.source import network_source
from naslab.errors import SpecError


def arch_of(padding: str, side: int = 12) -> ArchSpec:
    return ArchSpec(
        input=(3, side, side),
        stem=(Stage(block=ConvBlock(kernel=3), width=8, stride=2),),
        stages=(Stage(block=InvertedBottleneck(kernel=5, expansion=2), width=8, repeats=2, stride=2),),
        num_classes=3,
        padding=padding,
    )


@pytest.mark.parametrize(("side", "kernel", "before", "behind"), [(12, 3, 0, 1), (13, 3, 1, 1), (12, 5, 1, 2)])
def test_what_is_uneven_lies_behind(side: int, kernel: int, before: int, behind: int) -> None:
    conv = SameConv2d(3, 4, (kernel, kernel), (2, 2), (kernel // 2, kernel // 2))
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    padded = functional.pad(images, (before, behind, before, behind))
    assert torch.equal(conv(images), functional.conv2d(padded, conv.weight, conv.bias, 2))


def test_the_two_sides_are_told_apart() -> None:
    conv = SameConv2d(1, 1, (3, 5), (2, 3), bias=False)
    images = torch.randn(1, 1, 8, 7, generator=torch.Generator().manual_seed(0))
    padded = functional.pad(images, (2, 2, 0, 1))  # 7 columns by 3: 3 windows of 5 reach over 11
    assert torch.equal(conv(images), functional.conv2d(padded, conv.weight, None, (2, 3)))


def test_a_dilated_window_reaches_over_what_lies_between() -> None:
    conv = SameConv2d(1, 1, (3, 5), (2, 3), dilation=(3, 1), bias=False)
    images = torch.randn(1, 1, 8, 7, generator=torch.Generator().manual_seed(0))
    padded = functional.pad(images, (2, 2, 2, 3))  # 8 rows by 2: 4 windows of 3, 3 apart, reach over 13
    assert torch.equal(conv(images), functional.conv2d(padded, conv.weight, None, (2, 3), dilation=(3, 1)))


def test_a_file_that_is_timed_pads_odd_sides_as_the_network_does(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    from naslab.training.onnx_file import write_onnx_quickly

    network = build(arch_of("same", 13), 0).eval()
    assert write_onnx_quickly(network, (3, 13, 13), tmp_path / "net.onnx")
    images = torch.randn(2, 3, 13, 13, generator=torch.Generator().manual_seed(0))
    (found,) = ReferenceEvaluator(onnx.load(tmp_path / "net.onnx")).run(None, {"images": images.numpy()})
    assert torch.allclose(torch.from_numpy(found), network(images), atol=1e-5)


def test_every_strided_filter_of_a_network_has_it() -> None:
    network = build(arch_of("same"), 0)
    strided = [each for each in network.modules() if isinstance(each, nn.Conv2d) and each.stride != (1, 1)]
    assert [type(each) for each in strided] == [SameConv2d, SameConv2d]


def test_the_same_cost_and_another_network_at_even_sides() -> None:
    symmetric, same = arch_of("symmetric"), arch_of("same")
    assert cost(symmetric) == cost(same)
    assert arch_id(symmetric) != arch_id(same)
    assert decode_arch(encode(same)) == same
    assert "padding" not in encode(symmetric)


@pytest.mark.parametrize(("side", "is_equal"), [(12, False), (13, True)])
def test_odd_sides_are_padded_alike_by_both(side: int, is_equal: bool) -> None:
    one, other = build(arch_of("symmetric", side), 0).eval(), build(arch_of("same", side), 0).eval()
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(one(images), other(images), atol=1e-6) is is_equal


def test_source_code_pads_as_the_network_does() -> None:
    network = build(arch_of("same"), 0).eval()
    names: dict[str, Any] = {}
    exec(network_source(network, "A network."), names)
    made = names["network"]()
    made.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(made.eval()(images), network(images))


def test_normalised_weights_refuse_it() -> None:
    with pytest.raises(SpecError, match=r"^padding: must be symmetric where weights are normalised, got same$"):
        msgspec.structs.replace(arch_of("same"), norm=NormStyle(kind="weights"))
