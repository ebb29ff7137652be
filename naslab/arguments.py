"""Arguments of the functions that people call: what each may be is declared once, beside the function.

    @takes(epochs=whole(1), objectives=optional(many(text())))
    def search(epochs, objectives=None): ...

Whatever else is given is refused by a `SpecError` that names the argument, what it must be, and the value.
"""

from __future__ import annotations

import inspect
import math
import numbers
import operator
import os
import re
from collections.abc import Callable, Iterable
from functools import cache, wraps
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import msgspec

from naslab.errors import SpecError, nearest, shown

P = ParamSpec("P")
R = TypeVar("R")


class Kind(NamedTuple):
    """What an argument may be: `words` behind "must be", and `read`, which gives the value that the function takes.

    `read` raises `ValueError` for what it is not, or a `SpecError` that says more.
    """

    words: str
    read: Callable[[Any], Any]

    def taken(self, name: str, value: Any) -> Any:
        """The `value` of the argument `name` as the function takes it. Raises `SpecError` for one of another kind.

        >>> whole(1).taken("trials", -5)
        Traceback (most recent call last):
        naslab.errors.SpecError: trials: must be a whole number of at least 1, got -5
        """
        try:
            return self.read(value)
        except SpecError as error:
            raise error.inside(name) from None
        except (ValueError, OverflowError):
            raise SpecError(name, f"must be {self.words}, got {described(value)}") from None


def takes(**kinds: Kind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """What makes a function check its arguments: `kinds` has the kind of each of its parameters, by name.

    >>> @takes(epochs=whole(1))
    ... def train(epochs=4): return epochs
    >>> train("x")
    Traceback (most recent call last):
    naslab.errors.SpecError: epochs: must be a whole number of at least 1, got 'x'
    """

    def declared(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        if set(kinds) != set(signature.parameters):
            raise TypeError(f"{function.__name__} takes {list(signature.parameters)}, declared are {list(kinds)}")

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            for name, value in bound.arguments.items():
                bound.arguments[name] = kinds[name].taken(name, value)
            return function(*bound.args, **bound.kwargs)

        return checked

    return declared


def anything() -> Kind:
    """Whatever it is: the function says itself what it does not take."""
    return Kind("anything", lambda value: value)


LARGEST = 2**63 - 1
"""The largest whole number that ledgers and torch hold."""
LONGEST_FILE_NAME = 255
"""Bytes in the name of a file, or of a folder of its path."""


def whole(least: int | None = None, most: int = LARGEST) -> Kind:
    """A whole number, from `least` to `most`; those of numpy are some, truth values are none."""
    return Kind(
        "a whole number" + ("" if least is None else f" of at least {least:,}"),
        lambda value: _whole(value, least, most),
    )


def number(above: float = -math.inf, least: float = -math.inf, most: float = math.inf) -> Kind:
    """A finite number: larger than `above`, from `least` to `most`."""
    words = "a finite number"
    words += f" above {above:g}" if above > -math.inf else ""
    words += f" of at least {least:g}" if least > -math.inf else ""
    words += f"{' and' if words != 'a finite number' else ' of'} at most {most:g}" if most < math.inf else ""

    def read(value: Any) -> float:
        _require(isinstance(value, numbers.Real) and not _is_truth(value))
        _require(math.isfinite(value) and value > above and least <= value <= most)
        return value  # type: ignore[no-any-return]

    return Kind(words, read)


def real() -> Kind:
    """A number, also one that is not finite: the function says itself which it does not take."""

    def read(value: Any) -> float:
        _require(isinstance(value, numbers.Real) and not _is_truth(value))
        return value  # type: ignore[no-any-return]

    return Kind("a number", read)


def flag() -> Kind:
    """True or False."""

    def read(value: Any) -> bool:
        _require(_is_truth(value))
        return bool(value)

    return Kind("True or False", read)


def text(what: str = "a text") -> Kind:
    """A text that is not empty; `what` it is of."""

    def read(value: Any) -> str:
        _require(isinstance(value, str) and bool(value.strip()) and _is_encodable(value))
        return value  # type: ignore[no-any-return]

    return Kind(what, read)


def path(what: str = "a path, as a text or a Path") -> Kind:
    """A file or folder by a text or a `Path`; `what` it is of."""

    def read(value: Any) -> str | Path:
        _require(isinstance(value, str | os.PathLike))
        said = os.fspath(value)
        _require(isinstance(said, str) and said != "" and "\0" not in said and _is_encodable(said))
        if "://" not in said and max(len(part.encode()) for part in said.split("/")) > LONGEST_FILE_NAME:
            raise SpecError("", f"the name of a file has at most {LONGEST_FILE_NAME} bytes, got {described(said)}")
        return value if isinstance(value, str | Path) else Path(said)

    return Kind(what, read)


def one_of(*names: str) -> Kind:
    """One of a few texts."""

    def read(value: Any) -> str:
        _require(isinstance(value, str))
        if value not in names:
            close = nearest(value, names)
            raise SpecError(
                "", f"must be one of {', '.join(names)}, got '{shown(value)}'{close if '(did' in close else ''}"
            )
        return value  # type: ignore[no-any-return]

    return Kind(f"one of {', '.join(names)}", read)


def exactly(name: str) -> Kind:
    """One text, where values of other kinds are allowed beside it."""

    def read(value: Any) -> str:
        _require(isinstance(value, str) and value == name)
        return name

    return Kind(f"'{name}'", read)


def many(kind: Kind, split: str = "") -> Kind:
    """Several of a `kind`, as a tuple, in any order that they are given in; one alone is taken as the only one.

    A text is taken apart where `split`, such as a comma, stands in it.

    >>> many(text(), split=",").taken("objectives", "accuracy, macs"), many(whole(1)).taken("phis", 2)
    (('accuracy', 'macs'), (2,))
    """

    def read(value: Any) -> tuple[Any, ...]:
        if isinstance(value, str) and split:
            value = tuple(part.strip() for part in value.split(split) if part.strip())
        if isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Iterable) or _is_struct(value):
            return (kind.read(value),)
        _require(not isinstance(value, dict | set | frozenset))
        return tuple(kind.taken(f"[{index}]", each) for index, each in enumerate(value))

    return Kind(f"{kind.words}, or several of them", read)


def instance(*types: type, words: str = "") -> Kind:
    """A value of one of the `types`; `words` say which these are."""

    def read(value: Any) -> Any:
        _require(isinstance(value, types))
        return value

    return Kind(words or " or ".join(each.__name__ for each in types), read)


def made_as(load: Callable[[], type], what: str) -> Kind:
    """What is of the class that `load` gives, which is asked for when a value is; `what` it is in words."""

    def read(value: Any) -> Any:
        _require(isinstance(value, load()))
        return value

    return Kind(what, read)


def function() -> Kind:
    """What can be called."""

    def read(value: Any) -> Any:
        _require(callable(value))
        return value

    return Kind("a function", read)


def optional(kind: Kind) -> Kind:
    """A `kind`, or None."""
    return Kind(f"{kind.words}, or None", lambda value: None if value is None else kind.read(value))


def either(*kinds: Kind) -> Kind:
    """The first of the `kinds` that the value is."""

    def read(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.read(value)
            except SpecError:
                raise
            except ValueError:
                continue
        raise ValueError

    return Kind(", ".join(dict.fromkeys(kind.words for kind in kinds[:-1])) + f" or {kinds[-1].words}", read)


def refuse_wrong_fields(value: msgspec.Struct) -> bool:
    """Raise `SpecError` naming the first field of a struct that is of another type than its class says.

    Lists in the place of tuples become tuples; the answer is whether there were any. For `__post_init__`, where values
    come from Python.

    >>> class Point(msgspec.Struct, frozen=True):
    ...     sides: tuple[int, ...]
    >>> refuse_wrong_fields(Point(sides=3))
    Traceback (most recent call last):
    naslab.errors.SpecError: sides: must be a list, got 3
    """
    has_lists = False
    for name, kind in _fields(type(value)):
        given = getattr(value, name)
        try:
            read = msgspec.convert(given, kind)
        except (msgspec.ValidationError, TypeError) as error:
            rule, _, place = str(error).partition(" - at `$")
            inner = place.rstrip("`").lstrip(".")
            wanted = re.match(r"Expected `([^`]*)`( of length \d+)?", rule)
            names = [_WORDS.get(each, each) for each in wanted[1].split(" | ")] if wanted is not None else []
            length = wanted[2] or "" if wanted is not None else ""
            said = f"must be {' or '.join(names)}{length}" if names else f"is of another type than {name} has"
            said = f"{rule[:1].lower()}{rule[1:]}" if isinstance(given, str) and not names else said
            raise SpecError(f"{name}{inner}", f"{said}, got {described(given)}") from None
        if isinstance(given, list):
            msgspec.structs.force_setattr(value, name, read)
            has_lists = True
    return has_lists


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "True or False",
    "array": "a list",
    "object": "a description",
    "null": "None",
}
"""The names that msgspec has for types, in words."""


def described(value: object) -> str:
    """A value from a caller as messages quote it: a text, a number or a list as it is, any other by its type.

    >>> described("x"), described(-5), described([]), described(object())
    ("'x'", '-5', '[]', 'an object of the type object')
    """
    if value is None or isinstance(value, str | bool | int | float | list | tuple | dict):
        return shown(repr(value))
    return f"an object of the type {shown(type(value).__name__)}"


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.type) for field in msgspec.structs.fields(kind))


def _whole(value: Any, least: int | None, most: int) -> int:
    _require(not _is_truth(value) and hasattr(type(value), "__index__"))
    try:
        counted = operator.index(value)
    except TypeError:  # an array of more than one number
        raise ValueError from None
    if counted > most:
        raise SpecError("", f"must be at most {most:,}, got {described(counted)}")
    _require(least is None or counted >= least)
    return counted


def _is_encodable(value: str) -> bool:
    """Whether a text is one in UTF-8: halves of surrogate pairs are not."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def _is_struct(value: Any) -> bool:
    return isinstance(value, msgspec.Struct)


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError
