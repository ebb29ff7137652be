"""Random architectures: what is counted is what is built, files lose nothing, canonical forms compute the same."""

from __future__ import annotations

import typing
from functools import reduce

import msgspec
import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from liveness import slow_peak
from random_networks import BLOCKS, archs
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from naslab.arch import (
    ArchSpec,
    CellInput,
    GraphCell,
    Stage,
    arch_id,
    canonical,
    cost,
    decode_arch,
    encode,
    layer_costs,
    lower,
)
from naslab.arch.blocks import AnyBlock, OutsideBlock
from naslab.arch.build import build, module_of
from naslab.arch.cost import part_tallies
from naslab.arch.span import then
from naslab.arch.tally import tally

PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

BATCH = 2
"""Two images, because torch refuses to normalise groups of a single value."""


def test_every_block_is_drawn() -> None:
    assert set(BLOCKS) == set(typing.get_args(AnyBlock)) - {OutsideBlock}  # stands for the blocks of users


@settings(PROPERTY, max_examples=40)
@given(archs())
def test_cost_and_shapes_equal_the_built_module(arch: ArchSpec) -> None:
    assert_built_as_counted(arch)


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.__name__)
@settings(PROPERTY, max_examples=4)
@given(st.data())
def test_cost_and_shapes_equal_the_built_module_of_each_block(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    assert_built_as_counted(data.draw(archs((kind,))))


def assert_built_as_counted(arch: ArchSpec) -> None:
    """The built module has the parameters, multiply-accumulates and activations counted, and each layer its shape."""
    expected, rows = cost(arch), {row.path: row for row in layer_costs(arch)}
    with torch.device("meta"):
        module = module_of(lower(arch)).eval()
    activations = 0
    seen: dict[str, torch.Size] = {}

    def add(_: nn.Module, __: object, output: Tensor) -> None:
        nonlocal activations
        activations += output.numel()

    for path, each in module.named_modules():
        if isinstance(each, nn.Conv2d):
            each.register_forward_hook(add)
        if path in rows:
            each.register_forward_hook(lambda _, __, output, path=path: seen.__setitem__(path, output.shape))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        logits = module(torch.empty(BATCH, *arch.input, device="meta"))
    assert logits.shape == (BATCH, arch.num_classes)
    assert sum(each.numel() for each in module.parameters()) == expected.params
    assert counter.get_total_flops() == 2 * BATCH * expected.macs
    assert activations == BATCH * expected.activations
    assert seen
    for path, shape in seen.items():
        channels, height, width = rows[path].out_shape
        is_flat = len(shape) == 2 and height == width == 1
        assert shape[1:] == ((channels,) if is_flat else rows[path].out_shape), path


@PROPERTY
@given(archs())
def test_layers_add_up_to_the_network(arch: ArchSpec) -> None:
    rows, whole = layer_costs(arch), cost(arch)
    assert sum(row.params for row in rows) == whole.params
    assert sum(row.macs for row in rows) == whole.macs
    assert sum(row.activations for row in rows) == whole.activations
    assert len({row.path for row in rows}) == len(rows)


@settings(PROPERTY, max_examples=150)
@given(archs())
def test_peak_is_that_of_the_slow_count(arch: ArchSpec) -> None:
    plan = lower(arch)
    expected = slow_peak(plan, arch.input)
    assert tally(plan, arch.input).peak == expected
    assert cost(arch).peak_activation_bytes == 4 * expected


@PROPERTY
@given(archs())
def test_stages_one_after_another_are_the_whole_plan(arch: ArchSpec) -> None:
    parts, whole = part_tallies(arch), tally(lower(arch), arch.input)
    assert reduce(then, (part.span for part in parts)) == whole.span
    for count in ("params", "macs", "activations"):
        assert sum(getattr(part, count) for part in parts) == getattr(whole, count)
    assert max(part.peak for part in parts) == whole.peak
    assert parts[-1].out_shape == whole.out_shape


@PROPERTY
@given(archs())
def test_json_and_yaml_there_and_back(arch: ArchSpec) -> None:
    assert decode_arch(encode(arch)) == arch
    assert decode_arch(yaml.safe_load(yaml.safe_dump(encode(arch)))) == arch
    assert msgspec.json.decode(msgspec.json.encode(arch), type=ArchSpec) == arch


@PROPERTY
@given(archs())
def test_canonical_is_idempotent_and_costs_the_same(arch: ArchSpec) -> None:
    simple = canonical(arch)
    assert canonical(simple) == simple
    assert arch_id(simple) == arch_id(arch)
    assert cost(simple) == cost(arch)


SUM_OUT_OF_ORDER = ArchSpec(
    input=(1, 5, 5),
    stages=(
        Stage(
            block=GraphCell(
                nodes=(tuple(CellInput(op=op, state=0) for op in ("none", "skip_connect", "nor_conv_1x1")),)  # type: ignore[arg-type]
            ),
            stride=2,
        ),
    ),
    num_classes=2,
)


@settings(PROPERTY, max_examples=40)
@given(archs())
@example(SUM_OUT_OF_ORDER)
def test_canonical_computes_the_same(arch: ArchSpec) -> None:
    simple = canonical(arch)
    given_form, canonical_form = build(arch, seed=0).eval(), build(simple, seed=1).eval()
    mine, theirs = given_form.state_dict(), canonical_form.state_dict()
    assert [each.shape for each in mine.values()] == [each.shape for each in theirs.values()]
    canonical_form.load_state_dict(dict(zip(theirs, mine.values(), strict=True)))
    images = torch.randn(2, *arch.input, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(given_form(images).nan_to_num(), canonical_form(images).nan_to_num())


@settings(PROPERTY, max_examples=25)
@given(archs(), st.integers(0, 2**31))
def test_a_seed_decides_the_weights_and_nothing_else(arch: ArchSpec, seed: int) -> None:
    before = torch.random.get_rng_state()
    one, other = build(arch, seed), build(arch, seed)
    assert torch.equal(before, torch.random.get_rng_state())
    for mine, theirs in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
