"""Moves from genome to genome: one choice changed, stages inserted, deleted and swapped, parents crossed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from naslab.space.genome import Gene, Genome, other_option
from naslab.space.tree import Choice, Fixed, Listing, Node, Repeat, Shared, Tree
from naslab.space.walk import at_random, fillings, from_known, walk

if TYPE_CHECKING:
    import numpy as np


class Copies(NamedTuple):
    """A repeated stage: the hole that counts the copies, the counts of its options, and the copies' paths."""

    number: str
    counts: tuple[int, ...]
    paths: tuple[str, ...]


class GenomeMoves:
    """The moves within one tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._copies = {copies.number: copies for copies in _repeats(tree.root)}
        self._stage_of = _stages_of_holes(tree)

    def mutated(self, genome: Genome, rng: np.random.Generator, near: bool = False) -> Genome:
        """The genome after one random move, what becomes active filled at random; itself where there is no move.

        With `near` ordered choices prefer near options, as `other_option` says.
        """
        active = dict(genome.genes)
        movable = [path for path in active if len(self._tree.holes[path].options) > 1]
        swappable = [copies for copies in self._copies.values() if self._distinct_copies(copies, genome)]
        if not movable and not swappable:
            return genome
        index = int(rng.integers(len(movable) + len(swappable)))
        if index >= len(movable):
            return self._swapped(swappable[index - len(movable)], genome, rng)
        path = movable[index]
        option = other_option(self._tree.holes[path], active[path], rng, near)
        if path in self._copies:
            return self._resized(self._copies[path], option, genome, rng)
        return self._filled(active | {path: option}, rng)

    def single_changes(self, genome: Genome, rng: np.random.Generator) -> Iterator[Genome]:
        """For every active choice and each of its other options one genome, what becomes active filled at random."""
        active = dict(genome.genes)
        for path, taken in genome.genes:
            for option in range(len(self._tree.holes[path].options)):
                if option != taken:
                    yield self._filled(active | {path: option}, rng)

    def neighbours(self, genome: Genome) -> Iterator[Genome]:
        """Every genome that makes all other choices alike; the numbers of stages last, one option up or down."""
        active = dict(genome.genes)
        for path, taken in sorted(genome.genes, key=lambda gene: gene.hole in self._copies):
            for option in range(len(self._tree.holes[path].options)):
                if option == taken or (path in self._copies and abs(option - taken) != 1):
                    continue
                yield from fillings(self._tree, active | {path: option})

    def crossed(self, one: Genome, two: Genome, rng: np.random.Generator) -> Genome:
        """Each stage, and each choice outside the stages, from either parent at equal odds."""
        parts = (self._by_stage(one), self._by_stage(two))
        known: dict[str, int] = {}
        for stage in dict.fromkeys((*parts[0], *parts[1])):
            having = [part[stage] for part in parts if stage in part]
            known.update(having[int(rng.integers(len(having)))])
        return self._filled(known, rng)

    def _by_stage(self, genome: Genome) -> dict[str, list[Gene]]:
        grouped: dict[str, list[Gene]] = {}
        for gene in genome.genes:
            grouped.setdefault(self._stage_of.get(gene.hole, gene.hole), []).append(gene)
        return grouped

    def _filled(self, known: dict[str, int], rng: np.random.Generator) -> Genome:
        return walk(self._tree, from_known(known, at_random(rng)))

    def _distinct_copies(self, copies: Copies, genome: Genome) -> bool:
        option = genome.get(copies.number)
        if option is None or copies.counts[option] < 2:
            return False
        own = [_genes_at(genome, path) for path in copies.paths[: copies.counts[option]]]
        return any(each != own[0] for each in own)

    def _swapped(self, copies: Copies, genome: Genome, rng: np.random.Generator) -> Genome:
        """Two copies that differ have changed places."""
        option = genome.get(copies.number)
        assert option is not None
        own = [_genes_at(genome, path) for path in copies.paths[: copies.counts[option]]]
        pairs = [(i, j) for i in range(len(own)) for j in range(i) if own[i] != own[j]]
        first, second = pairs[int(rng.integers(len(pairs)))]
        own[first], own[second] = own[second], own[first]
        return self._filled(_placed(copies, genome, own), rng)

    def _resized(self, copies: Copies, option: int, genome: Genome, rng: np.random.Generator) -> Genome:
        """Random copies are deleted, or new random ones inserted at random places."""
        taken = genome.get(copies.number)
        assert taken is not None
        own = [_genes_at(genome, path) for path in copies.paths[: copies.counts[taken]]]
        while len(own) > copies.counts[option]:
            own.pop(int(rng.integers(len(own))))
        while len(own) < copies.counts[option]:
            own.insert(int(rng.integers(len(own) + 1)), {})
        return self._filled(_placed(copies, genome, own) | {copies.number: option}, rng)


def _genes_at(genome: Genome, path: str) -> dict[str, int]:
    """The genes below a path, named from there."""
    return {hole.removeprefix(path): option for hole, option in genome.genes if _is_below(hole, path)}


def _is_below(hole: str, path: str) -> bool:
    return hole.startswith(path) and hole[len(path) : len(path) + 1] in ("", ".", "[")


def _placed(copies: Copies, genome: Genome, own: list[dict[str, int]]) -> dict[str, int]:
    """The genome's options with these genes in the place of its copies'."""
    others = {h: option for h, option in genome.genes if not any(_is_below(h, path) for path in copies.paths)}
    placed = zip(copies.paths, own, strict=False)
    return others | {path + inner: option for path, genes in placed for inner, option in genes.items()}


def _repeats(node: Node) -> Iterator[Copies]:
    """Every repeated part that a hole of its own counts."""
    if isinstance(node, Fixed | Shared):
        return
    if isinstance(node, Repeat):
        if isinstance(node.number, Choice):
            stem = node.number.hole.path.removesuffix(".repeat")
            paths = tuple(f"{stem}.of[{index}]" for index in range(len(node.copies)))
            yield Copies(node.number.hole.path, node.counts, paths)
        parts = node.copies
    else:
        parts = node.options if isinstance(node, Choice) else node.parts
    for part in parts:
        yield from _repeats(part)


def _stages_of_holes(tree: Tree) -> dict[str, str]:
    """The stage that each hole of a stage belongs to, copies each on their own."""
    owners: dict[str, str] = {}
    stages = dict(zip(tree.root.keys, tree.root.parts, strict=True)).get("stages")
    if not isinstance(stages, Listing):
        return owners
    for place, item in enumerate(stages.parts):
        paths = [f"stages[{place}]"]
        if isinstance(item, Repeat):
            paths = [f"stages[{place}].of[{index}]" for index in range(len(item.copies))]
        for path in paths:
            owners |= {hole: path for hole in tree.holes if _is_below(hole, path)}
    return owners
