"""Finding the choices that make a given network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from naslab.arch.blocks import Skip
from naslab.arch.canonical import canonical
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import SpecError
from naslab.space.decoding import Decoding
from naslab.space.genome import Genome
from naslab.space.matching import options_as_written
from naslab.space.tree import Choice, Node, Repeat, Shared, Tree
from naslab.space.walk import fillings, first_option, from_known, walk

Options = dict[str, int]

MAX_FILLINGS = 100_000
"""Ways to choose within one stage that are tried; with more, networks are found that are written as the template is."""

_NOTHING = (Stage(block=Skip()),)


def genomes_of(tree: Tree, decoding: Decoding, arch: ArchSpec) -> Iterator[Genome]:
    """Genomes whose networks have the canonical form of `arch`: first those that write it so, then stage by stage.

    A network that is written as the template writes it is read off it. Else every choice of one stage's template is
    tried behind each beginning that agrees with the network, so the time is the sum over the stages, not the product,
    unless choices agree for long.
    """
    target = canonical(arch)
    found: set[Genome] = set()
    for written in (arch, target):
        for options in options_as_written(tree, written):
            genome = walk(tree, from_known(options, first_option))
            if genome not in found and canonical(decoding.decode(genome)) == target:
                found.add(genome)
                yield genome
    for filling in fillings(tree, {}, decoding.frame):
        frame = msgspec.structs.replace(decoding.frame_of(dict(filling.genes)), stages=target.stages)
        if canonical(frame) == target:
            for options in _continued(tree, decoding, frame, list(decoding.items), dict(filling.genes), ()):
                genome = walk(tree, from_known(options, first_option))
                if genome not in found:
                    yield genome


def _continued(
    tree: Tree, decoding: Decoding, target: ArchSpec, items: list[Node], known: Options, stages: tuple[Stage, ...]
) -> Iterator[Options]:
    """The options that make the target of a beginning and the items left."""
    if not items:
        if stages and canonical(msgspec.structs.replace(target, stages=stages)) == canonical(target):
            yield known
        return
    item, rest = items[0], items[1:]
    if isinstance(item, Repeat):
        for options, copies in _numbers(tree, item, known):
            yield from _continued(tree, decoding, target, [*copies, *rest], options, stages)
        return
    for filling in islice(fillings(tree, known, item), MAX_FILLINGS):
        options = known | dict(filling.genes)
        longer = stages + decoding.stages_of(item, options)
        if _begins(target, longer):
            yield from _continued(tree, decoding, target, rest, options, longer)


def _numbers(tree: Tree, item: Repeat, known: Options) -> Iterator[tuple[Options, tuple[Node, ...]]]:
    number = tree.shared[item.number.name] if isinstance(item.number, Shared) else item.number
    if not isinstance(number, Choice):
        yield known, item.copies
        return
    path = number.hole.path
    for option, count in enumerate(item.counts):
        if known.get(path, option) == option:
            yield known | {path: option}, item.copies[:count]


def _begins(target: ArchSpec, stages: tuple[Stage, ...]) -> bool:
    """Whether the target begins with these stages, in canonical form."""
    if not stages:
        return True
    try:
        begun = canonical(msgspec.structs.replace(target, stages=stages)).stages
    except SpecError:
        return False
    wanted = canonical(target).stages
    if begun == _NOTHING:
        return True
    if len(begun) > len(wanted) or begun[:-1] != wanted[: len(begun) - 1]:
        return False
    last, whole = begun[-1], wanted[len(begun) - 1]
    return last.repeats <= whole.repeats and msgspec.structs.replace(last, repeats=whole.repeats) == whole
