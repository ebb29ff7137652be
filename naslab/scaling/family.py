"""A family: members of one baseline, each with what was asked of it and what rounding made of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from naslab.arch.block import Spec, require
from naslab.arch.cost import Cost, cost
from naslab.arch.spec import ArchSpec
from naslab.errors import UnknownNameError
from naslab.metrics import COST_METRICS
from naslab.scaling.compound import EFFICIENTNET_RULE, Compound
from naslab.scaling.rounding import EFFICIENTNET, Rounding
from naslab.scaling.scale import Factors, scale


class Budget(Spec, frozen=True):
    """A cost that a network is to have: `amount`, above 0, of `metric`, in the metric's unit.

    Raises `UnknownNameError` for another metric than those of the cost model and `SpecError` for an amount out of
    range.

    >>> Budget(metric="param", amount=1e9)
    Traceback (most recent call last):
    naslab.errors.UnknownNameError: unknown metric of a budget 'param' (did you mean 'params'?)
    """

    metric: str
    amount: float

    def __post_init__(self) -> None:
        if self.metric not in COST_METRICS:
            raise UnknownNameError("metric of a budget", self.metric, COST_METRICS)
        require(0 < self.amount < float("inf"), "amount", f"must be above 0 and finite, got {self.amount}")

    def deviation(self, cost: Cost) -> float:
        """`cost` over the budget, minus 1: positive above it, negative below it."""
        return float(getattr(cost, self.metric) / self.amount - 1)


class Scaling(Spec, frozen=True):
    """How a family is made.

    `compound` is the rule, `rounding` how its products become whole channels, blocks and pixels; `scale_stem` and
    `scale_head` say whether the widths of stem and head are scaled with those of the stages.
    """

    compound: Compound = EFFICIENTNET_RULE
    rounding: Rounding = EFFICIENTNET
    scale_stem: bool = True
    scale_head: bool = True

    def member(self, arch: ArchSpec, phi: float) -> Member:
        """The member at `phi`. Raises `SpecError` where no channels, no pixels or no valid network are left."""
        factors = self.compound.factors(phi)
        scaled = scale(
            arch,
            factors.depth,
            factors.width,
            factors.resolution,
            self.rounding,
            self.scale_stem,
            self.scale_head,
            self.compound.scales_groups,
        )
        return Member(phi=float(phi), factors=factors, arch=scaled, cost=cost(scaled), scaling=self)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A scaled network.

    `arch` and its exact `cost`; `factors` are the multipliers asked for at `phi`, before rounding. `moves` are single
    steps beside them, such as `stages[2].width 48 -> 56`; `budget` is what the member was to meet, if anything;
    `scaling` is how the whole family is made, where `phi` alone tells its members apart.

    >>> from naslab.zoo import model
    >>> member = rescale(model("efficientnet_b0"), phi=1)
    >>> round(member.factors.resolution, 2), member.arch.input[1:], member.cost.params
    (1.15, (258, 258), 9109994)
    """

    phi: float
    factors: Factors
    arch: ArchSpec
    cost: Cost
    moves: tuple[str, ...] = ()
    budget: Budget | None = None
    scaling: Scaling | None = None

    @property
    def origin(self) -> dict[str, Any]:
        """Where the network came from, in the JSON values that a candidate's `origin` keeps in the ledger."""
        origin: dict[str, Any] = {"phi": self.phi, **msgspec.structs.asdict(self.factors)}
        if self.moves:
            origin["moves"] = list(self.moves)
        if self.budget is not None:
            origin[f"target_{self.budget.metric}"] = self.budget.amount
        if self.scaling is not None:
            origin["scaling"] = msgspec.to_builtins(self.scaling)
        return origin


def rescale(
    arch: ArchSpec,
    phi: float,
    compound: Compound = EFFICIENTNET_RULE,
    rounding: Rounding = EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
) -> Member:
    """The member of a family at `phi`; 0 is the baseline `arch` itself, negative goes below it.

    `compound` is the rule, `rounding` how its products become whole channels, blocks and pixels; without `scale_stem`
    or `scale_head` the widths of the stem or the head stay. Raises `SpecError` where no channels, no pixels or no valid
    network are left.

    >>> from naslab.zoo import model
    >>> member = rescale(model("efficientnet_b0"), phi=1)
    >>> member.arch.input, member.cost.macs
    ((3, 258, 258), 992629472)
    """
    how = Scaling(compound=compound, rounding=rounding, scale_stem=scale_stem, scale_head=scale_head)
    return how.member(arch, phi)


def family(
    arch: ArchSpec,
    phis: Sequence[float],
    compound: Compound = EFFICIENTNET_RULE,
    rounding: Rounding = EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
) -> list[Member]:
    """The members of the baseline `arch` at several `phis`, in the order given.

    `compound`, `rounding`, `scale_stem` and `scale_head` are those of `rescale`, which also says what it raises.

    >>> from naslab.zoo import model
    >>> [member.cost.params for member in family(model("efficientnet_b0"), [-1, 0, 1])]
    [4548152, 5288548, 9109994]
    """
    return [rescale(arch, phi, compound, rounding, scale_stem, scale_head) for phi in phis]
