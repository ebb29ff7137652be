"""RegNetY scaled by pycls's rules has pycls's integers, worked out here once more from what its code does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from naslab.arch import ArchSpec
from naslab.scaling import PYCLS, RULES, rescale, scale
from naslab.scaling.compound import FAST
from naslab.zoo import model, model_names

PHIS = (-2, -1, -0.5, 0.5, 1, 2, 3)
# A stage of one group has no group width of its own in naslab; pycls still rounds the first stage of this network,
# whose only group is 232 channels wide, to multiples of 232.
NETWORKS = [name for name in model_names() if name.startswith("regnet_y") and name != "regnet_y_32gf"]


def by_pycls(widths: Sequence[int], groups: Sequence[int], width: float, group: float) -> tuple[list[int], list[int]]:
    """Widths and group widths of a RegNet (bottlenecks of ratio 1) as pycls scales them, halves to even throughout."""
    wide = [8 * max(1, round(each * width / 8)) for each in widths]
    whole = [max(1, round(each * group)) for each in groups]
    near = [each if each <= 2 else 4 if each <= 5 else 8 * round(each / 8) for each in whole]
    shared = [min(pair) for pair in zip(near, wide, strict=True)]
    return [max(g, g * round(w / g)) for w, g in zip(wide, shared, strict=True)], shared


def widths_and_groups(arch: ArchSpec) -> tuple[list[int], list[int]]:
    widths = [stage.width or 0 for stage in arch.stages]
    return widths, [width // stage.block.groups for width, stage in zip(widths, arch.stages, strict=True)]


@pytest.mark.parametrize("rule", [name for name, each in RULES.items() if each.beta != 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_widths_and_groups_are_those_of_pycls(name: str, rule: str) -> None:
    base = model(name)
    for phi in PHIS:
        width = RULES[rule].factors(phi).width
        expected = by_pycls(*widths_and_groups(base), width, width if RULES[rule].scales_groups else 1.0)
        assert widths_and_groups(rescale(base, phi, RULES[rule], PYCLS).arch) == expected


def test_half_of_regnet_y_1_6gf_is_what_pycls_printed() -> None:
    factors = FAST.factors(-1)
    half = scale(model("regnet_y_1_6gf"), factors.depth, factors.width, factors.resolution, PYCLS)
    assert widths_and_groups(half) == ([32, 96, 256, 672], [16, 16, 16, 16])
