"""Budgets met after rounding, or what brackets them, or why they cannot be."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_scale import networks

from naslab.arch import ArchSpec, ConvBlock, DepthwiseSeparable, MBConv, ResidualBlock, Stage, cost
from naslab.errors import LimitError, SpecError, UnknownNameError
from naslab.scaling import DEPTH, FAST, PYCLS, RESOLUTION, WIDTH, Compound, meet_budget, rescale
from naslab.zoo import model

SMALL = ArchSpec(
    input=(1, 8, 8),
    stem=(Stage(block=ConvBlock(), width=8),),
    stages=(
        Stage(block=ResidualBlock(), width=16),
        Stage(block=MBConv(), width=24, repeats=2, stride=2),
        Stage(block=DepthwiseSeparable(), width=32, stride=2),
    ),
    num_classes=10,
)


METRICS = ("macs", "params", "activations")
RATIOS = (0.3, 1.1, 4)
NAMES = ("small", "efficientnet_b0", "resnet20_cifar", "mobilenet_v1", "resnext50_32x4d")
BUDGETS = [
    (name, RATIOS[(place + turn) % 3], metric)
    for place, name in enumerate(NAMES)
    for turn, metric in enumerate(METRICS)
]
"""Every network to every metric and by every ratio, and every metric by every ratio."""


@pytest.mark.parametrize(("name", "ratio", "metric"), BUDGETS)
def test_budgets_are_met_within_two_per_cent(name: str, ratio: float, metric: str) -> None:
    arch = SMALL if name == "small" else model(name)
    target = ratio * getattr(cost(arch), metric)
    met = meet_budget(arch, metric, target)  # type: ignore[arg-type]
    assert met.is_within
    assert abs(met.achieved / target - 1) <= 0.02
    assert met.achieved == getattr(cost(met.member.arch), metric)
    assert met.member.cost == cost(met.member.arch)
    assert met.member.origin[f"target_{metric}"] == target


def can_be_bracketed(arch: ArchSpec, target: float, rule: Compound) -> bool:
    """Whether the rule has members on both sides of a target within three steps of the baseline."""
    macs = [cost(arch).macs]
    for phi in (-3, -2, -1, 1, 2, 3):
        with suppress(SpecError):
            macs.append(rescale(arch, phi, rule).cost.macs)
    return min(macs) <= target < max(macs)


@given(arch=networks(), ratio=st.floats(0.4, 5), rule=st.sampled_from([Compound(), FAST, WIDTH, DEPTH, RESOLUTION]))
@settings(max_examples=25, deadline=None)
def test_within_tolerance_or_bracketed(arch: ArchSpec, ratio: float, rule: Compound) -> None:
    """The member is within tolerance, or at least no farther than both members of the rule that bracket the target."""
    target = ratio * cost(arch).macs
    try:
        met = meet_budget(arch, "macs", target, rule)
    except LimitError:
        assert not can_be_bracketed(arch, target, rule)
        return
    assert met.below is None or met.below.cost.macs <= target
    assert met.above is None or met.above.cost.macs > target
    line = [each for each in (met.below, met.above) if each is not None]
    assert abs(met.deviation) <= max(0.02, min(abs(each.cost.macs / target - 1) for each in line))


def test_the_baselines_own_cost_is_the_baseline() -> None:
    met = meet_budget(SMALL, "macs", cost(SMALL).macs, tolerance=0)
    assert met.member.arch == SMALL
    assert met.member.phi == 0
    assert met.deviation == 0


def test_a_rule_of_one_dimension_leaves_the_others_alone() -> None:
    base = model("efficientnet_b0")
    wide = meet_budget(base, "macs", 800e6, WIDTH, rounding=PYCLS).member.arch
    assert wide.input == base.input
    assert [stage.repeats for stage in wide.stages] == [stage.repeats for stage in base.stages]
    large = meet_budget(base, "macs", 800e6, RESOLUTION).member.arch
    assert (large.stages, large.stem, large.head) == (base.stages, base.stem, base.head)


def test_single_steps_are_told() -> None:
    """A coarse network on a tight budget is reached by steps of single stages, and each is named."""
    met = meet_budget(SMALL, "macs", 2 * cost(SMALL).macs, DEPTH)
    assert met.member.moves
    assert all(" -> " in move and move.startswith("stages[") for move in met.member.moves)
    assert met.member.origin["moves"] == list(met.member.moves)


@pytest.mark.parametrize("target", [10, 1e15])
def test_a_target_out_of_reach_names_both_ends(target: float) -> None:
    with pytest.raises(
        LimitError, match=r"from [\d,]+ \(phi -[\d.]+\) to [\d,]+ \(phi [\d.]+\) can be reached"
    ) as error:
        meet_budget(SMALL, "params", target)
    assert f"{target:,.0f} params" in str(error.value)


def test_a_rule_that_does_not_change_the_metric() -> None:
    with pytest.raises(LimitError, match=f"this rule leaves params at {cost(SMALL).params:,}"):
        meet_budget(SMALL, "params", 10_000, RESOLUTION)


@pytest.mark.parametrize("target", [0, -5, float("nan"), float("inf")])
def test_a_budget_must_be_positive(target: float) -> None:
    with pytest.raises(SpecError, match="amount: must be above 0 and finite"):
        meet_budget(SMALL, "macs", target)


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown metric of a budget 'flops'"):
        meet_budget(SMALL, "flops", 1e6)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="tolerance: must be at least 0"):
        meet_budget(SMALL, "macs", 1e6, tolerance=-0.1)
