"""Channels sorted by importance: what comes first, what stays, and that a narrower child keeps what counts."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from naslab.arch import ArchSpec, ConvBlock, InvertedBottleneck, ResidualBlock, Stage
from naslab.arch.build import build
from naslab.space import load_space
from naslab.training.inheritance import inherit
from naslab.training.inheritance.importance import sorted_by_importance
from naslab.zoo import model

STEM = (Stage(block=ConvBlock(), width=8),)
ARCH = ArchSpec(
    input=(3, 8, 8),
    stem=STEM,
    stages=(Stage(block=InvertedBottleneck(expansion=2), width=8, repeats=2),),
    num_classes=3,
)


def test_the_channels_that_are_read_most_come_first() -> None:
    made = sorted_by_importance(ARCH, build(ARCH).state_dict())
    wide = made["stage0.0.body.project.conv.weight"].abs().sum((0, 2, 3))
    assert bool((wide[:-1] >= wide[1:]).all())  # through the depthwise filter
    trunk = sum(made[f"stage0.{index}.body.expand.conv.weight"].abs().sum((0, 2, 3)) for index in (0, 1))
    trunk += made["head.classifier.weight"].abs().sum(0)
    assert bool((trunk[:-1] >= trunk[1:]).all())  # of all layers that read the sum


def test_channels_whose_places_count_stay() -> None:
    padded = model("resnet20_cifar")
    weights = build(padded).state_dict()
    made = sorted_by_importance(padded, weights)
    stay = [name for name in weights if name.endswith("conv1.conv.weight")]
    assert all(not torch.equal(made[name], weights[name]) for name in stay)  # between the filters of a block
    assert torch.equal(made["stem0.0.conv.weight"], weights["stem0.0.conv.weight"])  # padded shortcuts read it


@pytest.mark.parametrize("block", [InvertedBottleneck(expansion=2), ResidualBlock()])
def test_a_narrower_child_of_sorted_channels_is_nearer_to_its_parent(block: object) -> None:
    stage = Stage(block=block, width=16, repeats=2)
    parent = ArchSpec(input=(3, 8, 8), stem=(Stage(block=ConvBlock(), width=16),), stages=(stage,), num_classes=3)
    child = msgspec.structs.replace(
        parent,
        stem=(Stage(block=ConvBlock(), width=12),),
        stages=(msgspec.structs.replace(stage, width=12),),
    )
    module = build(parent, 1).eval()
    with torch.no_grad():  # a quarter of the channels of the sum counts for nothing
        for name, value in module.named_parameters():
            if value.ndim > 1 and value.shape[1] % 16 == 0 and name.startswith(("stage", "head")):
                value[:, 1::4] = 0.0
    weights = module.state_dict()
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    errors = []
    for tensors in (weights, sorted_by_importance(parent, weights)):
        network = build(child).eval()
        network.load_state_dict(inherit(parent, tensors, child).weights)
        with torch.no_grad():
            errors.append(float((network(images) - module(images)).abs().max()))
    assert errors[1] < 1e-5 < errors[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["darts", "nasnet_a_mobile", "amoebanet_a_n4_f50"])
def test_networks_of_cells_compute_the_same(name: str) -> None:
    if name == "darts":
        space = load_space(name)
        arch = space.decode(space.sample(np.random.default_rng(0)))
    else:
        arch = model(name, resolution=64)
    module = build(arch, 1).eval().double()
    weights = {key: value.clone() for key, value in module.state_dict().items()}
    made = sorted_by_importance(arch, weights)
    assert any(not torch.equal(made[each], weights[each]) for each in weights)
    images = torch.randn(2, *arch.input, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.inference_mode():
        before = module(images)
        module.load_state_dict(made)
        torch.testing.assert_close(module(images), before, rtol=1e-6, atol=1e-8)
