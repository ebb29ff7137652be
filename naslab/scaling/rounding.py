"""Rounding: how exact products become channels, blocks and pixels. Published rules are values of one type."""

from __future__ import annotations

import math
from typing import Literal

from naslab.arch.block import Spec, require, require_positive, round_width
from naslab.errors import SpecError, counted

_NOISE = 1e-9
"""Products such as 1.1 * 10 come out a hair above the whole number that was meant."""


class Rounding(Spec, frozen=True):
    """How widths, repeats and resolutions are rounded to whole channels, blocks and pixels.

    Widths become multiples of `width_divisor` channels; one that would fall below `guard` (a share) of its exact value
    takes the next multiple. `repeats` are rounded up or to the nearest. Resolutions become multiples of
    `resolution_divisor` pixels. `halves` says where halves go: up, or to `even` as Python's `round`; then the
    channels of a grouped convolution, too, become the nearest multiple of a group's. `group_width` says whether grouped
    convolutions keep the channels of a group, or scale them as pycls does where the rule scales groups
    (`Compound.scales_groups`).

    Whatever the rule, a factor above 1 never makes a number smaller and one below 1 never makes it larger, so a factor
    of 1 changes nothing. Raises `SpecError` for values out of range.
    """

    width_divisor: int = 8
    guard: float = 0.0
    repeats: Literal["ceil", "nearest"] = "ceil"
    resolution_divisor: int = 1
    halves: Literal["up", "even"] = "up"
    group_width: Literal["kept", "scaled"] = "kept"

    def __post_init__(self) -> None:
        require_positive(self.width_divisor, "width_divisor")
        require_positive(self.resolution_divisor, "resolution_divisor")
        require(0 <= self.guard <= 1, "guard", f"must be 0 to 1, got {self.guard}")

    def width(self, base: int, factor: float) -> int:
        """`base` channels times `factor`: the nearest multiple of the divisor, at least one.

        Raises `SpecError` where less than half a channel is left.

        >>> EFFICIENTNET.width(16, 1.2), EFFICIENTNET_V2.width(16, 1.2), PYCLS.width(16, 1.2), PLAIN.width(16, 1.2)
        (24, 16, 16, 19)
        """
        exact = base * factor
        if exact < 0.5:
            raise SpecError("", f"{counted(base, 'channel')} times {factor:g} leave none")
        if self.halves == "even":
            rounded = max(1, round(exact / self.width_divisor)) * self.width_divisor
        else:
            rounded = round_width(exact, self.width_divisor, self.guard)
        return _between(base, rounded, factor)

    def depth(self, base: int, factor: float) -> int:
        """`base` blocks of a stage times `factor`, at least one.

        >>> EFFICIENTNET.depth(2, 1.1), PYCLS.depth(2, 1.1), EFFICIENTNET.depth(10, 1.1)
        (3, 2, 11)
        """
        exact = base * factor
        rounded = math.ceil(exact - _NOISE) if self.repeats == "ceil" else self._nearest(exact)
        return _between(base, max(1, rounded), factor)

    def resolution(self, base: int, factor: float) -> int:
        """`base` pixels of a side times `factor`: the nearest multiple of the divisor, at least one.

        Raises `SpecError` where less than half a pixel is left.

        >>> EFFICIENTNET.resolution(224, 1.15), PYCLS.resolution(224, 1.15)
        (258, 256)
        """
        exact = base * factor
        if exact < 0.5:
            raise SpecError("", f"{base} pixels times {factor:g} leave none")
        rounded = max(1, self._nearest(exact / self.resolution_divisor)) * self.resolution_divisor
        return _between(base, rounded, factor)

    def channels_of_a_group(self, base: int, factor: float) -> int:
        """The channels of a group of a grouped convolution: `base`, times `factor` where group widths are scaled.

        As in pycls (`pycls/models/scaler.py`) the product is rounded to a whole number, and that to 1, 2, 4 or the
        nearest multiple of 8; both times halves go to even.

        >>> PYCLS.channels_of_a_group(24, 0.84), PYCLS.channels_of_a_group(24, 1.19), PYCLS.channels_of_a_group(4, 1.2)
        (16, 32, 4)
        """
        if self.group_width == "kept":
            return base
        whole = max(1, round(base * factor))
        if whole <= 2:
            return whole
        return 4 if whole <= 5 else round(whole / 8) * 8

    def _nearest(self, exact: float) -> int:
        return round(exact) if self.halves == "even" else math.floor(exact + 0.5)


def _between(base: int, rounded: int, factor: float) -> int:
    if factor == 1:
        return base
    return max(base, rounded) if factor > 1 else min(base, rounded)


EFFICIENTNET = Rounding(guard=0.9)
"""EfficientNet's released code (arXiv 1905.11946): multiples of 8 with the ten per cent guard, repeats rounded up. The
code takes resolutions from a table; between its rows we take the nearest pixel."""

EFFICIENTNET_V2 = Rounding()
"""EfficientNetV2's released code (arXiv 2104.00298): the same without the guard."""

PYCLS = Rounding(repeats="nearest", resolution_divisor=4, halves="even", group_width="scaled")
"""pycls, the code of "Fast and Accurate Model Scaling" (arXiv 2103.06877): nearest multiples, halves to even."""

PLAIN = Rounding(width_divisor=1, repeats="nearest")
"""The nearest whole number of everything."""

ROUNDINGS: dict[str, Rounding] = {
    "efficientnet": EFFICIENTNET,
    "efficientnet_v2": EFFICIENTNET_V2,
    "pycls": PYCLS,
    "plain": PLAIN,
}
"""The rules by name."""
