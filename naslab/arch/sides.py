"""Windows and steps of two sides: one number for both, or (height, width), and one spelling of each.

| written | what it is |
|---|---|
| `3` | 3 high and 3 wide |
| `[1, 7]` | 1 high and 7 wide |
| `[3, 3]` | `3`: a field of equal sides holds the one number, so that equal networks are equal values |
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from naslab.arch.declaration import HeightWidth
from naslab.arguments import described
from naslab.errors import SpecError

Sides: TypeAlias = int | tuple[int, int]
"""A kernel, stride or dilation: one number for both sides, or (height, width)."""


def pair_of(sides: Sides) -> HeightWidth:
    """Both sides, (height, width).

    >>> pair_of(3), pair_of((1, 7))
    ((3, 3), (1, 7))
    """
    return (sides, sides) if isinstance(sides, int) else sides


def one_spelling(sides: Any) -> Any:
    """Two equal sides as one number, a list of two as a tuple; anything else as it is.

    >>> one_spelling([3, 3]), one_spelling([1, 7]), one_spelling(5)
    (3, (1, 7), 5)
    """
    if not isinstance(sides, list | tuple) or len(sides) != 2:
        return sides
    return sides[0] if sides[0] == sides[1] else tuple(sides)


def settle_sides(spec: msgspec.Struct, *fields: str) -> None:
    """Bring the `fields` of a new `spec`, which hold `Sides` or `None`, into their one spelling.

    Raises `SpecError` where what is no number is no (height, width) either.
    """
    for field in fields:
        sides = getattr(spec, field)
        if type(sides) is not int and sides is not None:
            msgspec.structs.force_setattr(spec, field, settled(sides, field))


def settled(sides: Any, field: str) -> Sides:
    """The one spelling of `sides`. Raises `SpecError` naming the `field` where they are no number and no pair of them.

    >>> settled([3, 3], "kernel"), settled((1, 7), "kernel")
    (3, (1, 7))
    """
    pair = sides if isinstance(sides, list | tuple) else (sides, sides)
    if len(pair) != 2 or not all(type(side) is int for side in pair):
        raise SpecError(field, f"must be a whole number or [height, width], got {described(sides)}")
    spelling: Sides = one_spelling(sides)
    return spelling


def require_odd(kernel: Sides, field: str = "kernel") -> None:
    """Raise `SpecError` unless `kernel` can keep its input's size: odd and positive on each side."""
    for side in pair_of(kernel):
        if side < 1 or side % 2 == 0:
            raise SpecError(field, f"must be odd and positive, got {shown_sides(kernel)}")


def require_sides(sides: Sides, field: str, most: int | None = None) -> None:
    """Raise `SpecError` unless each side is at least 1, and at most `most` where that is given."""
    for side in pair_of(sides):
        if side < 1 or (most is not None and side > most):
            rule = "must be at least 1" if most is None else f"must be 1 to {most}"
            raise SpecError(field, f"{rule}, got {shown_sides(sides)}")


def require_window(spec: msgspec.Struct, *kernels: str) -> None:
    """Settle the spelling of the fields `kernels` and of `dilation`, and require that they keep a map's size.

    Raises `SpecError` for an even kernel and for a dilation below 1.
    """
    settle_sides(spec, *kernels, "dilation")
    for field in kernels:
        if (kernel := getattr(spec, field)) is not None:
            require_odd(kernel, field)
    dilation: Sides = spec.dilation  # type: ignore[attr-defined]
    if dilation != 1:
        require_sides(dilation, "dilation")


def keeping(kernel: Sides, dilation: Sides = 1) -> HeightWidth:
    """The padding (height, width) with which windows of an odd `kernel` at `dilation` keep a map's size.

    >>> keeping(3), keeping((1, 7)), keeping(3, (1, 2))
    ((1, 1), (0, 3), (1, 2))
    """
    (height, width), (down, across) = pair_of(kernel), pair_of(dilation)
    return down * (height // 2), across * (width // 2)


def shown_sides(sides: Sides) -> str:
    """Sides as a description writes them.

    >>> shown_sides(3), shown_sides((1, 7))
    ('3', '[1, 7]')
    """
    return str(sides) if isinstance(sides, int) else str(list(sides))
