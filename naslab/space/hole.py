"""Hole: one choice of a space, as samplers, bridges and figures see it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any

import msgspec


class Hole(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A choice among `options`, each a plain value or a subtree of the template.

    `path` names it within its space. It is ordered where its options are two or more numbers that rise or fall.

    >>> Hole(path="stages[0].block.kernel", options=(3, 5, 7)).is_ordered
    True
    >>> Hole(path="stages[0].block", options=({"type": "mbconv"}, {"type": "conv"})).labels
    ('mbconv', 'conv')
    """

    path: str
    options: tuple[Any, ...]
    is_shared: bool = False

    @cached_property
    def is_ordered(self) -> bool:
        """Whether the options lie on a line, so that neighbouring options are alike."""
        numbers = self.options
        if len(numbers) < 2 or not all(type(each) in (int, float) for each in numbers):
            return False
        rises = [after > before for before, after in pairwise(numbers)]
        return all(rises) or not any(rises)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A short text for each option, all different."""
        short = tuple(_short(option) for option in self.options)
        if len(set(short)) == len(short):
            return short
        return tuple(_long(option) for option in self.options)


def _short(option: Any) -> str:
    return option["type"] if isinstance(option, Mapping) and isinstance(option.get("type"), str) else _long(option)


def _long(option: Any) -> str:
    if isinstance(option, str):
        return option
    if not isinstance(option, Mapping):
        return msgspec.json.encode(option).decode()
    parts = [option["type"]] if isinstance(option.get("type"), str) else []
    parts += [f"{key}={_long(value)}" for key, value in option.items() if key != "type"]
    return " ".join(parts) or "{}"
