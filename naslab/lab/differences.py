"""In what two searches differ: the first place, by its path, with both values."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from naslab.errors import join_path, shown
from naslab.study.data_choice import DataChoice
from naslab.study.problem import Limit, Problem

MOST_OF_A_SIDE = 120
"""Characters of each of the two values."""


class _Nothing:
    """What stands on the side that has no value at a path."""


NOTHING = _Nothing()


class Difference(NamedTuple):
    """Something that is not the same: `what` it belongs to, as `space`, its `path`, and the value `there` and `asked`.

    >>> Difference("space", "space.stages[2].width", 8, 16).words()
    'space.stages[2].width is 8 there, asked for 16'
    """

    what: str
    path: str
    there: Any
    asked: Any

    def words(self) -> str:
        """The difference as a message tells it."""
        return f"{shown(self.path)} is {_side(self.there)} there, asked for {_side(self.asked)}"

    def between(self, one: str, other: str) -> str:
        """The difference of two studies, called `one` and `other`, as a message tells it."""
        return f"{shown(self.path)} is {_side(self.there)} in '{shown(one)}', {_side(self.asked)} in '{shown(other)}'"


def problem_difference(there: dict[str, Any], asked: dict[str, Any]) -> Difference | None:
    """The first difference of two problems in plain values, `None` where they mean the same.

    A field that one does not write has its default.
    """
    old, new = (_whole(each) for each in (there, _on_data_of(there, asked)))
    found = first_difference(old, new)
    if found is None:
        return None
    path, *sides = found
    if path == "data.fingerprint":
        return Difference("content of the data", path, *sides)
    what = path.partition(".")[0].partition("[")[0]
    return Difference(what, path.replace("space.template", "space", 1), *sides)


def _on_data_of(there: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """A problem on the data of another, as that notes them, where it goes on with them."""
    try:
        old, new = (msgspec.convert(each.get("data"), DataChoice) for each in (there, asked))
    except msgspec.ValidationError:
        return asked
    return {**asked, "data": there["data"]} if old.is_continued_by(new) else asked


def first_difference(there: Any, asked: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """The path of the first place where two plain values differ, and what stands there in each.

    Lists of single values are told whole.

    >>> first_difference({"stages": [{"width": 8}]}, {"stages": [{"width": 16}]})
    ('stages[0].width', 8, 16)
    """
    if isinstance(there, dict) and isinstance(asked, dict):
        for key in dict.fromkeys((*asked, *there)):
            found = first_difference(there.get(key, NOTHING), asked.get(key, NOTHING), join_path(path, key))
            if found is not None:
                return found
        return None
    if isinstance(there, list) and isinstance(asked, list) and _holds_more(there) and _holds_more(asked):
        for index in range(max(len(there), len(asked))):
            old, new = (each[index] if index < len(each) else NOTHING for each in (there, asked))
            found = first_difference(old, new, f"{path}[{index}]")
            if found is not None:
                return found
        return None
    is_same = type(there) is type(asked) and there == asked
    return None if is_same or _is_same_number(there, asked) else (path, there, asked)


def _holds_more(values: list[Any]) -> bool:
    return any(isinstance(each, dict | list) for each in values)


def _is_same_number(there: Any, asked: Any) -> bool:
    """Whether both are numbers, of which JSON knows one kind, and equal."""
    kinds = {type(there), type(asked)}
    return kinds <= {int, float} and bool(there == asked)


def _whole(problem: dict[str, Any]) -> Any:
    """A problem with every field written out; as it is where this program does not read it."""
    try:
        return _plain(msgspec.convert(problem, Problem))
    except (msgspec.ValidationError, ValueError):
        return problem


def _plain(value: Any) -> Any:
    if isinstance(value, Limit):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _side(value: Any) -> str:
    return "nothing" if value is NOTHING else shown(json.dumps(value, ensure_ascii=False), MOST_OF_A_SIDE)
