"""From genomes to architectures, with the stages decoded before kept, so that equal stages are one object."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, cast

import msgspec

from naslab.arch.block import Block
from naslab.arch.blocks import AnyBlock, Skip
from naslab.arch.files import decode, decode_arch, encode
from naslab.arch.memo import Memo
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import SpecError
from naslab.space.genome import Gene, Genome
from naslab.space.tree import Choice, Fixed, Listing, Node, Record, Repeat, Shared, Tree, plain_value
from naslab.space.walk import checked

CACHED_STAGES = 1 << 16
CACHED_NETWORKS = 1 << 10

Genes = tuple[Gene, ...]

_COMMON = -1
"""The owner of shared holes."""
_NO_GENE = ("", -1)
"""What stands behind the last gene."""
_PLACEHOLDERS = [encode(Stage(block=Skip()))] * 1000
"""Stages of a frame, more than any part of it that counts stages can ask for."""


class Decoding:
    """Decodes the genomes of one tree: the frame (all but the stages) and each stage's template on their own."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        fields = dict(zip(tree.root.keys, tree.root.parts, strict=True))
        before = fields.keys() if "stages" not in fields else tree.root.keys[: tree.root.keys.index("stages")]
        stages = fields.pop("stages", Fixed([]))
        self.frame = Record(tuple(fields), tuple(fields.values()))
        self.items: tuple[Node, ...] = stages.parts if isinstance(stages, Listing) else (stages,)
        self._is_list = not isinstance(stages, Listing)
        last = len(self.items) + 1
        self._owner = dict.fromkeys(tree.holes, _COMMON)
        for key, part in fields.items():
            self._owner |= dict.fromkeys(_holes_below(part), 0 if key in before else last)
        for index, node in enumerate(self.items, 1):
            self._owner |= dict.fromkeys(_holes_below(node), index)
        self._frame_shares = _has_shared(self.frame)
        self._shares = [_has_shared(item) for item in self.items]
        self._stages: dict[Stage, Stage] = {}
        self._shared_values: Memo[Genes, Memo[str, Any]] = Memo(
            lambda common: Memo(partial(self._shared_value, dict(common)))
        )
        self._readers = [self._reader(item) for item in self.items]
        self._read_frame = lru_cache(CACHED_NETWORKS)(self._new_frame)
        self.decode = lru_cache(CACHED_NETWORKS)(self._decode)

    def _decode(self, genome: Genome) -> ArchSpec:
        try:
            common, *parts = self._by_owner(genome.genes)
            if common:
                checked(self._tree, genome)  # which shared holes are active, no part tells by itself
            stages: list[Stage] = []
            for read, shares, own in zip(self._readers, self._shares, parts[1:-1], strict=True):
                stages += read[common if shares else ()][own]
            frame = self._read_frame(parts[0] + parts[-1], common if self._frame_shares else ())
            return msgspec.structs.replace(frame, stages=tuple(stages))
        except (SpecError, LookupError):
            # says where in the whole genome, or where in the whole network, it went wrong
            options = dict(checked(self._tree, genome).genes)
            decode_arch(plain_value(self._tree, self._tree.root, options))
            raise

    def _by_owner(self, genes: Genes) -> list[Genes]:
        """The shared genes, those of the frame before the stages, each item's, and the frame's behind them.

        They stand in this order; genes in another order are told from their parts.
        """
        owner = self._owner
        owners = [owner[path] for path, _ in genes]
        groups = []
        start = 0
        for index in range(_COMMON, len(self.items) + 1):
            stop = bisect_right(owners, index, start)
            groups.append(genes[start:stop])
            start = stop
        groups.append(genes[start:])
        return groups

    def _reader(self, item: Node) -> Memo[Genes, Memo[Genes, tuple[Stage, ...]]]:
        """The stages that an item's own genes make with the shared ones, kept."""
        return Memo(lambda common: Memo(partial(self._read, item, common), CACHED_STAGES))

    def _shared_value(self, options: dict[str, int], name: str) -> Any:
        """The plain value of a shared hole, once for all of its places."""
        return plain_value(self._tree, Shared(name), options)

    def _read(self, item: Node, common: Genes, own: Genes) -> tuple[Stage, ...]:
        if common:
            return self.stages_of(item, dict(common + own), self._shared_values[common].__getitem__)
        options = _Asked(own)
        stages = self.stages_of(item, options)
        options.refuse_left()
        return stages

    def _new_frame(self, own: Genes, common: Genes) -> ArchSpec:
        if common:
            return self.frame_of(dict(common + own))
        options = _Asked(own)
        frame = self.frame_of(options)
        options.refuse_left()
        return frame

    def frame_of(self, options: Mapping[str, int]) -> ArchSpec:
        """The network that these options make, with placeholders for its stages."""
        plain = plain_value(self._tree, self.frame, options)
        return decode_arch({**plain, "stages": _PLACEHOLDERS})

    def stages_of(
        self, item: Node, options: Mapping[str, int], shared: Callable[[str], Any] | None = None
    ) -> tuple[Stage, ...]:
        """The stages that one item of the template's list makes of these `options`.

        `shared` gives the plain value of a shared hole by its name, where that is known already.
        """
        plain = plain_value(self._tree, item, options, shared)
        written = plain if self._is_list or isinstance(item, Repeat) else [plain]
        stages = decode([_with_block(stage) for stage in written], tuple[Stage, ...])
        return tuple(self._stages.setdefault(stage, stage) for stage in stages)


def _with_block(stage: Any) -> Any:
    """A plain stage with its block decoded, if it can be: equal blocks of several stages are decoded once."""
    if not isinstance(stage, dict) or not isinstance(stage.get("block"), dict):
        return stage
    try:
        return {**stage, "block": _block_of[msgspec.json.encode(stage["block"])]}
    except SpecError:  # decoding the stage says where it stands
        return stage


_block_of: Memo[bytes, Block] = Memo(lambda text: decode(msgspec.json.decode(text), cast("type[Block]", AnyBlock)))


class _Asked(dict[str, int]):
    """Options by hole, which must be asked for once each in the order of their genes: these are the active ones."""

    def __init__(self, genes: Genes) -> None:
        super().__init__()
        self._genes = iter(genes)

    def __missing__(self, hole: str) -> int:
        path, option = next(self._genes, _NO_GENE)
        if path != hole or option < 0:
            raise LookupError(hole)
        return option

    def refuse_left(self) -> None:
        """Raise `LookupError` where the option of a gene was not asked for."""
        if next(self._genes, None) is not None:
            raise LookupError("genome")


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


def _has_shared(node: Node) -> bool:
    """Whether a shared hole is chosen somewhere in `node`: all else is read without the options of shared holes."""
    if isinstance(node, Shared):
        return True
    if isinstance(node, Fixed):
        return False
    if isinstance(node, Choice):
        return any(map(_has_shared, node.options))
    if isinstance(node, Repeat):
        return isinstance(node.number, Shared) or any(map(_has_shared, node.copies))
    return any(map(_has_shared, node.parts))
