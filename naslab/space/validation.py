"""Refusing a bad template before anything is searched: every option of every hole is tried once, in place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from naslab.arch.cost import cost
from naslab.errors import SpecError
from naslab.space.decoding import Decoding
from naslab.space.genome import Gene, Genome, Hole
from naslab.space.template import is_hole
from naslab.space.tree import Tree, locate
from naslab.space.walk import at_random, first_option, from_known, walk

MAX_OPTIONS = 50_000
"""Options of all holes of a space: each of them is tried."""
TRIES = 64
"""Random fillings of the other holes before an option is taken to be wrong itself."""
MOST_FAILURES = 8
"""Genomes of options not seen yet that may be no networks, as in spaces whose options clash, before each is alone."""


def refuse_bad_options(tree: Tree, decoding: Decoding) -> None:
    """Raise `SpecError`, its path that of the template, if an option is part of no network.

    An option may still clash with others (groups that do not divide a width); it only has to fit somewhere. The largest
    strides together must leave something of the input. Raises it, too, for more than `MAX_OPTIONS` options in all.
    """
    num_options = sum(len(hole.options) for hole in tree.holes.values())
    if num_options > MAX_OPTIONS:
        raise SpecError("", f"the holes of a space may have {MAX_OPTIONS:,} options in all, got {num_options:,}")
    _try(tree, decoding, {})
    seen = _Seen(tree, decoding)
    for path, hole in tree.holes.items():
        for option in range(len(hole.options)):
            known = tree.given[path] | {path: option}
            if Gene(path, option) not in seen.genes and not seen.sees(known):
                _try(tree, decoding, known)
    strides = {path: _largest(hole) for path, hole in tree.holes.items() if _OF_A_STRIDE.search(path)}
    _try(tree, decoding, strides)


_OF_A_STRIDE = re.compile(r"stride(\.choice\[\d+\])*(\[\d\])?(\.choice\[\d+\])*$")
"""Paths of holes for a stride, or for one side of it."""


class _Seen:
    """The options that networks are known to have: `genes`. One network shows an option of each of its holes."""

    def __init__(self, tree: Tree, decoding: Decoding) -> None:
        self._tree = tree
        self._decoding = decoding
        self._failures = self._turn = 0
        self.genes: set[Gene] = set()

    def sees(self, known: Mapping[str, int]) -> bool:
        """Whether the genome of `known` and, elsewhere, of options that none has shown yet, is a network."""
        if self._failures >= MOST_FAILURES:
            return False
        self._turn += 1
        genome = walk(self._tree, from_known(known, self._next_option))
        try:
            cost(self._decoding.decode(genome))
        except SpecError:
            self._failures += 1
            return False
        self.genes.update(genome.genes)
        return True

    def _next_option(self, hole: Hole) -> int:
        """One that none has shown, else each in turn, for what is chosen inside of it."""
        count = len(hole.options)
        unseen = (each for each in range(count) if Gene(hole.path, each) not in self.genes)
        return next(unseen, self._turn % count)


def _try(tree: Tree, decoding: Decoding, known: Mapping[str, int]) -> None:
    first: SpecError | None = None
    for genome in _attempts(tree, known):
        try:
            cost(decoding.decode(genome))
        except SpecError as error:
            first = first or _in_template(error, tree, genome)
        else:
            return
    assert first is not None
    raise first


def _attempts(tree: Tree, known: Mapping[str, int]) -> Iterator[Genome]:
    """The genome with the first option everywhere else, then random ones."""
    import numpy as np

    yield walk(tree, from_known(known, first_option))
    choose = from_known(known, at_random(np.random.default_rng(0)))
    for _ in range(TRIES):
        yield walk(tree, choose)


def _in_template(error: SpecError, tree: Tree, genome: Genome) -> SpecError:
    """An error of a network seen from the template that made it."""
    steps = [int(index) if index else name for index, name in re.findall(r"\[(\d+)\]|([^.\[\]]+)", error.field)]
    return SpecError(locate(tree, steps, dict(genome.genes)), error.rule)


def _largest(hole: Hole) -> int:
    areas = [_area(each) for each in hole.options]
    return areas.index(max(areas))


def _area(stride: Any) -> int:
    """How many positions become one at a stride of plain values and holes; 0 for what is none."""
    return prod(_longest(side) for side in (stride if isinstance(stride, list) else (stride, stride)))


def _longest(side: Any) -> int:
    """The longest step of one side of a stride: of its options, where it is a hole."""
    if is_hole(side):
        return max(_longest(option) for option in side["choice"])
    return side if isinstance(side, int) else 0
