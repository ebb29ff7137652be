"""One order of a graph's nodes, however the graph is written: graphs that only list their nodes otherwise are one.

| name | meaning |
|---|---|
| key | what a node does, as bytes: its layer, how it joins what it reads |
| colour | a number of a value; values that have different colours play different parts in the graph |
| twins | nodes of one colour that read the same values and are read at the same places: they may change places |

Colours are those of the keys at first and become finer: what a node reads and what reads it go into its next colour,
until no class is split any more (Weisfeiler and Leman 1968). Where nodes still share a colour that are no twins, each
is set apart in turn, and the order that gives the least encoding is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

from naslab.arch.layers.graph import Dag, Node

Encoding: TypeAlias = list[tuple[bytes, tuple[int, ...]]]
_MOST_TRIES = 2_000
"""Refinements for one graph; of one that needs more, the nodes stay as they are written."""


def canonical_order(graph: Dag, keys: Sequence[bytes]) -> list[int]:
    """The nodes of `graph`, by their place in it, in an order that does not depend on how the graph is written.

    `keys` says of each node what it does. Only what has nothing to do with places counts: keys, which values are read
    (in which order, where the join stacks them), and the order of the outputs.

    >>> from naslab.arch.layers.activation import Act, Identity
    >>> total = Node(Identity(), (1, 2))
    >>> one, other = (Dag(("a", "b", "sum"), (Node(x, (0,)), Node(y, (0,)), total), (3,))
    ...     for x, y in ((Act("relu"), Act("tanh")), (Act("tanh"), Act("relu"))))
    >>> canonical_order(one, [b"relu", b"tanh", b"sum"]), canonical_order(other, [b"tanh", b"relu", b"sum"])
    ([0, 1, 2], [1, 0, 2])
    """
    ahead = _read_colours(graph, keys)
    colours = _ranked([(0, index) for index in range(graph.num_inputs)] + [(1, each) for each in ahead])
    if len(set(ahead)) < len(ahead):
        colours = _Search(graph, keys).best(colours)
    nodes = range(len(graph.nodes))
    return sorted(nodes, key=lambda node: (colours[graph.num_inputs + node], node))


def is_ordered(node: Node) -> bool:
    """Whether it matters in which order a node reads its values: a stack of channels is one of an order."""
    return node.join == "concat" and len(node.inputs) > 1


def reads(node: Node, places: Sequence[int]) -> tuple[int, ...]:
    """What a node reads, by the new numbers `places` of all values: sorted where the order makes no difference."""
    read = [places[index] for index in node.inputs]
    shifted = () if node.shifted_like is None else (places[node.shifted_like],)
    return (*(read if is_ordered(node) else sorted(read)), *shifted)


def _read_colours(graph: Dag, keys: Sequence[bytes]) -> list[bytes]:
    """Of each node a digest of what it does and of all that leads to it."""
    found = [b"%d" % index for index in range(graph.num_inputs)]
    for key, node in zip(keys, graph.nodes, strict=True):
        read = [found[index] for index in node.inputs]
        shifted = [] if node.shifted_like is None else [found[node.shifted_like]]
        parts = [key, *(read if is_ordered(node) else sorted(read)), *shifted]
        found.append(blake2b(b"|".join(parts), digest_size=16).digest())
    return found[graph.num_inputs :]


class _Search:
    """The search for the colours of least encoding."""

    def __init__(self, graph: Dag, keys: Sequence[bytes]) -> None:
        self.graph = graph
        self.keys = keys
        self.tries = 0
        self.readers: list[list[tuple[int, int]]] = [[] for _ in range(graph.num_inputs + len(graph.nodes))]
        for number, node in enumerate(graph.nodes, graph.num_inputs):
            for slot, value in enumerate(node.inputs):
                self.readers[value].append((number, slot if is_ordered(node) else -1))
            if node.shifted_like is not None:
                self.readers[node.shifted_like].append((number, -2))
        for place, value in enumerate(graph.outputs):
            self.readers[value].append((len(self.readers), place))

    def best(self, colours: list[int]) -> list[int]:
        """The colours, finer, all of them different but for twins; those given where the graph needs too many tries."""
        found = self._finest(colours)
        return colours if found is None else found

    def _finest(self, colours: list[int]) -> list[int] | None:
        self.tries += 1
        if self.tries > _MOST_TRIES:
            return None
        if self._tied(colours) is None:
            return colours
        colours = self._refined(colours)
        tied = self._tied(colours)
        if tied is None:
            return colours
        best: tuple[Encoding, list[int]] | None = None
        for chosen in tied:
            apart = _ranked([(each, value != chosen) for value, each in enumerate(colours)])
            found = self._finest(apart)
            if found is None:
                return None
            candidate = (self._encoded(found), found)
            if best is None or candidate[0] < best[0]:
                best = candidate
        assert best is not None
        return best[1]

    def _refined(self, colours: list[int]) -> list[int]:
        """Colours that what is read and what reads change no more."""
        graph = self.graph
        while True:
            outside = [*colours, -1]  # what reads an output stands behind all values
            seen: list[tuple[Any, ...]] = []
            for value, colour in enumerate(colours):
                behind = sorted([(outside[reader], slot) for reader, slot in self.readers[value]])
                node = value - graph.num_inputs
                before = reads(graph.nodes[node], colours) if node >= 0 else ()
                seen.append((colour, before, tuple(behind)))
            finer = _ranked(seen)
            if max(finer) == max(colours):
                return colours
            colours = finer

    def _tied(self, colours: list[int]) -> list[int] | None:
        """The values of the first colour that several share and that are no twins."""
        classes: dict[int, list[int]] = {}
        for value, colour in enumerate(colours):
            classes.setdefault(colour, []).append(value)
        for colour in sorted(classes):
            members = classes[colour]
            if len(members) > 1 and len({self._twin_key(each) for each in members}) > 1:
                return members
        return None

    def _twin_key(self, value: int) -> tuple[Any, ...]:
        node = self.graph.nodes[value - self.graph.num_inputs]
        return tuple(sorted(node.inputs)), tuple(sorted(self.readers[value]))

    def _encoded(self, colours: list[int]) -> Encoding:
        graph = self.graph
        order = sorted(range(len(graph.nodes)), key=lambda node: (colours[graph.num_inputs + node], node))
        places = list(range(graph.num_inputs)) + [0] * len(order)
        for place, node in enumerate(order, graph.num_inputs):
            places[graph.num_inputs + node] = place
        encoded = [(self.keys[node], reads(graph.nodes[node], places)) for node in order]
        return [*encoded, (b"outputs", tuple(places[value] for value in graph.outputs))]


def _ranked(seen: Sequence[Any]) -> list[int]:
    """The rank of each value among the different ones: equal values share one."""
    ranks = {value: rank for rank, value in enumerate(sorted(set(seen)))}
    return [ranks[each] for each in seen]
