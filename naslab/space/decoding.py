"""From genomes to architectures, with the stages decoded before kept, so that equal stages are one object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial

import msgspec

from naslab.arch.blocks import Skip
from naslab.arch.files import decode, decode_arch, encode
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import SpecError
from naslab.space.genome import Gene, Genome
from naslab.space.tree import Choice, Fixed, Listing, Node, Record, Repeat, Shared, Tree, plain_value
from naslab.space.walk import checked

CACHED_STAGES = 1 << 16
CACHED_NETWORKS = 1 << 12

Genes = tuple[Gene, ...]

_PLACEHOLDERS = [encode(Stage(block=Skip()))] * 1000
"""Stages of a frame, more than any part of it that counts stages can ask for."""


class Decoding:
    """Decodes the genomes of one tree: the frame (all but the stages) and each stage's template on their own."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        fields = dict(zip(tree.root.keys, tree.root.parts, strict=True))
        stages = fields.pop("stages", Fixed([]))
        self.frame = Record(tuple(fields), tuple(fields.values()))
        self.items: tuple[Node, ...] = stages.parts if isinstance(stages, Listing) else (stages,)
        self._is_list = not isinstance(stages, Listing)
        self._owner = dict.fromkeys(tree.holes, -1)
        for index, node in enumerate((self.frame, *self.items)):
            self._owner |= dict.fromkeys(_holes_below(node), index)
        self._stages: dict[Stage, Stage] = {}
        self._read_frame = lru_cache(CACHED_NETWORKS)(
            lambda own, common: self.frame_of(self._options(self.frame, own, common))
        )
        self._readers = [lru_cache(CACHED_STAGES)(partial(self._read, item)) for item in self.items]
        self.decode = lru_cache(CACHED_NETWORKS)(self._decode)

    def _decode(self, genome: Genome) -> ArchSpec:
        owner = self._owner
        groups: list[list[Gene]] = [[] for _ in range(len(self.items) + 2)]
        try:
            for gene in genome.genes:
                groups[owner[gene[0]]].append(gene)
            common = tuple(groups[-1])
            stages: list[Stage] = []
            for read, group in zip(self._readers, groups[1:-1], strict=True):
                stages += read(tuple(group), common)
            return msgspec.structs.replace(self._read_frame(tuple(groups[0]), common), stages=tuple(stages))
        except (SpecError, KeyError):
            # says where in the whole genome, or where in the whole network, it went wrong
            options = dict(checked(self._tree, genome).genes)
            decode_arch(plain_value(self._tree, self._tree.root, options))
            raise

    def _read(self, item: Node, own: Genes, common: Genes) -> tuple[Stage, ...]:
        return self.stages_of(item, self._options(item, own, common))

    def frame_of(self, options: Mapping[str, int]) -> ArchSpec:
        """The network that these options make, with placeholders for its stages."""
        plain = plain_value(self._tree, self.frame, options)
        return decode_arch({**plain, "stages": _PLACEHOLDERS})

    def stages_of(self, item: Node, options: Mapping[str, int]) -> tuple[Stage, ...]:
        """The stages that one item of the template's list makes of these options."""
        plain = plain_value(self._tree, item, options)
        written = plain if self._is_list or isinstance(item, Repeat) else [plain]
        stages = decode(written, tuple[Stage, ...])
        return tuple(self._stages.setdefault(stage, stage) for stage in stages)

    def _options(self, node: Node, own: Genes, common: Genes) -> dict[str, int]:
        """The options by hole, once it is sure that they are the active ones below the node."""
        options = dict(common + own)
        if not common:
            checked(self._tree, Genome(own), node)
        return options


def _holes_below(node: Node) -> Iterator[str]:
    """The paths of the holes below a node that are its own."""
    if isinstance(node, Choice):
        yield node.hole.path
        parts = node.options
    elif isinstance(node, Fixed | Shared):
        return
    elif isinstance(node, Repeat):
        yield from () if node.number is None else _holes_below(node.number)
        parts = node.copies
    else:
        parts = node.parts
    for part in parts:
        yield from _holes_below(part)
