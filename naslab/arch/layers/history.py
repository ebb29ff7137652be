"""Histories, whose graphs read earlier outputs, and networks with auxiliary heads: how each is counted is beside it.

| name | meaning |
|---|---|
| step | a layer of a history; value 0 is the history's input, value i the output of step i - 1 |

Values, `maps`, `reads` and `keeps` are those of `naslab.arch.layers.graph`.
"""

from __future__ import annotations

from functools import lru_cache

from naslab.arch.declaration import Counts, Declaration, Layer, NamedPart, Shape, declare, named_parts
from naslab.arch.layers.combinators import Sequence, row_words, sequence_parts
from naslab.arch.layers.graph import Dag, dag_tally, graph_counts
from naslab.arch.span import POINT, then
from naslab.arch.tally import counts, num_values, tally
from naslab.errors import SpecError


class History(Layer, frozen=True, gc=False):
    """`layers` one after another under their `names`, where a `Dag` of n inputs reads the last n outputs, oldest first.

    Where there are fewer, the history's input stands for those that are missing. Any other layer reads the last
    output. The layers of a history inside a history count as the outer one's own.
    """

    names: tuple[str, ...]
    layers: tuple[Layer, ...]


class Supervised(Layer, frozen=True, gc=False):
    """A network, `body`, with auxiliary heads behind some of its parts, in training only (arXiv 1409.4842, section 5).

    `taps` are triples of a part's name, the head that reads its output, and the factor of the head's loss.
    """

    body: Sequence | History
    taps: tuple[tuple[str, Layer, float], ...]


def _count_history(layer: History, shape: Shape, keep: bool) -> Counts:
    return history_counts(layer, shape, keep)


def history_counts(layer: History, shape: Shape, keep: bool = False, with_span: bool = True) -> Counts:
    """What `naslab.arch.tally.counts` returns for the history `layer` on a map of `shape`, needed behind it if `keep`.

    Without `with_span`, `POINT` stands for the span: in a history that takes longer than all else. Raises `SpecError`
    naming the step that does not fit.
    """
    steps = history_steps(layer)
    reads = [step_reads(index, each) for index, (_, each) in enumerate(steps)]
    last_read = dict.fromkeys(range(len(steps) + 1), -1)
    for index, (_, each) in enumerate(steps):
        last_read |= {reads[index][number]: index for number in inputs_read(each)}
    if keep:
        last_read[0] = len(steps)
    maps, spans = [shape], [POINT]
    params = macs = activations = peak = 0
    for index, (name, each) in enumerate(steps):
        wanted = reads[index]
        held = sum(
            [num_values(maps[value]) for value in range(index) if last_read[value] >= index and value not in wanted]
        )
        try:
            if isinstance(each, Dag):
                distinct = sorted(set(wanted))
                graph = (
                    each,
                    tuple([maps[value] for value in distinct]),
                    tuple([distinct.index(value) for value in wanted]),
                    tuple([last_read[value] > index for value in distinct]),
                )
                part = (
                    dag_tally(*graph, tuple([spans[value] for value in distinct]))
                    if with_span
                    else graph_counts(*graph)
                )
                span = part.span
            else:
                part = tally(each, maps[-1], last_read[index] > index)
                span = then(spans[-1], part.span) if with_span else POINT
        except SpecError as error:
            raise error.inside(name) from None
        params, macs, activations = params + part.params, macs + part.macs, activations + part.activations
        peak = max(peak, held + part.peak)
        maps.append(part.out_shape)
        spans.append(span)
    return maps[-1], params, macs, activations, peak or num_values(shape), spans[-1]


def history_steps(layer: History) -> list[tuple[str, Layer]]:
    """The steps of a history: its layers in order, those of inner histories among them, each with its path."""
    steps: list[tuple[str, Layer]] = []
    for name, each in zip(layer.names, layer.layers, strict=True):
        if isinstance(each, History):
            steps.extend((f"{name}.{inner}", part) for inner, part in history_steps(each))
        else:
            steps.append((name, each))
    return steps


def step_reads(index: int, layer: Layer) -> tuple[int, ...]:
    """The values that `layer` reads as step `index` (from 0) of a history, oldest first.

    Value 0 is the history's input, value i the output of step i - 1. Value 0 stands for those before it.

    >>> from naslab.arch.layers.activation import Act
    >>> from naslab.arch.layers.graph import Node
    >>> cell = Dag(("sum",), (Node(Act("relu"), (0, 1)),), outputs=(2,), num_inputs=2)
    >>> step_reads(0, cell), step_reads(3, cell), step_reads(3, Act("relu"))
    ((0, 0), (2, 3), (3,))
    """
    count = layer.num_inputs if isinstance(layer, Dag) else 1
    return tuple([max(0, index + 1 - count + each) for each in range(count)])


def inputs_read(layer: Layer) -> frozenset[int]:
    """The numbers of a layer's inputs that it reads: a graph may have inputs that no node and no output reads."""
    return _graph_inputs_read(layer) if isinstance(layer, Dag) else frozenset((0,))


@lru_cache(maxsize=4096)
def _graph_inputs_read(layer: Dag) -> frozenset[int]:
    used = {index for node in layer.nodes for index in node.inputs} | set(layer.outputs)
    return frozenset(index for index in used if index < layer.num_inputs)


declare(
    History,
    Declaration(count=_count_history, parts=sequence_parts, words=lambda layer: row_words(layer.names)),
)


def _count_supervised(layer: Supervised, shape: Shape, keep: bool) -> Counts:
    return counts(layer.body, shape, keep)


def _supervised_parts(layer: Supervised) -> tuple[NamedPart, ...]:
    """The parts of the body: by convention auxiliary heads are no part of what a network costs."""
    return named_parts(layer.body)


declare(
    Supervised,
    Declaration(count=_count_supervised, parts=_supervised_parts, words=lambda layer: row_words(layer.body.names)),
)
