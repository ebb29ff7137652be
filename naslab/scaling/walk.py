"""A walk over any description that changes the fields of one role: no block is known by name here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from naslab.arch.block import Role, roles_of
from naslab.errors import SpecError

S = TypeVar("S", bound=msgspec.Struct)


def change(spec: S, role: Role, new: Callable[[int], int]) -> S:
    """The description `spec` with every number of a `role` replaced by `new(number)`, however deep it stands.

    The same object where nothing changes. A `SpecError` of `new` names the field.

    >>> from naslab.arch import Bottleneck, Stage
    >>> change(Stage(block=Bottleneck(groups=32), width=256), Role.WIDTH, lambda width: 2 * width).width
    512
    """
    changed = {}
    for field in spec.__struct_fields__:
        value = getattr(spec, field)
        try:
            after = _changed(value, roles_of(type(spec)).get(field) is role, role, new)
        except SpecError as error:
            raise error.inside(field) from None
        if after is not value:
            changed[field] = after
    return msgspec.structs.replace(spec, **changed) if changed else spec


def numbers(spec: msgspec.Struct, role: Role) -> list[int]:
    """Every number of a `role` in `spec`, in the order of the fields."""
    found: list[int] = []

    def note(number: int) -> int:
        found.append(number)
        return number

    change(spec, role, note)
    return found


def _changed(value: Any, is_role: bool, role: Role, new: Callable[[int], int]) -> Any:
    if isinstance(value, msgspec.Struct):
        return change(value, role, new)
    if isinstance(value, tuple):
        after = tuple(_item(index, each, is_role, role, new) for index, each in enumerate(value))
        return value if all(one is two for one, two in zip(after, value, strict=True)) else after
    if is_role and value is not None:
        number = new(value)
        return value if number == value else number
    return value


def _item(index: int, value: Any, is_role: bool, role: Role, new: Callable[[int], int]) -> Any:
    try:
        return _changed(value, is_role, role, new)
    except SpecError as error:
        raise error.inside(f"[{index}]") from None
