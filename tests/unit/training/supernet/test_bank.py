"""The bank: what networks share, and that a slice computes what the network does."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from naslab.arch import ArchSpec, ConvBlock, InvertedBottleneck, Skip, Stage, canonical
from naslab.arch.build import build
from naslab.space import load_space
from naslab.training.supernet.bank import make_bank, missing_tensors, sliced
from naslab.training.supernet.network import sliced_network
from naslab.training.supernet.paths import covering_paths, draw_path, extreme_paths
from naslab.training.supernet.sharing import shared_tensors

SPACES = ("digits_demo", "nas_bench_macro", "mbconv_cifar", "mixed_cifar", "yardstick")


def network(*widths: int, kernel: int = 3, **fields: object) -> ArchSpec:
    stages = tuple(
        Stage(block=InvertedBottleneck(kernel=kernel, expansion=2), width=width, repeats=2, stride=1 + (index > 0))
        for index, width in enumerate(widths)
    )
    arch = ArchSpec(input=(1, 8, 8), stem=(Stage(block=ConvBlock(), width=8),), stages=stages, num_classes=10)
    return msgspec.structs.replace(arch, **fields)


@pytest.mark.parametrize("name", SPACES)
def test_every_learned_tensor_of_a_network_has_a_key_of_its_own(name: str) -> None:
    space, rng = load_space(name), np.random.default_rng(0)
    for _ in range(4):
        arch = draw_path(space, rng)
        rows = shared_tensors(arch)
        with torch.device("meta"):
            module = build(canonical(arch))
        assert {row.name: row.shape for row in rows} == {
            key: tuple(value.shape) for key, value in module.named_parameters()
        }
        assert len({row.key for row in rows}) == len(rows)


def test_networks_share_by_place_and_not_by_the_number_of_a_stage() -> None:
    layer = InvertedBottleneck(expansion=3)
    old = network(8, 16)
    block = Stage(block=layer, width=16)
    one = msgspec.structs.replace(old, stages=(*old.stages, Stage(block=Skip()), block))
    two = msgspec.structs.replace(old, stages=(*old.stages, block, Stage(block=Skip())))
    assert {row.key for row in shared_tensors(one)} == {row.key for row in shared_tensors(two)}
    assert {row.key for row in shared_tensors(old)} < {row.key for row in shared_tensors(one)}


def test_a_body_is_shared_with_and_without_its_shortcut() -> None:
    with_shortcut, without = network(8), network(12)
    assert {row.key for row in shared_tensors(with_shortcut)} == {row.key for row in shared_tensors(without)}


def test_a_slice_is_the_first_channels_and_the_middle_of_the_kernel() -> None:
    large, small = network(16, kernel=5), network(10, kernel=3)
    bank = make_bank([large, small], seed=0)
    tensors = bank.tensors()
    module, num_lacking = sliced_network(small, tensors)
    assert num_lacking == 0
    row = next(row for row in shared_tensors(small) if row.name == "stage0.1.body.depthwise.conv.weight")
    assert torch.equal(module.get_parameter(row.name), tensors[row.key][:20, :, 1:4, 1:4])
    assert sliced(tensors[row.key], row.shape).data_ptr() != 0
    assert bank.holds(small)
    wider = network(24)
    assert not bank.holds(wider)
    assert {row.shape[0] for row in missing_tensors(tensors, wider)} >= {24, 48}


def test_running_a_path_is_running_its_module() -> None:
    space = load_space("digits_demo")
    rng = np.random.default_rng(2)
    largest, smallest = extreme_paths(space, rng)
    bank = make_bank((largest, smallest, *covering_paths(space, rng)), seed=1)
    images = torch.randn(8, 1, 8, 8)
    for arch in (largest, smallest, draw_path(space, rng), draw_path(space, rng)):
        module, num_lacking = sliced_network(arch, bank.tensors())
        assert num_lacking == 0
        torch.testing.assert_close(bank.run(arch, images), module.train()(images), rtol=1e-4, atol=1e-4)


def test_gradients_reach_the_slice_alone() -> None:
    large, small = network(16), network(10)
    bank = make_bank([large, small], seed=0)
    bank.run(small, torch.randn(4, 1, 8, 8)).sum().backward()
    key = next(row.key for row in shared_tensors(small) if row.name == "stage0.0.project.conv.weight")
    gradient = bank.by_key[key].grad
    assert gradient is not None
    assert gradient[10:].abs().sum() == 0
    assert gradient[:10].abs().sum() > 0


def test_the_bank_starts_as_modules_do() -> None:
    arch = network(16)
    bank, module = make_bank([arch], seed=0).tensors(), build(canonical(arch), seed=0)
    for row in shared_tensors(arch):
        own = module.get_parameter(row.name)
        if own.ndim == 1:
            assert torch.equal(bank[row.key], own), row.name
        elif own.numel() > 500:
            torch.testing.assert_close(bank[row.key].std(), own.std(), rtol=0.15, atol=0.0)
    assert isinstance(make_bank([arch], seed=0), nn.Module)
    assert all(torch.equal(value, make_bank([arch], seed=0).tensors()[key]) for key, value in bank.items())


def test_the_ends_of_a_space() -> None:
    space = load_space("nas_bench_macro")
    largest, smallest = extreme_paths(space, np.random.default_rng(0))
    assert len(largest.stages) == 8
    assert space.genome_of(smallest) is not None
    assert all(stage.block == Skip() for stage in canonical(smallest).stages)
