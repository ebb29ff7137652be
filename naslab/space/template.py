"""Templates: the plain tree of an architecture with holes, brought into one form.

A hole is `{choice: [a, b]}`, with `name` where it shares its value with other holes. `{choice: {from, to, step}}` is a
range. A list may hold `{repeat: NUMBER, of: TEMPLATE}`. The one form has lists for tuples, lists for ranges, fields in
the order of the specifications, and no zoo model: it stands for itself, so a ledger can keep and compare it.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec

from naslab.arch.block import Spec
from naslab.arch.files import BLOCKS
from naslab.arch.sides import one_spelling
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.arguments import anything, optional, takes, text
from naslab.errors import SpecError, join_path, nearest
from naslab.space.starting_point import expand_starting_point

MAX_OPTIONS = 10_000
"""More options than this in one hole is a mistake in a range."""


@takes(options=anything(), name=optional(text()))
def choice(*options: Any, name: str | None = None) -> dict[str, Any]:
    """A hole with these `options`: plain values, specifications, or subtrees with holes of their own.

    Holes of one `name` share one value. A single `range` gives its numbers. Raises `SpecError` for an option that JSON
    cannot hold.

    >>> choice(3, 5, name="kernel")
    {'choice': [3, 5], 'name': 'kernel'}
    >>> choice(range(16, 33, 8))
    {'choice': [16, 24, 32]}
    """
    listed = list(options[0]) if len(options) == 1 and isinstance(options[0], range) else list(options)
    hole: dict[str, Any] = {"choice": [_plain(option) for option in listed]}
    return hole if name is None else hole | {"name": name}


def repeat(number: Any, of: Any) -> dict[str, Any]:
    """`number` independent copies of a stage's template `of`, to stand in a list of stages; the number may be a hole.

    >>> repeat(choice(2, 3), of={"block": {"type": "conv"}, "width": choice(16, 32)})["repeat"]
    {'choice': [2, 3]}
    """
    return {"repeat": _plain(number), "of": _plain(of)}


def is_hole(value: Any) -> bool:
    """Whether a plain value is a hole."""
    return isinstance(value, dict) and "choice" in value


def is_repeat(value: Any) -> bool:
    """Whether a plain value is a number of copies of a template."""
    return isinstance(value, dict) and "repeat" in value


def normalised(template: Any) -> dict[str, Any]:
    """The one form of a template; normalising it again changes nothing.

    Raises `SpecError` with the path in the template for a hole that is empty, holds an option twice, or is not one.
    """
    plain = _plain(template)
    if not isinstance(plain, dict) or is_hole(plain) or not plain:
        raise SpecError("", f"a space must be an architecture with holes, a zoo model or a base, got {_shown(plain)}")
    shared: dict[str, tuple[str, list[Any]]] = {}
    tree = _normalised(expand_starting_point(plain), "", shared)
    assert isinstance(tree, dict)
    return tree


def _plain(value: Any) -> Any:
    try:
        return msgspec.json.decode(msgspec.json.encode(value))  # tuples become lists
    except (TypeError, ValueError) as error:
        raise SpecError("", f"a template holds plain values and specifications only: {error}") from None


def _normalised(value: Any, path: str, shared: dict[str, tuple[str, list[Any]]]) -> Any:
    if is_hole(value):
        return _normalised_hole(value, path, shared)
    if isinstance(value, dict):
        if is_repeat(value):
            raise SpecError(path, "'repeat' stands in a list of stages only")
        for key in value:
            if key not in _FIELD_ORDER and difflib.get_close_matches(key, ["choice"], cutoff=0.7):
                raise SpecError(path, f"unknown field '{key}' (did you mean 'choice'?)")
        return {key: _normalised(value[key], join_path(path, key), shared) for key in sorted(value, key=_field_order)}
    if isinstance(value, list):
        return [
            (_normalised_repeat if is_repeat(each) else _normalised)(each, f"{path}[{index}]", shared)
            for index, each in enumerate(value)
        ]
    return value


def _normalised_hole(hole: dict[str, Any], path: str, shared: dict[str, tuple[str, list[Any]]]) -> dict[str, Any]:
    _refuse_unknown(hole, ("choice", "name"), path)
    inner = join_path(path, "choice")
    listed = _stepped(hole["choice"], inner) if isinstance(hole["choice"], dict) else hole["choice"]
    if not isinstance(listed, list):
        raise SpecError(inner, f"must be a list of options or a range, got {_shown(listed)}")
    if not listed:
        raise SpecError(inner, "must hold at least one option, got none")
    name = hole.get("name")
    if name is None:
        options = [_normalised(option, f"{inner}[{index}]", shared) for index, option in enumerate(listed)]
        _refuse_duplicates(options, inner)
        return {"choice": options}
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
        raise SpecError(join_path(path, "name"), f"must be a word of letters, digits, '-' and '_', got {_shown(name)}")
    options = [_normalised(option, f"{inner}[{index}]", shared) for index, option in enumerate(listed)]
    _refuse_duplicates(options, inner)
    place, known = shared.setdefault(name, (path, options))
    if _key(known) != _key(options):
        rule = f"holes named '{name}' must hold the same options, got {_shown(options)} and {_shown(known)} at {place}"
        raise SpecError(inner, rule)
    return {"choice": options, "name": name}


def _normalised_repeat(value: dict[str, Any], path: str, shared: dict[str, tuple[str, list[Any]]]) -> dict[str, Any]:
    if "of" not in value:
        raise SpecError(path, "'repeat' needs 'of', the template of each copy; a stage's own blocks are its 'repeats'")
    _refuse_unknown(value, ("repeat", "of"), path)
    number = _normalised(value["repeat"], join_path(path, "repeat"), shared)
    for index, count in enumerate(number["choice"] if is_hole(number) else [number]):
        place = join_path(path, f"repeat.choice[{index}]" if is_hole(number) else "repeat")
        if type(count) is not int or not 0 <= count <= 100:
            raise SpecError(place, f"a number of copies must be an integer from 0 to 100, got {_shown(count)}")
    return {"repeat": number, "of": _normalised(value["of"], join_path(path, "of"), shared)}


def _stepped(span: dict[str, Any], path: str) -> list[int | float]:
    """The numbers of a range, both ends included."""
    _refuse_unknown(span, ("from", "to", "step"), path)
    for field in ("from", "to"):
        if field not in span:
            raise SpecError(path, f"a range misses the field '{field}'")
    first, last, step = span["from"], span["to"], span.get("step", 1)
    for field, value in (("from", first), ("to", last), ("step", step)):
        if type(value) not in (int, float):
            raise SpecError(join_path(path, field), f"must be a number, got {_shown(value)}")
    if step <= 0:
        raise SpecError(join_path(path, "step"), f"must be above 0, got {step}")
    if last < first:
        raise SpecError(path, f"a range goes upwards, got {first} to {last}")
    count = round((last - first) / step)
    if count >= MAX_OPTIONS:
        raise SpecError(path, f"holds {count + 1} numbers, at most {MAX_OPTIONS} are allowed")
    if abs(first + count * step - last) > 1e-9 * max(1.0, abs(last)):
        raise SpecError(join_path(path, "to"), f"must be a whole number of steps of {step} from {first}, got {last}")
    return [round(first + index * step, 12) for index in range(count + 1)]


def _refuse_unknown(value: dict[str, Any], known: tuple[str, ...], path: str) -> None:
    for key in value:
        if key not in known:
            raise SpecError(path, f"unknown field '{key}' beside '{known[0]}'{nearest(key, known)}")


def _refuse_duplicates(options: list[Any], path: str) -> None:
    seen: dict[bytes, int] = {}
    for index, option in enumerate(options):
        first = seen.setdefault(_key(one_spelling(option)), index)
        if first != index:
            raise SpecError(f"{path}[{index}]", f"is the same option as choice[{first}], {_shown(option)}")


def _key(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _field_order(key: str) -> tuple[int, str]:
    return (_FIELD_ORDER.get(key, len(_FIELD_ORDER)), key)


def _all_fields() -> dict[str, int]:
    kinds: list[type[Spec]] = [ArchSpec, Stage, Head, *BLOCKS.values()]
    names = ["type", "input", "stem", *(field for kind in kinds for field in kind.__struct_fields__)]
    return {name: rank for rank, name in enumerate(dict.fromkeys(names))}


_FIELD_ORDER = _all_fields()
