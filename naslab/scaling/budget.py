"""Meeting a budget after rounding: along the rule first, then beside it, then by single steps of single stages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec.structs import replace

from naslab.arch.block import require
from naslab.arch.cost import cost
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import LimitError, SpecError
from naslab.scaling.compound import EFFICIENTNET_RULE, Compound
from naslab.scaling.family import Budget, Member
from naslab.scaling.groups import fitted
from naslab.scaling.rounding import EFFICIENTNET, Rounding
from naslab.scaling.scale import Factors, scale, widths

FARTHEST = 64.0
"""No dimension is multiplied or divided by more than this."""
_STEP = 0.25
_FINEST = 1e-4
_NEIGHBOURHOOD = [0.02 * step for step in range(-6, 7)]
"""Logarithms of the multipliers by which a dimension may leave the rule: up to 12 per cent."""
_NUM_STARTS = 6
_MOST_MOVES = 6

Dimension = Literal["depth", "width", "resolution"]
DIMENSIONS: tuple[Dimension, ...] = ("depth", "width", "resolution")


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """The network that meets a `budget` best, with what was asked.

    `tolerance` is the share by which the cost was allowed to miss; `member` the network found. `below` and `above` are
    the neighbours on the rule's own line, phi alone changing, that bracket the budget (`None` where the line ends).
    """

    budget: Budget
    tolerance: float
    member: Member
    below: Member | None
    above: Member | None

    @property
    def achieved(self) -> int:
        """The member's cost, in the unit of the budget's metric."""
        return int(getattr(self.member.cost, self.budget.metric))

    @property
    def deviation(self) -> float:
        """The member's cost over the budget, minus 1: 0.01 is one per cent above it."""
        return self.budget.deviation(self.member.cost)

    @property
    def is_within(self) -> bool:
        """Whether the cost misses the budget by at most the tolerance."""
        return abs(self.deviation) <= self.tolerance


class _Lattice(msgspec.Struct, frozen=True):
    """Everything that scaling one architecture under one rule can reach."""

    arch: ArchSpec
    budget: Budget
    compound: Compound
    rounding: Rounding
    scale_stem: bool
    scale_head: bool

    def on_line(self, phi: float) -> Member | None:
        """The rule's own member, `None` beyond its ends."""
        try:
            factors = self.compound.factors(phi)
        except (SpecError, OverflowError):
            return None
        if max(max(value, 1 / value) for value in msgspec.structs.astuple(factors)) > FARTHEST:
            return None
        return self.at(phi, factors)

    def at(self, phi: float, factors: Factors) -> Member | None:
        """The member of these factors, `None` where there is no such network or the rule forbids its resolution."""
        most = self.compound.most_resolution
        if most is not None and factors.resolution > most:
            return None
        try:
            arch = scale(
                self.arch,
                factors.depth,
                factors.width,
                factors.resolution,
                self.rounding,
                self.scale_stem,
                self.scale_head,
                self.compound.scales_groups,
            )
        except SpecError:
            return None
        return Member(phi=phi, factors=factors, arch=arch, cost=cost(arch), budget=self.budget)

    def off(self, member: Member) -> float:
        """How far a member is from the budget, as a share of it."""
        return abs(self.budget.deviation(member.cost))

    def moves(self, dimension: Dimension) -> bool:
        """Whether the rule scales a dimension at all."""
        fields = {"depth": self.compound.alpha, "width": self.compound.beta, "resolution": self.compound.gamma}
        return fields[dimension] != 1


def meet_budget(
    arch: ArchSpec,
    metric: str,
    target: float,
    compound: Compound = EFFICIENTNET_RULE,
    tolerance: float = 0.02,
    rounding: Rounding = EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
) -> Met:
    """The architecture scaled by a rule so that its exact cost is nearest to `target`.

    `arch` is the baseline; `metric` one of `macs`, `params`, `activations` and `peak_activation_bytes`, with `target`
    in its unit. `compound` is the rule, `rounding` how its products become whole channels, blocks and pixels; without
    `scale_stem` or `scale_head` the widths of the stem or the head stay.

    The rule's own members come first; where none is within `tolerance`, a share of the target, the dimensions that the
    rule scales may leave it by up to 12 per cent each, and at last single stages by a block or a step of width. The
    nearest to the rule that is within `tolerance` is taken, else the nearest to the target.

    Raises `LimitError` naming the smallest and the largest cost the rule reaches, where the target is beyond them, and
    `SpecError` or `UnknownNameError` for a tolerance, a target or a metric that is none.

    >>> from naslab.zoo import model
    >>> met = meet_budget(model("efficientnet_b0"), "macs", 600e6)
    >>> met.achieved, round(met.member.phi, 2), met.is_within
    (605725088, 0.02, True)
    """
    require(0 <= tolerance < 1, "tolerance", f"must be at least 0 and below 1, got {tolerance}")
    lattice = _Lattice(arch, Budget(metric=metric, amount=target), compound, rounding, scale_stem, scale_head)
    below, above = _bracket(lattice)
    line = [each for each in (below, above) if each is not None]
    best = min(line, key=lattice.off)
    if lattice.off(best) > tolerance:
        beside = sorted(_beside(lattice, best), key=lattice.off)
        near_rule = min(
            (each for each in beside if lattice.off(each) <= tolerance),
            key=lambda each: _distance(lattice, each),
            default=None,
        )
        best = near_rule or _stepped(lattice, [*line, *beside[:_NUM_STARTS]], tolerance)
    return Met(budget=lattice.budget, tolerance=tolerance, member=best, below=below, above=above)


def _bracket(lattice: _Lattice) -> tuple[Member | None, Member | None]:
    """The neighbours on the rule's line at or below the budget and above it."""
    start = lattice.on_line(0.0)
    assert start is not None, "the baseline is a network"
    deviation = lattice.budget.deviation(start.cost)
    if deviation == 0:
        return start, None
    inner, outer = start, None
    for member in _outwards(lattice, -1 if _rises(lattice) == (deviation > 0) else 1):
        if (lattice.budget.deviation(member.cost) > 0) != (deviation > 0):
            outer = member
            break
        inner = member
    if outer is None:
        raise _out_of_reach(lattice)
    while abs(outer.phi - inner.phi) > _FINEST:
        middle = lattice.on_line((inner.phi + outer.phi) / 2)
        assert middle is not None, "between two networks of the line there is one"
        if (lattice.budget.deviation(middle.cost) > 0) == (deviation > 0):
            inner = middle
        else:
            outer = middle
    return (outer, inner) if deviation > 0 else (inner, outer)


def _rises(lattice: _Lattice) -> bool:
    """Whether larger phi cost more."""
    return lattice.compound.growth >= 1


def _outwards(lattice: _Lattice, direction: int) -> Iterator[Member]:
    """Members of the line away from the baseline, to its end."""
    for step in itertools.count(1):
        member = lattice.on_line(direction * step * _STEP)
        if member is None:
            return
        yield member


def _out_of_reach(lattice: _Lattice) -> LimitError:
    budget = lattice.budget
    members = [lattice.on_line(0.0), *_outwards(lattice, -1), *_outwards(lattice, 1)]
    found = sorted((getattr(each.cost, budget.metric), each.phi) for each in members if each is not None)
    (least, phi_least), (most, phi_most) = found[0], found[-1]
    if least == most:
        return LimitError(
            f"this rule leaves {budget.metric} at {least:,}, asked for {budget.amount:,.0f}: take another"
        )
    return LimitError(
        f"no network of this family has {budget.amount:,.0f} {budget.metric}: from {least:,} (phi {phi_least:g}) to "
        f"{most:,} (phi {phi_most:g}) can be reached, choose a target between them or another rule"
    )


def _beside(lattice: _Lattice, best: Member) -> list[Member]:
    """Members around one of the line, each dimension of the rule moved by itself."""
    options = [_distinct(lattice, best.factors, dimension) for dimension in DIMENSIONS]
    found = (
        lattice.at(best.phi, Factors(depth=depth, width=width, resolution=resolution))
        for depth, width, resolution in itertools.product(*options)
    )
    return [each for each in found if each is not None]


def _distinct(lattice: _Lattice, factors: Factors, dimension: Dimension) -> list[float]:
    """Factors of a dimension around the rule's, the nearest for each way that they round."""
    centre: float = getattr(factors, dimension)
    if not lattice.moves(dimension):
        return [centre]
    found: dict[tuple[int, ...], float] = {}
    for off in sorted(_NEIGHBOURHOOD, key=abs):
        factor = centre * math.exp(off)
        member = lattice.at(0.0, replace(Factors(), **{dimension: factor}))
        if member is not None:
            found.setdefault(_rounded(member.arch), factor)
    return list(found.values())


def _rounded(arch: ArchSpec) -> tuple[int, ...]:
    return (*arch.input, *(stage.repeats for stage in arch.stages), *widths(arch))


def _distance(lattice: _Lattice, member: Member) -> float:
    """How far the factors of a member are from the rule's at its phi, in what they do to multiply-accumulates."""
    rule = lattice.compound.factors(member.phi)
    own = member.factors
    return (
        abs(math.log(own.depth / rule.depth))
        + 2 * abs(math.log(own.width / rule.width))
        + 2 * abs(math.log(own.resolution / rule.resolution))
    )


def _stepped(lattice: _Lattice, starts: list[Member], tolerance: float) -> Member:
    """The nearest to the budget that a few single steps from the starts lead to, the first within tolerance."""
    best = min(starts, key=lattice.off)
    for start in starts:
        here = start
        for _ in range(_MOST_MOVES):
            step = min(_steps(lattice, here), key=lattice.off, default=here)
            if lattice.off(step) >= lattice.off(here):
                break
            here = step
            if lattice.off(here) <= tolerance:
                return here
        best = min(best, here, key=lattice.off)
    return best


def _steps(lattice: _Lattice, member: Member) -> Iterator[Member]:
    """Members one block or one step of width of one stage away."""
    for index, stage in enumerate(member.arch.stages):
        for field, number in _changes(lattice, stage):
            stages = list(member.arch.stages)
            stages[index] = replace(stage, **{field: number})
            try:
                arch = fitted(member.arch, replace(member.arch, stages=tuple(stages)), 1.0, lattice.rounding)
                found = cost(arch)
            except SpecError:
                continue
            move = f"stages[{index}].{field} {getattr(stage, field)} -> {number}"
            yield replace(member, arch=arch, cost=found, moves=(*member.moves, move))


def _changes(lattice: _Lattice, stage: Stage) -> Iterator[tuple[str, int]]:
    if lattice.moves("depth"):
        yield "repeats", stage.repeats + 1
        if stage.repeats > 1:
            yield "repeats", stage.repeats - 1
    if lattice.moves("width") and stage.width is not None:
        step = lattice.rounding.width_divisor
        yield "width", stage.width + step
        if stage.width > step:
            yield "width", stage.width - step
