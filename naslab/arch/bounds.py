"""How large a network may be described: what exceeds this is a mistake, or an input made to use up time and memory.

Numbers are refused where a `Stage`, a `Head` or an `ArchSpec` is made, before anything is lowered, counted or built;
what only their product shows is refused by `cost`. The environment variable `NASLAB_UNBOUNDED=1` lifts the bounds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import msgspec

from naslab.arch.block import Role, roles_of
from naslab.arch.memo import Memo
from naslab.errors import SpecError, join_path, shown

MAX_BLOCKS = 10_000
"""Blocks of a network, all repeats counted."""
MAX_CHANNELS = 2**20
"""Channels, hidden features, groups and classes."""
MAX_SIDE = 2**16
"""Pixels of a side of the input."""
MAX_NUMBER = 2**16
"""Any other number of a description: kernels, expansions, ratios."""
MAX_PARTS = 1_000
"""Branches or pairs of a block, hidden layers of a head."""
MAX_PARAMS = 2**40
"""Parameters of a network, four tebibytes of float32."""
MAX_COUNT = 2**63 - 1
"""Multiply-accumulates, activations and bytes: what a ledger can hold."""
MAX_FACTOR = 1024
"""By what scaling multiplies depth, width or resolution."""

UNBOUNDED = "NASLAB_UNBOUNDED"
"""The environment variable that lifts the bounds where it is 1."""

_MOST: dict[Role | None, int] = {Role.WIDTH: MAX_CHANNELS, Role.GROUPS: MAX_CHANNELS, Role.REPEATS: MAX_BLOCKS}
_LEAST_BOUND = min(MAX_NUMBER, *_MOST.values())


def require_at_most(value: float, most: float, field: str, what: str = "") -> None:
    """Raise `SpecError` where the number `value` of `field` is above `most` or is none; `what` says what is counted.

    >>> require_at_most(1e12, MAX_CHANNELS, "width")
    Traceback (most recent call last):
    naslab.errors.SpecError: width: must be at most 1,048,576, got 1000000000000.0; NASLAB_UNBOUNDED=1 lifts the bound
    """
    if not value <= most and not is_unbounded():
        rule = f"{what or 'must be'} at most {most:,}, got {shown(value)}; {UNBOUNDED}=1 lifts the bound"
        raise SpecError(field, rule)


def is_unbounded() -> bool:
    """Whether the environment lifts the bounds."""
    return os.environ.get(UNBOUNDED) == "1"


def require_within_bounds(spec: msgspec.Struct) -> None:
    """Raise `SpecError` naming the field where a number in `spec`, however deep it stands, exceeds its bound."""
    for field in spec.__struct_fields__:
        _check(getattr(spec, field), spec, field, field)


def require_kept_within_bounds(spec: msgspec.Struct, field: str = "") -> None:
    """`require_within_bounds` of the value of a `field`; equal values, as a search makes them, are checked once."""
    try:
        _within_bounds[spec]
    except SpecError as error:
        raise error.inside(field) from None
    except TypeError:  # something in it has no hash; what that is, is told where it is used
        require_within_bounds(spec)


def _checked(spec: msgspec.Struct) -> bool:
    require_within_bounds(spec)
    return True


_within_bounds: Memo[msgspec.Struct, bool] = Memo(_checked)


def require_few_blocks(repeats: Iterable[int]) -> None:
    """Raise `SpecError` where the stages of a network repeat more blocks than a network may have."""
    require_at_most(sum(repeats), MAX_BLOCKS, "", "a network may have blocks, repeats counted,")


def _check(value: Any, spec: msgspec.Struct, field: str, path: str) -> None:
    """Raise `SpecError` where a number in `value`, at `path` in the `field` of `spec`, exceeds the field's bound."""
    if isinstance(value, int | float):
        if not value <= _LEAST_BOUND:  # what a class says of its fields is read only here: that takes long
            require_at_most(value, _MOST.get(roles_of(type(spec)).get(field), MAX_NUMBER), path)
    elif isinstance(value, msgspec.Struct):
        try:
            require_within_bounds(value)
        except SpecError as error:
            raise error.inside(path) from None
    elif isinstance(value, tuple):
        require_at_most(len(value), MAX_PARTS, path, "may hold parts,")
        for index, each in enumerate(value):
            _check(each, spec, field, join_path(path, f"[{index}]"))
