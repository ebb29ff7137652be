"""Reading the choices of a template off a network that is written as the template writes it: no choice is tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from naslab.arch.sides import one_spelling, pair_of
from naslab.arch.spec import ArchSpec
from naslab.space.tree import Choice, Fixed, Listing, Node, Record, Repeat, Shared, Tree

Options = dict[str, int]


def options_as_written(tree: Tree, arch: ArchSpec) -> Iterator[Options]:
    """The options, by the path of the hole, with which the template of `tree` is `arch` word for word.

    Fields that a template leaves out must have their defaults.
    """
    return _match(tree, tree.root, arch, {})


def _match(tree: Tree, node: Node, value: Any, known: Options) -> Iterator[Options]:
    if isinstance(node, Fixed):
        if _is(node.value, value):
            yield known
    elif isinstance(node, Choice | Shared):
        yield from _options(tree, node, value, known)
    elif isinstance(node, Record):
        if isinstance(value, msgspec.Struct) and _has_defaults(value, node.keys):
            values = [_tag(value) if key == _TAG else getattr(value, key, None) for key in node.keys]
            yield from _in_turn(tree, list(node.parts), values, known)
    elif isinstance(node, Listing) and isinstance(value, tuple | int):
        values = list(pair_of(value) if isinstance(value, int) else value)  # equal sides are held as one number
        yield from _items(tree, list(node.parts), values, known)


def _options(tree: Tree, node: Choice | Shared, value: Any, known: Options) -> Iterator[Options]:
    choice = tree.shared[node.name] if isinstance(node, Shared) else node
    path = choice.hole.path
    for option, inner in enumerate(choice.options):
        if known.get(path, option) == option:
            yield from _match(tree, inner, value, {**known, path: option})


def _in_turn(tree: Tree, nodes: list[Node], values: list[Any], known: Options) -> Iterator[Options]:
    if not nodes:
        yield known
        return
    for options in _match(tree, nodes[0], values[0], known):
        yield from _in_turn(tree, nodes[1:], values[1:], options)


def _items(tree: Tree, nodes: list[Node], values: list[Any], known: Options) -> Iterator[Options]:
    if not nodes:
        if not values:
            yield known
        return
    first, rest = nodes[0], nodes[1:]
    if not isinstance(first, Repeat):
        if values:
            for options in _match(tree, first, values[0], known):
                yield from _items(tree, rest, values[1:], options)
        return
    number = tree.shared[first.number.name] if isinstance(first.number, Shared) else first.number
    for option, count in enumerate(first.counts):
        if number is None:
            yield from _items(tree, [*first.copies[:count], *rest], values, known)
        elif known.get(number.hole.path, option) == option and count <= len(values):
            taken = {**known, number.hole.path: option}
            yield from _items(tree, [*first.copies[:count], *rest], values, taken)


_TAG = "type"


def _tag(value: msgspec.Struct) -> Any:
    return value.__struct_config__.tag


def _has_defaults(value: msgspec.Struct, without: tuple[str, ...]) -> bool:
    """Whether the fields of `value` hold their defaults, but for those in `without`."""
    return all(
        getattr(value, field.name) == field.default
        for field in msgspec.structs.fields(value)
        if field.name not in without
    )


def _is(plain: Any, value: Any) -> bool:
    """Whether `value`, a specification or a part of one, is what the plain JSON value says."""
    if isinstance(value, msgspec.Struct):
        if not isinstance(plain, dict) or not _has_defaults(value, tuple(plain)):
            return False
        return all(_is(each, _tag(value) if key == _TAG else getattr(value, key, None)) for key, each in plain.items())
    if isinstance(value, tuple):
        same_length = isinstance(plain, list) and len(plain) == len(value)
        return same_length and all(_is(one, other) for one, other in zip(plain, value, strict=True))
    return bool(one_spelling(plain) == value)
