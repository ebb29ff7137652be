"""Rules that are tables: families whose stages grow each by its own factor, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from naslab.arch.block import Role, Spec, require
from naslab.arch.cost import cost
from naslab.arch.spec import ArchSpec
from naslab.errors import SpecError
from naslab.scaling.family import Member
from naslab.scaling.groups import fitted
from naslab.scaling.rounding import EFFICIENTNET, Rounding
from naslab.scaling.scale import Factors
from naslab.scaling.walk import change
from naslab.zoo import efficientnet_v2, resnet_rs


class StageFactors(Spec, frozen=True):
    """What repeats (`depth`) and widths (`width`) of each stage, `resolution`, `stem` and `head` are multiplied by.

    A network with another number of stages takes the factors at the same relative places, interpolated. Raises
    `SpecError` for a factor that is not above 0 and finite.
    """

    depth: tuple[float, ...] = (1.0,)
    width: tuple[float, ...] = (1.0,)
    resolution: float = 1.0
    stem: float = 1.0
    head: float = 1.0

    def __post_init__(self) -> None:
        for field in ("depth", "width"):
            values = getattr(self, field)
            require(len(values) > 0, field, "must hold at least one factor")
            for value in values:
                require(math.isfinite(value) and value > 0, field, f"must be above 0 and finite, got {value}")
        for field in ("resolution", "stem", "head"):
            value = getattr(self, field)
            require(math.isfinite(value) and value > 0, field, f"must be above 0 and finite, got {value}")


Table = tuple[StageFactors, ...]
"""The factors at phi 0 (the baseline itself), 1, 2, ... ."""


def scale_stages(arch: ArchSpec, factors: StageFactors, rounding: Rounding = EFFICIENTNET) -> ArchSpec:
    """`arch` with every stage scaled by its own `factors`, rounded by `rounding`; raises what `scale` raises.

    >>> from naslab.zoo import model
    >>> deeper = scale_stages(model("resnet_rs_50"), RESNET_RS[1])
    >>> [stage.repeats for stage in deeper.stages]
    [3, 4, 23, 3]
    """
    count = len(arch.stages)
    stages = []
    for index, stage in enumerate(arch.stages):
        depth, width = _at(factors.depth, index, count), _at(factors.width, index, count)
        deeper = change(stage, Role.REPEATS, lambda base, by=depth: rounding.depth(base, by))  # type: ignore[misc]
        stages.append(change(deeper, Role.WIDTH, lambda base, by=width: rounding.width(base, by)))  # type: ignore[misc]
    channels, height, width_pixels = arch.input
    sides = (rounding.resolution(side, factors.resolution) for side in (height, width_pixels))
    scaled = replace(
        arch,
        input=(channels, *sides),
        stem=tuple(change(stage, Role.WIDTH, lambda base: rounding.width(base, factors.stem)) for stage in arch.stem),
        stages=tuple(stages),
        head=change(arch.head, Role.WIDTH, lambda base: rounding.width(base, factors.head)),
    )
    middle = math.exp(sum(map(math.log, factors.width)) / len(factors.width))
    made = fitted(arch, scaled, middle, rounding) if middle != 1 else scaled
    cost(made)  # refuses what is no network
    return made


def member_of(arch: ArchSpec, table: Table, phi: float, name: str, rounding: Rounding = EFFICIENTNET) -> Member:
    """The member of a `table` at a whole `phi`: the baseline `arch` scaled by the table's factors at that place.

    `name` is the table's in messages, `rounding` as in `scale`. The member's factors are the ratio of all blocks and
    the geometric mean of the stages' widths. Raises `SpecError` where phi is not a whole number within the table.

    >>> from naslab.zoo import model
    >>> member_of(model("resnet_rs_50"), RESNET_RS, 1.5, "resnet_rs")
    Traceback (most recent call last):
    naslab.errors.SpecError: phi: the rule 'resnet_rs' is a table, phi must be a whole number from 0 to 10, got 1.5
    """
    whole = phi == int(phi) if math.isfinite(phi) else False
    if not whole or not 0 <= phi < len(table):
        raise SpecError(
            "phi", f"the rule '{name}' is a table, phi must be a whole number from 0 to {len(table) - 1}, got {phi:g}"
        )
    factors = table[int(phi)]
    scaled = scale_stages(arch, factors, rounding)
    blocks = sum(stage.repeats for stage in scaled.stages) / sum(stage.repeats for stage in arch.stages)
    middle = math.exp(sum(map(math.log, factors.width)) / len(factors.width))
    asked = Factors(depth=blocks, width=middle, resolution=factors.resolution)
    return Member(phi=float(phi), factors=asked, arch=scaled, cost=cost(scaled))


def _at(factors: Sequence[float], index: int, count: int) -> float:
    """The factor of stage `index` of `count`: its own where the table has as many, else between its neighbours."""
    if len(factors) == count or len(factors) == 1:
        return factors[index if len(factors) == count else 0]
    place = min(max((index + 0.5) / count * len(factors) - 0.5, 0.0), len(factors) - 1.0)
    low = min(int(place), len(factors) - 2)
    return factors[low] + (place - low) * (factors[low + 1] - factors[low])


def _resnet_rs_table() -> Table:
    steps = (
        (50, 160),
        (101, 160),
        (101, 192),
        (152, 192),
        (152, 224),
        (152, 256),
        (200, 256),
        (270, 256),
        (350, 256),
        (350, 320),
        (420, 320),
    )
    base = resnet_rs.REPEATS[50]
    return tuple(
        StageFactors(
            depth=tuple(now / then for now, then in zip(resnet_rs.REPEATS[depth], base, strict=True)),
            resolution=resolution / 160,
        )
        for depth, resolution in steps
    )


def _efficientnet_v2_table() -> Table:
    base = efficientnet_v2.ROWS["m"]
    return tuple(
        StageFactors(
            depth=tuple(row[4] / then[4] for row, then in zip(efficientnet_v2.ROWS[size], base, strict=True)),
            width=tuple(row[3] / then[3] for row, then in zip(efficientnet_v2.ROWS[size], base, strict=True)),
            resolution=efficientnet_v2.RESOLUTION_AND_DROPOUT[size][0] / efficientnet_v2.RESOLUTION_AND_DROPOUT["m"][0],
            stem=efficientnet_v2.ROWS[size][0][3] / base[0][3],
        )
        for size in ("m", "l", "xl")
    )


RESNET_RS: Table = _resnet_rs_table()
"""ResNet-RS from 50 layers at 160 pixels (Bello et al. 2021, arXiv 2103.07579, table 7): depth first, mostly that of
the third and second stage, and resolution more slowly than EfficientNet."""

EFFICIENTNET_V2_TABLE: Table = _efficientnet_v2_table()
"""EfficientNetV2 from M on to L and XL (Tan and Le 2021, arXiv 2104.00298, table 4; released code): stages each by
their own factors, resolution capped. S has a stage less, so that M is no scaled S."""

TABLES: dict[str, Table] = {"resnet_rs": RESNET_RS, "efficientnet_v2": EFFICIENTNET_V2_TABLE}
"""The tables by name."""
