"""Which node of a parent's graph a node of a child's stands for, where their nodes or connections differ.

Nodes are paired in passes, the surest first, each node once:

| pass | layer | reads | leads to |
|---|---|---|---|
| 1 | equal | the same places | the same place |
| 2 | equal | anything | the same place |
| 3 | equal | the same places | anything |
| 4 | equal | anything | anything |
| 5 | of one kind, with weights of one name | the same places | the same place |

The place that a node leads to is its name up to the first underscore: a cell calls the operations whose sum is its
state 3 `node3_0`, `node3_1`. Two nodes read the same places where what they read leads to the same places.
"""

from __future__ import annotations

from collections.abc import Callable

from naslab.arch.plan import Dag, Layer, Node
from naslab.training.inheritance.channels import layers_with_weights


def matched_nodes(old: Dag, new: Dag) -> list[int | None]:
    """For each node of the graph `new` the index of the node of `old` that it stands for, `None` without one.

    >>> from naslab.arch.plan import Conv, Node
    >>> three, one = Conv(4, 4, (3, 3), padding=(1, 1)), Conv(4, 4)
    >>> old = Dag(("node1_0", "node1_1"), (Node(three, (0,)), Node(one, (0,))), (1, 2))
    >>> new = Dag(("node1_0", "node1_1"), (Node(one, (0,)), Node(one, (0,))), (1, 2))
    >>> matched_nodes(old, new)
    [1, 0]
    """
    found: list[int | None] = [None] * len(new.nodes)
    left = set(range(len(old.nodes)))
    theirs, ours = _sources(old), _sources(new)
    is_equal = [[_is_equal(was, now) for now in new.nodes] for was in old.nodes]

    def reads_alike(was: int, now: int) -> bool:
        return theirs[was] == ours[now]

    def leads_alike(was: int, now: int) -> bool:
        return _place(old.names[was]) == _place(new.names[now])

    passes: tuple[Callable[[int, int], bool], ...] = (
        lambda was, now: is_equal[was][now] and reads_alike(was, now) and leads_alike(was, now),
        lambda was, now: is_equal[was][now] and leads_alike(was, now),
        lambda was, now: is_equal[was][now] and reads_alike(was, now),
        lambda was, now: is_equal[was][now],
        lambda was, now: (
            reads_alike(was, now) and leads_alike(was, now) and _is_alike(old.nodes[was].layer, new.nodes[now].layer)
        ),
    )
    for fits in passes:
        for now in range(len(new.nodes)):
            if found[now] is None:
                was = next((each for each in sorted(left) if fits(each, now)), None)
                if was is not None:
                    found[now] = was
                    left.remove(was)
    return found


def _is_equal(old: Node, new: Node) -> bool:
    return (old.layer, old.join) == (new.layer, new.join)


def _is_alike(old: Layer, new: Layer) -> bool:
    """Whether two layers are of one kind and have weights in places of one name."""
    if type(old) is not type(new):
        return False
    theirs, ours = layers_with_weights(old), layers_with_weights(new)
    return bool({(name, type(each)) for name, each in theirs} & {(name, type(each)) for name, each in ours})


def _place(name: str) -> str:
    return name.partition("_")[0]


def _sources(graph: Dag) -> list[tuple[str, ...]]:
    """The places that each node reads, in order of their names."""
    places = [f"input {index}" for index in range(graph.num_inputs)] + [_place(name) for name in graph.names]
    return [tuple(sorted(places[index] for index in node.inputs)) for node in graph.nodes]
