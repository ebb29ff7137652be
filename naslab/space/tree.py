"""The tree of a template: what is fixed, what is chosen, and which holes share a value.

Holes are named by their path in the template. A hole inside an option is `stages[0].block.choice[1].kernel`, one inside
the second copy of a repeated stage `stages[1].of[1].width`; a hole with a name of its own is that name, wherever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import msgspec

from naslab.errors import SpecError, join_path
from naslab.space.genome import Hole
from naslab.space.template import is_hole, is_repeat


class Fixed(msgspec.Struct, frozen=True, eq=False):
    """A part without holes: its `value`, plain JSON."""

    value: Any


class Record(msgspec.Struct, frozen=True, eq=False, dict=True):
    """Fields, some of them with holes inside: `keys` and the `parts` that they hold, in order."""

    keys: tuple[str, ...]
    parts: tuple[Node, ...]

    @cached_property
    def open_parts(self) -> tuple[Node, ...]:
        """The parts that leave something to choose."""
        return tuple(part for part in self.parts if not isinstance(part, Fixed))


class Listing(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A list, some of its items (`parts`) with holes inside or repeated."""

    parts: tuple[Node, ...]

    @cached_property
    def open_parts(self) -> tuple[Node, ...]:
        """The parts that leave something to choose."""
        return tuple(part for part in self.parts if not isinstance(part, Fixed))


class Choice(msgspec.Struct, frozen=True, eq=False):
    """A `hole` that is not shared, and the trees of its `options`."""

    hole: Hole
    options: tuple[Node, ...]


class Shared(msgspec.Struct, frozen=True, eq=False):
    """A place of the shared hole `name`; its options are in the tree's `shared`."""

    name: str


class Repeat(msgspec.Struct, frozen=True, eq=False):
    """Independent copies in a list: `counts[option]` of them, the option taken at `number`."""

    number: Choice | Shared | None
    counts: tuple[int, ...]
    copies: tuple[Node, ...]


Node: TypeAlias = Fixed | Record | Listing | Choice | Shared | Repeat


class Tree(msgspec.Struct, frozen=True, eq=False):
    """A whole template.

    `shared` holds the shared holes by name, each before those inside its options. `holes` are all holes by path, in the
    order of genomes. `given` says for each hole which choices make it active (one way of perhaps several).
    """

    root: Record
    shared: dict[str, Choice]
    holes: dict[str, Hole]
    given: dict[str, dict[str, int]]


def grow_tree(template: dict[str, Any]) -> Tree:
    """The tree of a normalised `template`.

    Raises `SpecError` where it has no hole, or where the name of a shared hole is also the path of another hole.
    """
    growth = _Growth()
    root = growth.node(template, "", {})
    if isinstance(root, Fixed):
        raise SpecError("", "a space needs at least one hole such as {choice: [3, 5]}, got none")
    assert isinstance(root, Record)
    shared = growth.ordered_shared()
    clash = next((name for name in shared if name in growth.holes), None)
    if clash is not None:
        raise SpecError(clash, f"the name '{clash}' of a shared hole is also the path of another hole; rename it")
    holes = {choice.hole.path: choice.hole for choice in shared.values()} | growth.holes
    return Tree(root, shared, holes, growth.given)


class _Growth:
    """The holes found so far while a tree grows."""

    def __init__(self) -> None:
        self.holes: dict[str, Hole] = {}
        self.given: dict[str, dict[str, int]] = {}
        self.shared: dict[str, Choice] = {}
        self.inside: dict[str, set[str]] = {}
        self.within: list[str] = []

    def node(self, value: Any, path: str, given: dict[str, int]) -> Node:
        if is_hole(value):
            return self.choice(value, path, given)
        if isinstance(value, dict):
            parts = tuple(self.node(each, join_path(path, key), given) for key, each in value.items())
            fixed = all(isinstance(part, Fixed) for part in parts)
            return Fixed(value) if fixed else Record(tuple(value), parts)
        if isinstance(value, list):
            places = [f"{path}[{index}]" for index in range(len(value))]
            items = tuple(
                self.repeat(each, place, given) if is_repeat(each) else self.node(each, place, given)
                for each, place in zip(value, places, strict=True)
            )
            return Fixed(value) if all(isinstance(part, Fixed) for part in items) else Listing(items)
        return Fixed(value)

    def choice(self, value: dict[str, Any], path: str, given: dict[str, int]) -> Choice | Shared:
        name = value.get("name")
        if name is None:
            self.holes[path] = hole = Hole(path=path, options=tuple(value["choice"]))
            self.given.setdefault(path, given)
            return Choice(hole, self.options(value, path, given))
        self.inside.setdefault(name, set())
        if self.within:
            self.inside[self.within[-1]].add(name)
        if name not in self.given:
            self.given[name] = given
            self.within.append(name)
            options = self.options(value, name, given)
            self.within.pop()
            self.shared[name] = Choice(Hole(path=name, options=tuple(value["choice"]), is_shared=True), options)
        return Shared(name)

    def options(self, value: dict[str, Any], path: str, given: dict[str, int]) -> tuple[Node, ...]:
        return tuple(
            self.node(option, f"{path}.choice[{index}]", given | {path: index})
            for index, option in enumerate(value["choice"])
        )

    def repeat(self, value: dict[str, Any], path: str, given: dict[str, int]) -> Repeat:
        number = self.node(value["repeat"], f"{path}.repeat", given)
        of = value["of"]
        if isinstance(number, Fixed):
            copies = tuple(self.node(of, f"{path}.of[{index}]", given) for index in range(number.value))
            return Repeat(None, (number.value,), copies)
        assert isinstance(number, Choice | Shared)
        counts = tuple(value["repeat"]["choice"])
        hole = number.name if isinstance(number, Shared) else number.hole.path
        copies = tuple(
            self.node(of, f"{path}.of[{index}]", given | {hole: _first_above(counts, index)})
            for index in range(max(counts))
        )
        return Repeat(number, counts, copies)

    def ordered_shared(self) -> dict[str, Choice]:
        """The shared holes, each before those inside its options."""
        done: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in done:
                for inner in sorted(self.inside[name], reverse=True):
                    visit(inner)
                done[name] = None

        for name in reversed(self.inside):
            visit(name)
        return {name: self.shared[name] for name in reversed(done)}


def _first_above(counts: tuple[int, ...], index: int) -> int:
    return next(option for option, count in enumerate(counts) if count > index)


def locate(tree: Tree, steps: list[str | int], options: Mapping[str, int]) -> str:
    """The path in the template of a place in the architecture that these options make.

    `["stages", 1, "block", "kernel"]` may be `stages[0].of.block.choice[2].kernel`. Steps that lead on into a fixed
    part, or nowhere, are kept as they are.
    """
    path = ""
    node: Node = tree.root
    rest = list(steps)
    while True:
        if isinstance(node, Choice | Shared):
            choice = tree.shared[node.name] if isinstance(node, Shared) else node
            option = options[choice.hole.path]
            path, node = f"{path}.choice[{option}]", choice.options[option]
        elif isinstance(node, Record) and rest and rest[0] in node.keys:
            key = str(rest.pop(0))
            path, node = join_path(path, key), node.parts[node.keys.index(key)]
        elif isinstance(node, Listing) and rest and isinstance(rest[0], int):
            place, node = _item(node, rest[0], options)
            path, rest = path + place, rest[1:]
        else:
            return path + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest).removeprefix(
                "" if path else "."
            )


def _item(listing: Listing, index: int, options: Mapping[str, int]) -> tuple[str, Node]:
    """Where in the template's list the `index`-th item of the written list comes from."""
    for place, part in enumerate(listing.parts):
        if not isinstance(part, Repeat):
            if index == 0:
                return f"[{place}]", part
            index -= 1
            continue
        count = num_copies(part, options)
        if index < count:
            return f"[{place}].of", part.copies[index]
        index -= count
    return f"[{index}]", Fixed(None)


def num_copies(repeat: Repeat, options: Mapping[str, int]) -> int:
    """How many copies of a repeated part these `options` make, by the path of the hole."""
    if repeat.number is None:
        return repeat.counts[0]
    number = repeat.number
    return repeat.counts[options[number.name if isinstance(number, Shared) else number.hole.path]]


def plain_value(tree: Tree, node: Node, options: Mapping[str, int], shared: Callable[[str], Any] | None = None) -> Any:
    """What `node` of `tree` becomes with these `options` (of each active hole, by path), as plain JSON values.

    It asks for the options in the order of genomes. `shared` gives the value of a shared hole by its name, where that
    is known already.
    """
    if isinstance(node, Record):  # most parts are fixed, and read here rather than by a call each
        return {
            key: part.value if isinstance(part, Fixed) else plain_value(tree, part, options, shared)
            for key, part in zip(node.keys, node.parts, strict=True)
        }
    if isinstance(node, Choice):
        option = node.options[options[node.hole.path]]
        return option.value if isinstance(option, Fixed) else plain_value(tree, option, options, shared)
    if isinstance(node, Shared):
        return plain_value(tree, tree.shared[node.name], options) if shared is None else shared(node.name)
    if isinstance(node, Fixed):
        return node.value
    if isinstance(node, Listing):
        written: list[Any] = []
        for part in node.parts:
            value = plain_value(tree, part, options, shared)
            written.extend(value) if isinstance(part, Repeat) else written.append(value)
        return written
    return [plain_value(tree, copy, options, shared) for copy in node.copies[: num_copies(node, options)]]
