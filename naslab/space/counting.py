"""Counting the genomes of a space exactly, and naming each by its rank, without enumerating them.

Parts without shared holes multiply (records, lists) and add (options). A shared hole couples parts, so ways are counted
by need: the set of shared holes that a part makes active. The shared holes of a need are filled once, at the end.

| word | name in code | what it is |
|---|---|---|
| node | `Node` | a part of the template's tree: fixed, record, list, choice, shared hole, repeat (`tree.py`) |
| need | `Need` | the shared holes that a way of choosing makes active |
| ways | `Ways` | for each need, how many ways there are to choose the unshared holes within a node |
| fills | `_num_fills(need)` | how many ways there are to choose the shared holes of a need |
| size | `Counting.size` | sum over the needs of the root of ways times fills |
| rank | `genome_at(rank)` | 0 to size - 1: its digits in the mixed base of the counts are the options taken |

Two stages: a convolution of shared kernel `k` at two widths, then the same convolution or an MBConv. The first stage
has 2 ways, both of need {k}; the second 1 way of need {k} and 1 of none; together 2 x 1 + 2 x 1 = 4 ways, all of need
{k}, which has 2 fills: 8 genomes.

>>> from naslab.arch import ConvBlock, MBConv
>>> from naslab.space import SearchSpace, choice
>>> conv = {"type": "conv", "kernel": choice(3, 5, name="k")}
>>> stages = [{"block": conv, "width": choice(16, 32)}, {"block": choice(conv, MBConv()), "width": 32}]
>>> space = SearchSpace({"input": [3, 32, 32], "stages": stages, "num_classes": 10})
>>> space.size()
8
>>> [gene.option for gene in space.genome_at(0).genes], [gene.option for gene in space.genome_at(7).genes]
([0, 0, 0], [1, 1, 1])
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TypeAlias

from naslab.arch.memo import Memo
from naslab.space.genome import Gene, Genome
from naslab.space.tree import Choice, Fixed, Listing, Node, Repeat, Shared, Tree

Need: TypeAlias = frozenset[tuple[str, int | None]]
"""Active shared holes; with the option where a number of copies hangs on it, else `None` for any."""
Ways: TypeAlias = dict[Need, int]

Genes: TypeAlias = tuple[Gene, ...]
Picker: TypeAlias = Callable[[int], Genes]
"""The genes of the way of a rank."""

NO_NEED: Need = frozenset()
CACHED_PARTS = 1 << 16
CACHED_ROOTS = 1 << 10
"""Ways to choose outside of the shared holes that are few enough to be kept."""


class Counting:
    """Counts and ranks of the genomes of one `tree`; a rank is a number from 0 to `size` - 1."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._counted: set[str] = set()
        self._ways: dict[Node, Ways] = {}
        self._prefixes: dict[tuple[Node, ...], list[Ways]] = {}
        self._fills: dict[Need, int] = {}
        self._find_counted(tree)
        self._stage_parts = _stage_parts(tree)
        self._at_root: Memo[tuple[Need, int], Genes] = Memo(lambda way: self._pick_at_root(*way))
        self._pickers: dict[Node, Picker] = {}
        self.size = sum(count * self._num_fills(need) for need, count in self.ways(tree.root).items())

    def genome_at(self, rank: int) -> Genome:
        """The genome of a `rank`; every genome has exactly one. Raises `IndexError` for a rank beyond `size` - 1."""
        for need, count in self.ways(self._tree.root).items():
            fills = self._num_fills(need)
            if rank < count * fills:
                local, shared = divmod(rank, fills)
                genes = self._at_root[need, local] if count <= CACHED_ROOTS else self._pick_at_root(need, local)
                return Genome((*self._pick_shared(need, shared), *genes) if need else genes)
            rank -= count * fills
        raise IndexError(f"ranks are 0 to {self.size - 1}")

    def _pick_at_root(self, need: Need, rank: int) -> Genes:
        return self._pick(self._tree.root, need, rank)

    def ways(self, node: Node) -> Ways:
        """How many ways there are to choose the unshared holes within a `node`, by the shared holes that they need."""
        known = self._ways.get(node)
        if known is None:
            known = self._ways[node] = self._count(node)
        return known

    def _count(self, node: Node) -> Ways:
        if isinstance(node, Fixed):
            return {NO_NEED: 1}
        if isinstance(node, Choice):
            return _sum(self.ways(option) for option in node.options)
        if isinstance(node, Shared):
            if node.name not in self._counted:
                return {frozenset([(node.name, None)]): 1}
            options = range(len(self._tree.shared[node.name].options))
            return {frozenset([(node.name, option)]): 1 for option in options}
        if isinstance(node, Repeat):
            return _sum(_product({own: 1}, self._product_of(copies)) for own, copies in _numbers(node))
        return self._product_of(node.open_parts)

    def _product_of(self, parts: tuple[Node, ...]) -> Ways:
        return self._prefix(parts)[-1]

    def _prefix(self, parts: tuple[Node, ...]) -> list[Ways]:
        """The ways of the first 0, 1, 2, ... parts together."""
        known = self._prefixes.get(parts)
        if known is None:
            known = [{NO_NEED: 1}]
            for part in parts:
                known.append(_product(known[-1], self.ways(part)))
            self._prefixes[parts] = known
        return known

    def _pick(self, node: Node, need: Need, rank: int) -> Genes:
        """The genes of the `rank`-th way to choose within a node with this need."""
        if not need:
            return self._picker(node)(rank)
        if isinstance(node, Fixed | Shared):
            return ()
        if isinstance(node, Choice):
            for index, option in enumerate(node.options):
                count = self.ways(option).get(need, 0)
                if rank < count:
                    return (Gene(node.hole.path, index), *self._pick(option, need, rank))
                rank -= count
        elif isinstance(node, Repeat):
            for index, (own, copies) in enumerate(_numbers(node)):
                for inner, count in self._product_of(copies).items():
                    if _joined(own, inner) != need:
                        continue
                    if rank < count:
                        return (*_number_gene(node, index), *self._pick_parts(copies, inner, rank))
                    rank -= count
        else:
            return self._pick_parts(node.open_parts, need, rank)
        raise AssertionError("a rank beyond the count")

    def _pick_parts(self, parts: tuple[Node, ...], need: Need, rank: int) -> Genes:
        genes: Genes = ()
        for position in reversed(range(len(parts))):
            ways = self.ways(parts[position])
            need, own, rank, own_rank = _split(self._prefix(parts)[position], ways, need, rank)
            genes = self._pick(parts[position], own, own_rank) + genes
        return genes

    def _picker(self, node: Node) -> Picker:
        """What picks within a node where it makes no shared hole active: the digits of the rank, without a search."""
        known = self._pickers.get(node)
        if known is None:
            known = self._new_picker(node)
            known = self._pickers[node] = Memo(known, CACHED_PARTS).__getitem__ if node in self._stage_parts else known
        return known

    def _new_picker(self, node: Node) -> Picker:
        if isinstance(node, Fixed | Shared):
            return _no_genes
        if isinstance(node, Choice):
            heads = [(Gene(node.hole.path, index),) for index in range(len(node.options))]
            counts = [self._num_free(option) for option in node.options]
            tails = [
                self._picker(option) if count else None for option, count in zip(node.options, counts, strict=True)
            ]
            return _picker_of_options(heads, tails, counts)
        if isinstance(node, Repeat):
            free = [(index, copies) for index, (own, copies) in enumerate(_numbers(node)) if not own]
            counts = [self._product_of(copies).get(NO_NEED, 0) for _, copies in free]
            rows = [
                self._picker_of_row(copies) if count else None for (_, copies), count in zip(free, counts, strict=True)
            ]
            return _picker_of_options([_number_gene(node, index) for index, _ in free], rows, counts)
        return self._picker_of_row(node.open_parts)

    def _picker_of_row(self, parts: tuple[Node, ...]) -> Picker:
        steps = [(self._picker(part), self._num_free(part)) for part in reversed(parts)]
        if not steps:
            return _no_genes

        def pick(rank: int) -> Genes:
            genes: Genes = ()
            for pick_part, count in steps:
                rank, own = divmod(rank, count)
                genes = pick_part(own) + genes
            return genes

        return pick

    def _num_free(self, node: Node) -> int:
        """How many ways there are within a node that make no shared hole active."""
        return self.ways(node).get(NO_NEED, 0)

    def _num_fills(self, need: Need) -> int:
        """How many ways there are to fill the shared holes of a need."""
        if not need:
            return 1
        known = self._fills.get(need)
        if known is None:
            known = self._fills[need] = sum(
                count * self._num_fills(rest) for _, _, rest, count in self._fill_steps(need)
            )
        return known

    def _fill_steps(self, need: Need) -> list[tuple[int, Need, Need, int]]:
        """For the first shared hole of a need: option, the need within it, the need left, and the ways within it."""
        name = next(name for name in self._tree.shared if any(name == each for each, _ in need))
        fixed = next(option for each, option in need if each == name)
        others = need - {(name, fixed)}
        steps = []
        for index, option in enumerate(self._tree.shared[name].options):
            if fixed is not None and index != fixed:
                continue
            for own, count in self.ways(option).items():
                rest = _joined(others, own)
                if rest is not None:
                    steps.append((index, own, rest, count))
        return steps

    def _pick_shared(self, need: Need, rank: int) -> tuple[Gene, ...]:
        genes: tuple[Gene, ...] = ()
        while need:
            name = next(name for name in self._tree.shared if any(name == each for each, _ in need))
            for index, own, rest, count in self._fill_steps(need):
                fills = self._num_fills(rest)
                if rank < count * fills:
                    local, rank = divmod(rank, fills)
                    inner = self._pick(self._tree.shared[name].options[index], own, local)
                    genes = (*genes, Gene(name, index), *inner)
                    need = rest
                    break
                rank -= count * fills
        return genes

    def _find_counted(self, tree: Tree) -> None:
        """The shared holes that some number of copies hangs on."""
        seen: set[Node] = set()
        open_nodes: list[Node] = [tree.root, *tree.shared.values()]
        while open_nodes:
            node = open_nodes.pop()
            if node in seen:
                continue
            seen.add(node)
            if isinstance(node, Choice):
                open_nodes += node.options
            elif isinstance(node, Repeat):
                open_nodes += node.copies
                if isinstance(node.number, Shared):
                    self._counted.add(node.number.name)
            elif not isinstance(node, Fixed | Shared):
                open_nodes += node.parts


def _stage_parts(tree: Tree) -> frozenset[Node]:
    """The stages' templates, whose genes are worth keeping by rank."""
    parts: set[Node] = set()
    for part in tree.root.parts:
        for item in part.parts if isinstance(part, Listing) else ():
            parts |= set(item.copies) if isinstance(item, Repeat) else {item}
    return frozenset(parts)


def _numbers(node: Repeat) -> list[tuple[Need, tuple[Node, ...]]]:
    """For each number of copies: the need that takes it, and the copies."""
    shared = node.number.name if isinstance(node.number, Shared) else None
    return [
        (NO_NEED if shared is None else frozenset([(shared, option)]), node.copies[:count])
        for option, count in enumerate(node.counts)
    ]


def _number_gene(node: Repeat, option: int) -> Genes:
    """The gene of a number of copies that is a hole of its own; none otherwise."""
    return (Gene(node.number.hole.path, option),) if isinstance(node.number, Choice) else ()


def _picker_of_options(heads: Sequence[Genes], tails: Sequence[Picker | None], counts: Sequence[int]) -> Picker:
    """Picks one of several options, each with its own genes and `counts` ways within it; no tail where there are 0."""
    firsts = [0, *accumulate(counts)]
    if all(tail is _no_genes for tail in tails):  # an option is a plain value: it holds one rank
        return heads.__getitem__

    def pick(rank: int) -> Genes:
        index = bisect_right(firsts, rank) - 1
        tail = tails[index]
        if tail is _no_genes:
            return heads[index]
        assert tail is not None, "an option without ways holds no rank"
        return heads[index] + tail(rank - firsts[index])

    return pick


def _no_genes(rank: int) -> Genes:
    """The picker of parts without holes."""
    return ()


def _sum(ways: Iterable[Ways]) -> Ways:
    total: Ways = {}
    for each in ways:
        for need, count in each.items():
            total[need] = total.get(need, 0) + count
    return total


def _product(one: Ways, two: Ways) -> Ways:
    total: Ways = {}
    for need, count in one.items():
        for other, more in two.items():
            both = _joined(need, other)
            if both is not None:
                total[both] = total.get(both, 0) + count * more
    return total


def _joined(one: Need, two: Need) -> Need | None:
    """Both needs together; `None` where they take different options of one shared hole."""
    if not one or not two:
        return one or two
    both = one | two
    return both if len({name for name, _ in both}) == len(both) else None


def _split(before: Ways, ways: Ways, need: Need, rank: int) -> tuple[Need, Need, int, int]:
    """The needs and ranks of what is before a part and of the part itself, given those of both together."""
    for earlier, count in before.items():
        for own, more in ways.items():
            if _joined(earlier, own) != need:
                continue
            if rank < count * more:
                return earlier, own, *divmod(rank, more)
            rank -= count * more
    raise AssertionError("a rank beyond the count")
