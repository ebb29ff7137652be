"""The grid of coefficients that EfficientNet's rule is searched on: every way to spend a budget, costed exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from naslab.arch.block import require
from naslab.arch.cost import cost
from naslab.arch.identity import arch_id
from naslab.arch.spec import ArchSpec
from naslab.errors import LimitError, SpecError
from naslab.scaling.compound import Compound
from naslab.scaling.family import Member, rescale
from naslab.scaling.rounding import PLAIN, Rounding

PRODUCT_TOLERANCE = 0.1
"""By how much alpha * beta^2 * gamma^2 may miss the budget; the published 1.2, 1.1 and 1.15 miss 2 by 4 per cent."""
FEWEST_POINTS = 3
_FINEST_STEP = 0.01


class GridPoint(msgspec.Struct, frozen=True):
    """Coefficients (`compound`) and the network (`member`) that they make of the baseline at phi = 1."""

    compound: Compound
    member: Member

    @property
    def rule(self) -> str:
        """The coefficients as text: `1.2, 1.1, 1.15`."""
        return words(self.compound)


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """The networks that a fit of coefficients trains, and what became of the other combinations.

    `ratio` is the budget in multiples of the baseline's `base_macs`, `tolerance` the share by which a network may miss
    it. Of `num_tried` combinations near the budget by the formula, `num_within` have it by their exact cost and
    `num_distinct` of those are different networks; `points` are spread over these.
    """

    ratio: float
    tolerance: float
    base_macs: int
    points: tuple[GridPoint, ...]
    num_tried: int
    num_within: int
    num_distinct: int


def compound_grid(
    arch: ArchSpec,
    ratio: float = 2.0,
    step: float = 0.05,
    num_points: int = 16,
    tolerance: float = 0.05,
    rounding: Rounding = PLAIN,
) -> Grid:
    """The grid of Tan and Le 2019 (arXiv 1905.11946, section 3.3): alpha, beta, gamma of at least 1 in steps of `step`.

    Candidates are the networks made of `arch` whose exact macs are within `tolerance` (a share) of `ratio` times its
    own and whose alpha * beta^2 * gamma^2 is within 10 per cent of `ratio`; of those, `num_points` that lie far from
    each other. Raises `LimitError` where fewer than 3 are left, and `SpecError` for an argument out of range.

    By default `rounding` is to the nearest whole number, for coarser rules hide the coefficients: with its released
    code, EfficientNet's own make 2.57 times B0's macs, because repeats of one block are rounded up to two.

    >>> from naslab.zoo import model
    >>> grid = compound_grid(model("efficientnet_b0"), num_points=4)
    >>> [point.rule for point in grid.points]
    ['2, 1, 1', '1, 1, 1.4', '1.05, 1.3, 1.05', '1.4, 1, 1.2']
    """
    require(1 < ratio <= 64, "budget_ratio", f"must be above 1 and at most 64, got {ratio:g}")
    require(_FINEST_STEP <= step <= ratio - 1, "step", f"must be {_FINEST_STEP} to {ratio - 1:g}, got {step:g}")
    require(num_points >= FEWEST_POINTS, "points", f"must be at least {FEWEST_POINTS}, got {num_points}")
    require(0 < tolerance < 1, "tolerance", f"must be between 0 and 1, got {tolerance:g}")
    near = [compound for compound in _combinations(ratio, step) if _miss(compound, ratio) <= PRODUCT_TOLERANCE]
    base = cost(arch).macs
    within = [point for point in _networks(arch, near, rounding) if _off(point, base, ratio) <= tolerance]
    distinct = _distinct(within, ratio)
    if len(distinct) < FEWEST_POINTS:
        raise LimitError(
            f"of {len(near)} combinations in steps of {step:g}, {len(distinct)} networks are within {tolerance:.0%} of "
            f"{ratio:g} x {base:,} macs, a fit needs {FEWEST_POINTS}: widen the tolerance, take a finer step, or a "
            f"rounding that keeps more widths apart (plain)"
        )
    return Grid(
        ratio=ratio,
        tolerance=tolerance,
        base_macs=base,
        points=tuple(_spread(distinct, num_points)),
        num_tried=len(near),
        num_within=len(within),
        num_distinct=len(distinct),
    )


def given_grid(
    arch: ArchSpec,
    compounds: Sequence[Compound],
    ratio: float = 2.0,
    tolerance: float = 0.05,
    rounding: Rounding = PLAIN,
) -> Grid:
    """The grid of `compounds` chosen by hand, on the baseline `arch`; the other arguments are those of `compound_grid`.

    `SpecError` states the product that misses `ratio` by more than 10 per cent, or the exact macs after `rounding` that
    miss it by more than `tolerance`; `LimitError` says that fewer than 3 networks are different.

    >>> from naslab.zoo import model
    >>> given_grid(model("efficientnet_b0"), [Compound(alpha=1.5, beta=1.2, gamma=1.2)])
    Traceback (most recent call last):
    naslab.errors.SpecError: coefficients 1.5, 1.2, 1.2: alpha * beta^2 * gamma^2 is 3.11, must be within 10% of 2
    """
    base = cost(arch).macs
    for compound in compounds:
        require_product(compound, ratio)
    points = [GridPoint(compound, rescale(arch, 1, compound, rounding)) for compound in compounds]
    for point in points:
        achieved = point.member.cost.macs / base
        rule = f"scale macs by {achieved:.3f} after rounding, must be within {tolerance:.0%} of {ratio:g}"
        require(_off(point, base, ratio) <= tolerance, f"coefficients {point.rule}", rule)
    distinct = _distinct(points, ratio)
    if len(distinct) < FEWEST_POINTS:
        raise LimitError(f"a fit needs {FEWEST_POINTS} different networks, these coefficients make {len(distinct)}")
    return Grid(
        ratio=ratio,
        tolerance=tolerance,
        base_macs=base,
        points=tuple(distinct),
        num_tried=len(points),
        num_within=len(points),
        num_distinct=len(distinct),
    )


def require_product(compound: Compound, ratio: float) -> None:
    """Raise `SpecError` stating the product where alpha * beta^2 * gamma^2 misses `ratio` by more than 10 per cent."""
    require(
        _miss(compound, ratio) <= PRODUCT_TOLERANCE,
        f"coefficients {words(compound)}",
        f"alpha * beta^2 * gamma^2 is {compound.growth:.4g}, must be within {PRODUCT_TOLERANCE:.0%} of {ratio:g}",
    )


def shares(compound: Compound) -> tuple[float, float, float]:
    """The shares of the budget that depth, width and resolution take, on a logarithmic scale; their sum is 1.

    >>> [round(share, 3) for share in shares(Compound())]
    [0.279, 0.292, 0.428]
    """
    spent = (math.log(compound.alpha), 2 * math.log(compound.beta), 2 * math.log(compound.gamma))
    total = sum(spent)
    return spent[0] / total, spent[1] / total, spent[2] / total


def words(compound: Compound) -> str:
    """Coefficients as text.

    >>> words(Compound())
    '1.2, 1.1, 1.15'
    """
    return f"{compound.alpha:.6g}, {compound.beta:.6g}, {compound.gamma:.6g}"


def _combinations(ratio: float, step: float) -> Iterator[Compound]:
    """Every alpha up to the ratio, every beta and gamma up to its root."""
    deepest = math.floor((ratio - 1) / step + 1e-9)
    widest = math.floor((math.sqrt(ratio) - 1) / step + 1e-9)
    for depth in range(deepest + 1):
        for width in range(widest + 1):
            for resolution in range(widest + 1):
                if depth or width or resolution:
                    alpha, beta, gamma = (round(1 + count * step, 9) for count in (depth, width, resolution))
                    yield Compound(alpha=alpha, beta=beta, gamma=gamma)


def _networks(arch: ArchSpec, compounds: Sequence[Compound], rounding: Rounding) -> Iterator[GridPoint]:
    for compound in compounds:
        try:
            member = rescale(arch, 1, compound, rounding)
        except SpecError:  # not every block can be made at every width
            continue
        yield GridPoint(compound, member)


def _miss(compound: Compound, ratio: float) -> float:
    return abs(compound.growth / ratio - 1)


def _off(point: GridPoint, base_macs: int, ratio: float) -> float:
    return abs(point.member.cost.macs / (ratio * base_macs) - 1)


def _distinct(points: Sequence[GridPoint], ratio: float) -> list[GridPoint]:
    """One point a network, and one a way to spend the budget: that whose product is nearest to the ratio."""
    found: dict[str, GridPoint] = {}
    seen = set()
    for point in sorted(points, key=lambda each: (_miss(each.compound, ratio), each.rule)):
        place = tuple(round(share, 6) for share in shares(point.compound))
        if place not in seen and found.setdefault(arch_id(point.member.arch), point) is point:
            seen.add(place)
    return list(found.values())


def _spread(points: Sequence[GridPoint], count: int) -> list[GridPoint]:
    """Points far from each other: the deepest first, then always the one farthest from those taken."""
    places = {point.rule: shares(point.compound) for point in points}
    taken = [max(points, key=lambda point: places[point.rule][0])]
    while len(taken) < min(count, len(points)):
        taken.append(
            max(points, key=lambda point: min(math.dist(places[point.rule], places[each.rule]) for each in taken))
        )
    return taken
