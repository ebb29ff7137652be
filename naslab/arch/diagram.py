"""Drawing a plan: one fold that gives nested boxes, the arrows between them, and what every box costs.

A box is a layer, a join of several maps, or a group of boxes. Arrows run between layers and joins alone; where a group
is shown closed, those that cross its border are the group's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from naslab.arch.declaration import declaration_of, words_of
from naslab.arch.layers.graph import joined_shape, node_tally, running
from naslab.arch.lower import lower, part_name
from naslab.arch.plan import (
    Concat,
    Dag,
    Gate,
    History,
    Identity,
    Layer,
    Residual,
    Sequence,
    Shape,
    Supervised,
    layer_kind,
)
from naslab.arch.spec import ArchSpec
from naslab.arch.summary import describe_stage
from naslab.arch.tally import tally
from naslab.errors import SpecError, counted

AUXILIARY = "auxiliary"
"""Where the built module keeps its auxiliary heads."""

FEW_LAYERS = 4
"""A group of at most so many layers is described by them."""


class Connection(Enum):
    """What an arrow carries into a join."""

    MAIN = "main"
    SHORTCUT = "shortcut"
    GATE = "gate"


class DiagramBox(msgspec.Struct, frozen=True):
    """A layer, a join, or the group of `boxes`.

    `path` is unique in the diagram; a layer's is the path of its module in the built network. `name` is its
    heading, `kind` the class of the layer or the kind of join (`JOINS`), `words` a short description. `in_shape` and
    `out_shape` are (channels, height, width). `params`, `macs` and `activations` of a group are the sums over its
    boxes, every repeat of a block being a box of its own.
    """

    path: str
    name: str
    kind: str
    words: str
    in_shape: Shape
    out_shape: Shape
    params: int = 0
    macs: int = 0
    activations: int = 0
    boxes: tuple[DiagramBox, ...] = ()

    def leaves(self) -> Iterator[DiagramBox]:
        """The layers and joins inside, in order; itself where it is one."""
        if not self.boxes:
            yield self
        for box in self.boxes:
            yield from box.leaves()


class Arrow(msgspec.Struct, frozen=True):
    """A map that goes from the box with the path `source` to the one with the path `target`, both layers or joins.

    `way` says what it is to a join: the main input, a shortcut, or a gate.
    """

    source: str
    target: str
    way: Connection = Connection.MAIN


class Diagram(msgspec.Struct, frozen=True):
    """A network as `boxes` in order, from `input` to `output`, and `arrows` between them."""

    boxes: tuple[DiagramBox, ...]
    arrows: tuple[Arrow, ...]

    def leaves(self) -> Iterator[DiagramBox]:
        """Every layer and join in order."""
        for box in self.boxes:
            yield from box.leaves()


class _Value(NamedTuple):
    """A map: the layer or join that made it, and its shape."""

    path: str
    shape: Shape


class _Drawn(NamedTuple):
    """What a layer adds to a diagram, and the maps it makes: a history gives all that it remembers."""

    boxes: tuple[DiagramBox, ...]
    arrows: tuple[Arrow, ...]
    values: tuple[_Value, ...]


def diagram(arch: ArchSpec, auxiliary: bool = False) -> Diagram:
    """The diagram of a network: input, stem, stages, head, output; with `auxiliary` its auxiliary heads too.

    The sums over the boxes are those of `cost(arch)`, auxiliary heads, which it does not count, left out. Raises
    `SpecError` where a layer does not fit its input, or is of no declared kind.

    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(), width=4, repeats=2),), num_classes=2)
    >>> [(box.name, box.words) for box in diagram(arch).boxes][1:3]
    [('stages[0]', '2 x mbconv kernel 3 expansion 6, 4 wide'), ('head', 'global average pool, flatten, linear 4 to 2')]
    """
    entry = DiagramBox("input", "input", "Input", "an image", arch.input, arch.input)
    drawn = _draw(lower(arch, auxiliary), "", (_Value("input", arch.input),))
    last = drawn.values[-1]
    told = {
        part_name(f"{part}[{index}]"): (f"{part}[{index}]", describe_stage(stage))
        for part, stages in (("stem", arch.stem), ("stages", arch.stages))
        for index, stage in enumerate(stages)
    }
    boxes = []
    for box in drawn.boxes:
        name, words = told.get(box.path, (box.name, box.words))
        boxes.append(msgspec.structs.replace(box, name=name, words=words))
    logits = f"logits of {counted(arch.num_classes, 'class', 'classes')}"
    end = DiagramBox("output", "output", "Output", logits, last.shape, last.shape)
    return Diagram((entry, *boxes, end), (*drawn.arrows, Arrow(last.path, "output")))


def is_auxiliary(box: DiagramBox) -> bool:
    """Whether a box is an auxiliary head or a part of one, which the cost of a network leaves out."""
    return box.path.startswith(f"{AUXILIARY}.")


def _draw(layer: Layer, path: str, values: tuple[_Value, ...]) -> _Drawn:
    """Draw a layer behind the maps made so far, which a graph of several inputs may read."""
    if declaration_of(layer) is None:
        raise SpecError("", f"the diagram does not know the layer {layer_kind(layer)}")
    return _FOLDS.get(type(layer), _layer)(layer, path, values)


def _part(name: str, layer: Layer, path: str, values: tuple[_Value, ...]) -> _Drawn:
    """Draw a named part: a layer as itself, a combinator as a group; what passes its input on is not drawn."""
    inner = f"{path}.{name}" if path else name
    try:
        drawn = _draw(layer, inner, values)
    except SpecError as error:
        raise error.inside(name) from None
    if not drawn.boxes or type(layer) not in _FOLDS:
        return drawn
    return drawn._replace(boxes=(_group(inner, name, layer, drawn, values[-1].shape),))


def _group(path: str, name: str, layer: Layer, drawn: _Drawn, in_shape: Shape) -> DiagramBox:
    boxes = drawn.boxes
    layers = [box for box in boxes if box.kind not in JOINS]
    if len(layers) <= FEW_LAYERS and not any(box.boxes for box in boxes):
        words = ", ".join(box.words for box in layers)
    else:
        words = words_of(layer)
    params, macs, activations = (
        sum(getattr(box, count) for box in boxes) for count in DiagramBox.__struct_fields__[6:9]
    )
    return DiagramBox(
        path, name, layer_kind(layer), words, in_shape, drawn.values[-1].shape, params, macs, activations, boxes
    )


def _layer(layer: Layer, path: str, values: tuple[_Value, ...]) -> _Drawn:
    before = values[-1]
    total = tally(layer, before.shape)
    box = DiagramBox(
        path,
        path.rpartition(".")[2],
        layer_kind(layer),
        words_of(layer),
        before.shape,
        total.out_shape,
        total.params,
        total.macs,
        total.activations,
    )
    return _Drawn((box,), (Arrow(before.path, path),), (_Value(path, total.out_shape),))


def _identity(layer: Identity, path: str, values: tuple[_Value, ...]) -> _Drawn:
    return _Drawn((), (), values[-1:])


def _join(path: str, kind: str, ways: list[tuple[_Value, Connection]], out_shape: Shape, words: str = "") -> _Drawn:
    """The place where maps become one."""
    box = DiagramBox(path, kind.lower(), kind, words or JOINS[kind], ways[0][0].shape, out_shape)
    return _Drawn((box,), tuple(Arrow(value.path, path, way) for value, way in ways), (_Value(path, out_shape),))


def _together(parts: list[_Drawn], values: tuple[_Value, ...]) -> _Drawn:
    """Parts side by side in one group that makes `values`."""
    boxes = tuple(box for part in parts for box in part.boxes)
    return _Drawn(boxes, tuple(arrow for part in parts for arrow in part.arrows), values)


def _sequence(layer: Sequence, path: str, values: tuple[_Value, ...]) -> _Drawn:
    parts: list[_Drawn] = []
    value = values[-1]
    for name, each in zip(layer.names, layer.layers, strict=True):
        parts.append(_part(name, each, path, (value,)))
        value = parts[-1].values[-1]
    return _together(parts, (value,))


def _history(layer: History, path: str, values: tuple[_Value, ...]) -> _Drawn:
    parts: list[_Drawn] = []
    for name, each in zip(layer.names, layer.layers, strict=True):
        parts.append(_part(name, each, path, values))
        values = parts[-1].values if isinstance(each, History) else (*values, parts[-1].values[-1])
    return _together(parts, values)


def _inlined(name: str, layer: Layer, path: str, values: tuple[_Value, ...]) -> _Drawn:
    """A part whose layers stand in the group itself where it is a mere row of them."""
    if isinstance(layer, Sequence):
        return _sequence(layer, f"{path}.{name}" if path else name, values)
    return _part(name, layer, path, values)


def _residual(layer: Residual, path: str, values: tuple[_Value, ...]) -> _Drawn:
    body = _inlined("body", layer.body, path, values[-1:])
    shortcut = _part("shortcut", layer.shortcut, path, values[-1:])
    out = body.values[-1]
    words = JOINS["Add"] if layer.scale == 1.0 else f"shortcut + {layer.scale:g} x body"
    ways = [(out, Connection.MAIN), (shortcut.values[-1], Connection.SHORTCUT)]
    total = _join(f"{path} add", "Add", ways, out.shape, words)
    return _together([body, shortcut, total], total.values)


def _gate(layer: Gate, path: str, values: tuple[_Value, ...]) -> _Drawn:
    body = _inlined("body", layer.body, path, values[-1:])
    ways = [(values[-1], Connection.MAIN), (body.values[-1], Connection.GATE)]
    product = _join(f"{path} multiply", "Multiply", ways, values[-1].shape)
    return _together([body, product], product.values)


def _concat(layer: Concat, path: str, values: tuple[_Value, ...]) -> _Drawn:
    branches = [_part(name, each, path, values[-1:]) for name, each in zip(layer.names, layer.branches, strict=True)]
    if len(branches) == 1:
        return _together(branches, branches[0].values)
    outs = [branch.values[-1] for branch in branches]
    stack = _join(f"{path} stack", "Stack", [(out, Connection.MAIN) for out in outs], _stacked(outs))
    return _together([*branches, stack], stack.values)


def _dag(layer: Dag, path: str, values: tuple[_Value, ...]) -> _Drawn:
    count = layer.num_inputs
    reads = list((values[0],) * (count - len(values)) + values[-count:])
    parts: list[_Drawn] = []
    for name, node in zip(layer.names, layer.nodes, strict=True):
        shapes = [read.shape for read in reads]
        inner = f"{path}.{name}" if path else name
        value = _Value(reads[node.inputs[0]].path, joined_shape(node, shapes))
        if len(node.inputs) > 1:
            place = inner if type(node.layer) is Identity else f"{inner} {node.join}"
            ways = [(reads[index], Connection.MAIN) for index in node.inputs]
            parts.append(_join(place, _NODE_JOINS[node.join], ways, value.shape))
            value = parts[-1].values[-1]
        parts.append(_part(name, running(node).layer, path, (value,)))
        reads.append(parts[-1].values[-1]._replace(shape=node_tally(node, shapes).out_shape))
    outs = [reads[index] for index in layer.outputs]
    if len(outs) == 1:
        return _together(parts, (outs[0],))
    stack = _join(f"{path} stack", "Stack", [(out, Connection.MAIN) for out in outs], _stacked(outs))
    return _together([*parts, stack], stack.values)


def _stacked(values: list[_Value]) -> Shape:
    return (sum(value.shape[0] for value in values), *values[0].shape[1:])


def _supervised(layer: Supervised, path: str, values: tuple[_Value, ...]) -> _Drawn:
    """The network, and its auxiliary heads behind the parts that they read."""
    body = _draw(layer.body, path, values)
    made = {box.name: list(box.leaves())[-1] for box in body.boxes}
    heads: list[_Drawn] = []
    for name, head, weight in layer.taps:
        drawn = _part(name, head, AUXILIARY, (_Value(made[name].path, made[name].out_shape),))
        words = f"auxiliary head in training, its loss counts {weight:g}"
        boxes = tuple(msgspec.structs.replace(box, name=box.path, words=words) for box in drawn.boxes)
        heads.append(drawn._replace(boxes=boxes))
    return _together([body, *heads], body.values)


JOINS = {
    "Add": "sum of its inputs",
    "Mean": "mean of its inputs",
    "Stack": "inputs stacked along the channels",
    "Multiply": "product with the gate",
}
"""The kinds of joins, in words."""

_NODE_JOINS = {"add": "Add", "mean": "Mean", "concat": "Stack"}

_FOLDS: dict[type[Layer], Callable[[Any, str, tuple[_Value, ...]], _Drawn]] = {
    Identity: _identity,
    Sequence: _sequence,
    Residual: _residual,
    Gate: _gate,
    Concat: _concat,
    Dag: _dag,
    History: _history,
    Supervised: _supervised,
}
"""How combinators are drawn; any other layer is a box of its own."""
