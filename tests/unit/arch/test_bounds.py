"""Bounds on networks: refused before anything is counted, far above every real network, and lifted by a variable."""

from __future__ import annotations

import pytest
from few_calls import few_calls

from naslab.arch import ArchSpec, Bottleneck, ConvBlock, MBConv, Stage, cost
from naslab.arch.bounds import MAX_BLOCKS, MAX_CHANNELS, MAX_SIDE, UNBOUNDED
from naslab.arch.files import decode_arch
from naslab.arch.spec import Head
from naslab.errors import DataError, SpecError
from naslab.scaling import Compound, rescale, scale
from naslab.space import SearchSpace, choice
from naslab.training.datasets.image_folder import parse_choice
from naslab.zoo import model, model_names

PLAIN = {"input": [3, 32, 32], "num_classes": 10, "stages": [{"block": {"type": "conv"}, "width": 8}]}


def with_stage(**fields: object) -> dict[str, object]:
    return PLAIN | {"stages": [{"block": {"type": "conv"}, "width": 8} | fields]}


@pytest.mark.parametrize(
    ("plain", "rule"),
    [
        (with_stage(width=10**12), r"stages\[0\].width: must be at most 1,048,576, got 1000000000000;"),
        (with_stage(repeats=MAX_BLOCKS + 1), r"stages\[0\].repeats: must be at most 10,000, got 10001;"),
        (with_stage(repeats=10**9), r"stages\[0\].repeats: must be at most 10,000, got 1000000000;"),
        (with_stage(block={"type": "conv", "kernel": 10**9 + 1}), r"stages\[0\].block.kernel: must be at most 65,536"),
        (
            with_stage(block={"type": "mbconv", "expansion": 1e300}),
            r"block.expansion: must be at most 65,536, got 1e\+300",
        ),
        (with_stage(block={"type": "mbconv", "expansion": float("inf")}), r"block.expansion: must be at most 65,536"),
        (with_stage(block={"type": "fire", "squeeze": 10**9}), r"block.squeeze: must be at most 1,048,576"),
        (
            PLAIN | {"stages": [*with_stage(repeats=6000)["stages"]] * 2},
            "a network may have blocks, repeats counted, at",
        ),
        (PLAIN | {"input": [3, 10**6, 32]}, r"input\[1\]: must be at most 65,536, got 1000000"),
        (PLAIN | {"num_classes": 10**8}, "num_classes: must be at most 1,048,576"),
        (PLAIN | {"head": {"hidden": [16, 10**8]}}, r"head.hidden\[1\]: must be at most 1,048,576"),
        (PLAIN | {"head": {"hidden": [1] * 1001}}, "head.hidden: may hold parts, at most 1,000, got 1001"),
        (with_stage(block={"type": "norm_free", "num_filters": 65}), "num_filters: must be 1 to 64, got 65"),
    ],
)
def test_what_no_network_needs_is_refused_at_once(plain, rule):
    with pytest.raises(SpecError):
        decode_arch(with_stage(width=0))  # a process reads the blocks' annotations and entry points once
    with few_calls(10_000), pytest.raises(SpecError, match=rule):
        decode_arch(plain)


def test_what_only_the_product_shows_is_refused_by_the_cost():
    wide = ArchSpec(
        input=(3, 8, 8),
        num_classes=10,
        stages=(Stage(block=ConvBlock(), width=MAX_CHANNELS, repeats=2),),
    )
    with pytest.raises(SpecError, match="params: must be at most 1,099,511,627,776, got 9"):
        cost(wide)


def test_the_largest_allowed_is_counted_with_few_calls_a_block():
    deep = ArchSpec(input=(3, 8, 8), num_classes=10, stages=(Stage(block=MBConv(), width=8, repeats=MAX_BLOCKS),))
    large = ArchSpec(input=(3, MAX_SIDE, MAX_SIDE), num_classes=10, stages=(Stage(block=ConvBlock(), width=8),))
    with few_calls(10 * MAX_BLOCKS):
        assert cost(deep).params > MAX_BLOCKS
    with few_calls(10_000):
        assert cost(large).macs > MAX_SIDE**2


def test_every_network_of_the_zoo_is_far_within_the_bounds():
    for name in model_names():
        arch = model(name)
        assert 4 * sum(stage.repeats for stage in arch.stem + arch.stages) < MAX_BLOCKS
        assert cost(arch).params < 2**36


@pytest.mark.parametrize("phi", [60, 100, 1e9, -1e9, 1e308])
def test_a_phi_beyond_reason_is_refused_at_once(phi):
    small = model("resnet18")
    with few_calls(10_000), pytest.raises(SpecError, match="phi"):
        rescale(small, phi)
    with pytest.raises(SpecError, match=r"64 channels times 7\.25657e-05 leave none"):
        rescale(model("resnet18"), -100)
    assert Compound(most_resolution=2.0).factors(20).resolution == 2.0


def test_factors_are_bounded():
    with pytest.raises(SpecError, match="width: must be at most 1,024, got 1025"):
        scale(model("lenet5"), width=1025)


def test_an_option_beyond_the_bounds_is_refused_with_its_path():
    stage = {"block": {"type": "conv"}, "width": choice(8, 10**12)}
    with pytest.raises(SpecError, match=r"stages\[0\].width.choice\[1\]: must be at most 1,048,576"):
        SearchSpace({"input": [3, 8, 8], "num_classes": 10, "stages": [stage]})
    stage["width"] = choice(range(1, 10_000))
    with pytest.raises(SpecError, match="may have 50,000 options in all, got 59,994"):
        SearchSpace({"input": [3, 8, 8], "num_classes": 10, "stages": [stage] * 6})


def test_sizes_of_image_folders_are_bounded():
    with pytest.raises(DataError, match="65,536 pixels a side"):
        parse_choice("image_folder:flowers@100000")


def test_the_environment_lifts_the_bounds(monkeypatch):
    with pytest.raises(SpecError, match=f"{UNBOUNDED}=1 lifts"):
        Stage(block=Bottleneck(), width=2**21)
    monkeypatch.setenv(UNBOUNDED, "0")
    with pytest.raises(SpecError, match=f"{UNBOUNDED}=1 lifts"):
        Head(width=2**21)
    monkeypatch.setenv(UNBOUNDED, "1")
    stage = Stage(block=ConvBlock(), width=2**21, repeats=3)
    assert cost(ArchSpec(input=(3, 1, 1), num_classes=10, stages=(stage,))).params > 2**40
