"""EfficientNet-Lite against timm's networks of both names: the same counts, to the last parameter."""

from __future__ import annotations

import pytest
import torch
from passed_norms import norms_passed_on
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from naslab.arch import cost
from naslab.zoo import model


def counted(name: str, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Parameters, multiply-accumulates and outputs of convolutions of timm's network, without memory for it."""
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        network = timm.create_model(name).eval()
    activations = 0

    def add(_: nn.Module, __: object, output: Tensor) -> None:
        nonlocal activations
        activations += output.numel()

    for each in network.modules():
        if isinstance(each, nn.Conv2d):
            each.register_forward_hook(add)
    with norms_passed_on(), FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, *shape, device="meta"))
    return sum(each.numel() for each in network.parameters()), counter.get_total_flops() // 2, activations


@pytest.mark.parametrize("prefix", ["", "tf_"])
@pytest.mark.parametrize("size", range(5))
def test_counts_are_those_of_timm(size: int, prefix: str) -> None:
    arch = model(f"efficientnet_lite{size}", resolution=225)
    found = cost(arch)
    expected = counted(f"{prefix}efficientnet_lite{size}", arch.input)
    assert (found.params, found.macs, found.activations) == expected


def test_stem_head_and_outer_stages_are_not_scaled() -> None:
    smallest, largest = model("efficientnet_lite0"), model("efficientnet_lite4")
    assert smallest.stem == largest.stem
    assert smallest.head.width == largest.head.width == 1280
    repeats = [tuple(stage.repeats for stage in arch.stages) for arch in (smallest, largest)]
    assert repeats == [(1, 2, 2, 3, 3, 4, 1), (1, 4, 4, 6, 6, 8, 1)]
