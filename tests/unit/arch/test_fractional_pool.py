"""Fractional max pooling: sizes as torch's own, windows at random in training alone, and how far it sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from naslab.arch import ArchSpec, ConvBlock, FractionalPoolBlock, Stage, cost
from naslab.arch.build import build
from naslab.arch.modules import FractionalMaxPool
from naslab.arch.reach import reach
from naslab.arch.source import network_source
from naslab.errors import SpecError


def shrinking(side: int = 32, ratio: float = 0.5**0.5, times: int = 3) -> ArchSpec:
    """Convolutions with fractional pooling behind each, as in Graham 2014."""
    pool = Stage(block=FractionalPoolBlock(ratio=ratio))
    stages = tuple(each for _ in range(times) for each in (Stage(block=ConvBlock(kernel=3), width=8), pool))
    return ArchSpec(input=(3, side, side), stages=stages, num_classes=10)


@pytest.mark.parametrize(("side", "ratio"), [(25, 0.7), (32, 0.5**0.5), (9, 0.9), (6, 0.5)])
def test_the_sides_are_those_of_torch(side: int, ratio: float) -> None:
    image = torch.zeros(2, 3, side, side + 3)
    theirs = nn.FractionalMaxPool2d(2, output_ratio=ratio)(image)
    assert FractionalMaxPool((2, 2), ratio)(image).shape == theirs.shape


def test_windows_lie_at_random_in_training_and_evenly_in_evaluation() -> None:
    image = torch.arange(20.0 * 20).reshape(1, 1, 20, 20)
    pool = FractionalMaxPool((2, 2), 0.7)
    torch.manual_seed(0)
    assert not torch.equal(pool.train()(image), pool(image))
    evenly = pool.eval()(image)
    assert torch.equal(evenly, pool(image))
    assert evenly[0, 0, -1, -1] == image.max()
    steps = evenly[0, 0, 0].diff()
    assert set(steps.tolist()) == {1.0, 2.0}


def test_it_sees_as_far_as_the_mean_step_of_its_windows() -> None:
    assert reach(shrinking(32, 0.5, times=1)).field == (4, 4)
    assert reach(shrinking(32, 0.5, times=1)).jump == (2, 2)
    # Three convolutions and three pools: 3 pixels, then 3 at each earlier jump of 32 / 22 and 32 / 15, rounded up.
    found = reach(shrinking(32))
    assert found.jump == (4, 4)
    assert found.field == (15, 15)
    assert found.depth == 4


def test_the_source_of_a_network_makes_the_same_network() -> None:
    module = build(shrinking(), seed=0).eval()
    namespace: dict[str, object] = {}
    exec(network_source(module, "Shrinking."), namespace)
    other = namespace["network"]().eval()  # type: ignore[operator]
    other.load_state_dict(module.state_dict())
    image = torch.randn(2, 3, 32, 32)
    assert torch.equal(other(image), module(image))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FractionalPoolBlock(ratio=1.0), "ratio: must be between 0 and 1, got 1.0"),
        (
            lambda: cost(
                ArchSpec(input=(3, 3, 3), stages=(Stage(block=FractionalPoolBlock(3, 0.9)),), num_classes=2),
            ),
            "3 x 3 window does not fit a map of 3 x 3",
        ),
        (
            lambda: cost(
                ArchSpec(input=(3, 8, 8), stages=(Stage(block=FractionalPoolBlock(), stride=2),), num_classes=2)
            ),
            "takes the stride's place, got 2",
        ),
    ],
)
def test_bad_input(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpecError, match=message):
        make()
