"""Convolutions on a CPU give what PyTorch's own give, whichever way they are computed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from naslab.arch import ArchSpec, Head, MBConv, Stage
from naslab.arch.build import build
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training import cpu_convolutions
from naslab.training.cpu_convolutions import Convolution, CpuConvolutions, convolve
from naslab.training.data import load_dataset
from naslab.training.loop import train


def drawn(convolution: Convolution, seed: int = 0) -> Convolution:
    """The convolution with random values that gradients are wanted of, in its own precision."""
    generator = torch.Generator().manual_seed(seed)

    def values(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=like.dtype).requires_grad_()

    images = values(convolution.images).detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    bias = None if convolution.bias is None else values(convolution.bias)
    return convolution._replace(images=images, weight=values(convolution.weight), bias=bias)


def outcome(convolution: Convolution, way: Any) -> list[Tensor]:
    """The output and the gradients of images, weights and bias, of a sum that tells places apart."""
    wanted = [each for each in convolution[:3] if each is not None]
    out = way(convolution)
    place = torch.linspace(-1, 1, out.numel(), dtype=convolution.images.dtype).view_as(out)
    return [out, *torch.autograd.grad((out * place).sum(), wanted)]


def own(convolution: Convolution) -> Tensor:
    return torch.conv2d(*convolution)


@st.composite
def depthwise(draw: st.DrawFn) -> Convolution:
    """Any depthwise convolution whose output is not empty."""
    sides = st.tuples(st.integers(1, 7), st.integers(1, 7))
    kernel = draw(sides)
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(st.integers(0, kernel[0] // 2), st.integers(0, kernel[1] // 2)))
    more = draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))
    size = [max(1, side - 2 * pad) + extra for side, pad, extra in zip(kernel, padding, more, strict=True)]
    channels = draw(st.integers(2, 5))
    images = torch.empty(draw(st.integers(1, 5)), channels, *size, dtype=torch.float64)
    weight = torch.empty(channels, 1, *kernel, dtype=torch.float64)
    bias = torch.empty(channels, dtype=torch.float64) if draw(st.booleans()) else None
    return Convolution(images, weight, bias, stride, padding, groups=channels)


@given(depthwise(), st.sampled_from([1, 4 * 2**20]))
def test_depthwise_convolutions_and_their_gradients_are_pytorchs(convolution: Convolution, portion: int) -> None:
    convolution = drawn(convolution)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_convolutions, "COPY_BYTES", portion)
        found = outcome(convolution, convolve)
    for each, expected in zip(found, outcome(convolution, own), strict=True):
        torch.testing.assert_close(each, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("has_bias", [False, True])
def test_pointwise_convolutions_are_those_of_pytorch_and_channels_last(has_bias: bool) -> None:
    images, weight = torch.empty(3, 5, 2, 6, dtype=torch.float64), torch.empty(7, 5, 1, 1, dtype=torch.float64)
    convolution = drawn(Convolution(images, weight, torch.empty(7, dtype=torch.float64) if has_bias else None))
    assert convolution.is_pointwise
    found = outcome(convolution, convolve)
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    for each, expected in zip(found, outcome(convolution, own), strict=True):
        torch.testing.assert_close(each, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Conv2d(8, 6, 1, stride=2),
        nn.Conv2d(8, 8, 5, groups=2, padding=2),
        nn.Conv2d(8, 16, 5, groups=8, padding=2),
        nn.Conv2d(8, 8, 5, groups=8, dilation=2, padding=4),
        nn.Conv2d(8, 8, 5, groups=8, padding="same"),
        nn.Conv2d(8, 8, 5, groups=8, padding=2, padding_mode="reflect"),
    ],
    ids=str,
)
def test_every_other_convolution_is_left_as_it_is(module: nn.Conv2d) -> None:
    images = torch.randn(2, 8, 9, 9)
    expected = module(images)
    with CpuConvolutions():
        torch.testing.assert_close(module(images), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(module(images[0]), expected[0], rtol=1e-5, atol=1e-5)


def test_in_bfloat16_gradients_are_near_those_of_float32() -> None:
    images, weight = torch.empty(4, 16, 6, 6), torch.empty(16, 1, 5, 5)
    convolution = drawn(Convolution(images, weight, torch.empty(16), (2, 2), (2, 2), groups=16))
    expected = outcome(convolution, own)
    with torch.autocast("cpu", torch.bfloat16):
        found = outcome(convolution, convolve)
    assert [each.dtype for each in found] == [torch.bfloat16, *[torch.float32] * 3]
    for each, exact in zip(found, expected, strict=True):
        torch.testing.assert_close(each.float(), exact, rtol=0.02, atol=0.02 * float(exact.detach().abs().max()))


def test_a_training_takes_the_fast_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[str] = []

    def spy(name: str) -> None:
        before = getattr(cpu_convolutions, name)
        monkeypatch.setattr(cpu_convolutions, name, lambda *args: ways.append(name) or before(*args))

    spy("_pointwise")
    spy("weight_gradient")
    arch = ArchSpec(
        input=(1, 8, 8),
        stages=(Stage(block=MBConv(expansion=2, kernel=5), width=8, stride=2),),
        head=Head(),
        num_classes=10,
    )
    data = load_dataset(DataChoice(name="digits"), None, "cpu")
    few = data._replace(train=data.train.chosen(torch.arange(64)), validation=data.validation.chosen(torch.arange(32)))
    train(build(arch, seed=0), few, msgspec.structs.replace(Recipe(), batch_size=32), 1, size=(8, 8))
    assert ways.count("weight_gradient") == 2  # of the two steps
    assert ways.count("_pointwise") >= 2
