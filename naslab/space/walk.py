"""Walks over a tree: which holes are active follows from the options taken on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from naslab.errors import SpecError, nearest
from naslab.space.genome import Gene, Genome, Hole
from naslab.space.tree import Choice, Fixed, Node, Repeat, Shared, Tree

if TYPE_CHECKING:
    import numpy as np

Chooser: TypeAlias = Callable[[Hole], int]
"""Takes an option of a hole."""


def walk(tree: Tree, choose: Chooser, start: Node | None = None) -> Genome:
    """The genome that a chooser makes, asked once for every active hole; of the part below `start` if that is given."""
    walker = _Walk(tree, choose)
    walker.visit(tree.root if start is None else start)
    shared: list[Gene] = []
    for name, choice in tree.shared.items():
        if name in walker.shared:
            local, walker.genes = walker.genes, [Gene(name, walker.shared[name])]
            walker.visit(choice.options[walker.shared[name]])
            shared += walker.genes
            walker.genes = local
    return Genome((*shared, *walker.genes))


class _Walk:
    """The genes met so far, and the options of the shared holes among them."""

    def __init__(self, tree: Tree, choose: Chooser) -> None:
        self.tree = tree
        self.choose = choose
        self.genes: list[Gene] = []
        self.shared: dict[str, int] = {}

    def visit(self, node: Node) -> None:
        if isinstance(node, Fixed):
            return
        if isinstance(node, Choice):
            self.visit(node.options[self.take(node)])
        elif isinstance(node, Shared):
            self.share(node)
        elif isinstance(node, Repeat):
            for copy in node.copies[: node.counts[self.number(node)]]:
                self.visit(copy)
        else:
            for part in node.open_parts:
                self.visit(part)

    def take(self, choice: Choice) -> int:
        option = self.decide(choice.hole)
        self.genes.append(Gene(choice.hole.path, option))
        return option

    def share(self, place: Shared) -> int:
        if place.name not in self.shared:
            self.shared[place.name] = self.decide(self.tree.shared[place.name].hole)
        return self.shared[place.name]

    def decide(self, hole: Hole) -> int:
        option = self.choose(hole)
        if not 0 <= option < len(hole.options):
            raise SpecError("genome", f"takes option {option} at '{hole.path}', which has {len(hole.options)}")
        return option

    def number(self, repeat: Repeat) -> int:
        if repeat.number is None:
            return 0
        return self.share(repeat.number) if isinstance(repeat.number, Shared) else self.take(repeat.number)


def from_known(known: Mapping[str, int], otherwise: Chooser) -> Chooser:
    """A chooser that takes the options in `known`, by the path of the hole, and asks `otherwise` for the rest."""

    def choose(hole: Hole) -> int:
        option = known.get(hole.path)
        return otherwise(hole) if option is None else option

    return choose


def at_random(rng: np.random.Generator) -> Chooser:
    """A chooser that takes every option with the same probability."""
    return lambda hole: int(rng.integers(len(hole.options)))


def first_option(hole: Hole) -> int:
    """The chooser that takes the first option of every hole."""
    return 0


def checked(tree: Tree, genome: Genome, start: Node | None = None) -> Genome:
    """The genome itself, if it takes exactly the active holes, in order; `SpecError` says what is wrong otherwise."""
    known = dict(genome.genes)

    def choose(hole: Hole) -> int:
        option = known.get(hole.path)
        if option is None:
            raise SpecError("genome", f"takes no option at the active hole '{hole.path}'")
        return option

    expected = walk(tree, choose, start)
    for gene in genome.genes:
        if gene.hole not in tree.holes:
            raise SpecError("genome", f"the space has no hole '{gene.hole}'{nearest(gene.hole, tree.holes)}")
    if expected.genes != genome.genes:
        wrong = set(genome.genes) - set(expected.genes)
        rule = (
            f"takes an option at '{min(wrong).hole}', which is not active" if wrong else "is not in the space's order"
        )
        raise SpecError("genome", rule)
    return genome


def fillings(tree: Tree, known: Mapping[str, int], start: Node | None = None) -> Iterator[Genome]:
    """Every genome that takes the known options where their holes are active, in a fixed order."""
    script: list[int] = []
    while True:  # ends when the last decision has taken its last option
        taken: list[int] = []
        widths: list[int] = []

        yield walk(tree, from_known(known, _scripted(script, taken, widths)), start)
        while taken and taken[-1] + 1 == widths[-1]:
            taken.pop()
            widths.pop()
        if not taken:
            return
        taken[-1] += 1
        script = taken


def _scripted(script: Sequence[int], taken: list[int], widths: list[int]) -> Chooser:
    """Takes the options of the script, then first ones, and notes what it took and among how many."""

    def choose(hole: Hole) -> int:
        option = script[len(taken)] if len(taken) < len(script) else 0
        taken.append(option)
        widths.append(len(hole.options))
        return option

    return choose
