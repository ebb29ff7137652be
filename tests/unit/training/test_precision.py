"""In which precision convolutions run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from naslab.study.recipe import Recipe
from naslab.training import precision
from naslab.training.precision import cpu_has_bfloat16, forward_precision, is_reduced

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_auto_is_bfloat16_where_the_device_and_the_images_gain_by_it(monkeypatch, has_bfloat16):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: has_bfloat16)
    assert is_reduced(Recipe(), CPU, (32, 32)) is has_bfloat16
    assert not is_reduced(Recipe(), CPU, (8, 8))
    assert is_reduced(Recipe(), CUDA, (8, 8))
    assert is_reduced(Recipe(precision="bfloat16"), CPU, (8, 8))
    assert not is_reduced(Recipe(precision="float32"), CPU, (32, 32))


def test_the_flags_of_the_processor_are_looked_at():
    seen = torch.cpu.get_capabilities()
    assert cpu_has_bfloat16() is (seen.get("avx512_bf16", False) or seen.get("amx_bf16", False))


@pytest.mark.parametrize(("groups", "dtype"), [(1, torch.bfloat16), (8, torch.bfloat16), (2, torch.float32)])
def test_convolutions_of_several_groups_stay_in_float32_on_a_cpu_unless_they_are_depthwise(groups, dtype):
    conv, images = nn.Conv2d(8, 8, 3, groups=groups), torch.randn(2, 8, 5, 5)
    with forward_precision(Recipe(precision="bfloat16"), CPU, (5, 5)):
        out = conv(images)
        again = conv(images.to(torch.bfloat16))
    assert out.dtype == again.dtype == dtype
    out.float().sum().backward()
    assert conv.weight.grad.dtype == torch.float32
    if dtype == torch.float32:
        assert torch.equal(out, conv(images))


def test_float32_leaves_everything_as_it_is():
    conv, images = nn.Conv2d(8, 8, 3), torch.randn(2, 8, 5, 5)
    with forward_precision(Recipe(precision="float32"), CPU, (5, 5)):
        assert torch.equal(conv(images), conv(images))
        assert conv(images).dtype == torch.float32
