"""What is counted is what is built: parameters, and macs by PyTorch's own flop counter, for the whole zoo."""

from __future__ import annotations

import itertools

import msgspec
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from naslab.arch import ArchSpec, Cost, cost, layer_costs, lower
from naslab.arch.build import module_of
from naslab.zoo import model, model_names

VERY_DEEP = {name for name in model_names() if sum(row.macs > 0 for row in layer_costs(model(name))) > 250}
"""Hundreds of equal blocks: their build takes seconds, so that the fast tests leave it to the slow ones."""

# The published size, an odd one and one that is not square. Larger images than the published ones say nothing more.
IMAGENET = (None, 229, (224, 160))
SMALL = (None, 35, (32, 40))
CLASSES = (10, 1000)


def resolutions(name: str) -> tuple[int | tuple[int, int] | None, ...]:
    return SMALL if model(name).input[1] <= 32 else IMAGENET


def built(arch: ArchSpec) -> nn.Module:
    with torch.device("meta"):
        return module_of(lower(arch)).eval()


def assert_counted(module: nn.Module, arch: ArchSpec, expected: Cost) -> None:
    image = torch.empty(1, *arch.input, device="meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        logits = module(image)
    assert logits.shape == (1, arch.num_classes)
    assert counter.get_total_flops() == 2 * expected.macs


@pytest.mark.parametrize(("index", "name"), [pair for pair in enumerate(model_names()) if pair[1] not in VERY_DEEP])
def test_one_size_of_every_network(index: int, name: str) -> None:
    """Sizes and classes take turns, so that every family meets each."""
    variants = list(itertools.product(resolutions(name), CLASSES))
    resolution, num_classes = variants[index % len(variants)]
    arch = model(name, num_classes, resolution)
    expected = cost(arch)
    module = built(arch)
    assert sum(each.numel() for each in module.parameters()) == expected.params
    assert_counted(module, arch, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in model_names() if not name.startswith("stochastic_depth")])
def test_every_size_of_every_network(name: str) -> None:
    """The whole network at its published size; at the others equal blocks stand at most twice in a stage."""
    published, odd, rectangular = resolutions(name)
    few, many = CLASSES
    for arch in (
        model(name, many, published),
        shortened(model(name, few, odd)),
        shortened(model(name, many, rectangular)),
    ):
        module = built(arch)
        assert sum(each.numel() for each in module.parameters()) == cost(arch).params
        assert_counted(module, arch, cost(arch))


def shortened(arch: ArchSpec) -> ArchSpec:
    """The network with at most two blocks in a stage."""
    replace = msgspec.structs.replace
    return replace(arch, stages=tuple(replace(stage, repeats=min(2, stage.repeats)) for stage in arch.stages))
