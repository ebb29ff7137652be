"""Peak memory the slow way: a plan as single steps with the maps they read, and what is alive at each of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from naslab.arch.plan import (
    Act,
    ChannelScale,
    Concat,
    Dag,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    History,
    Identity,
    Layer,
    Norm,
    Residual,
    Sequence,
    Shape,
    Supervised,
)
from naslab.arch.tally import tally

IN_PLACE = (Norm, Act, Dropout, DropPath, ChannelScale)
"""Layers that write over their input where nothing else needs it."""


@dataclass
class Step:
    """Reads maps and makes one; `in_place` may write over one of them that is of its size."""

    reads: tuple[int, ...]
    made: int
    in_place: bool


@dataclass
class Program:
    """A network as steps; maps are numbered, `shapes` says how large they are."""

    shapes: list[Shape]
    steps: list[Step] = field(default_factory=list)

    def make(self, reads: tuple[int, ...], shape: Shape, in_place: bool) -> int:
        self.shapes.append(shape)
        self.steps.append(Step(reads, len(self.shapes) - 1, in_place))
        return len(self.shapes) - 1

    def size(self, number: int) -> int:
        channels, height, width = self.shapes[number]
        return channels * height * width

    def run(self, layer: Layer, at: int) -> int:
        """Append the steps of a layer on map `at`; the number of the map it makes."""
        match layer:
            case Identity() | Flatten():
                return at
            case Sequence():
                for each in layer.layers:
                    at = self.run(each, at)
                return at
            case Residual():
                body = self.run(layer.body, at)
                way = self.run(layer.shortcut, at)
                return self.make((body, way), self.shapes[body], True)
            case Gate():
                gate = self.run(layer.body, at)
                return self.make((at, gate), self.shapes[at], True)
            case Concat():
                return self.stack([self.run(each, at) for each in layer.branches])
            case Dag():
                return self.graph(layer, [at] * layer.num_inputs)
            case History():
                return self.history(layer, [at])[-1]
            case Supervised():
                return self.run(layer.body, at)
        flat = layer_input(self.shapes[at], layer)
        return self.make((at,), tally(layer, flat).out_shape, isinstance(layer, IN_PLACE))

    def stack(self, parts: list[int]) -> int:
        if len(parts) == 1:
            return parts[0]
        channels = sum(self.shapes[each][0] for each in parts)
        return self.make(tuple(parts), (channels, *self.shapes[parts[0]][1:]), False)

    def graph(self, layer: Dag, values: list[int]) -> int:
        for node in layer.nodes:
            reads = tuple(values[index] for index in node.inputs)
            if len(reads) == 1:
                at = reads[0]
            elif node.join == "concat":
                at = self.stack(list(reads))
            else:
                at = self.make(reads, self.shapes[reads[0]], True)
            values.append(self.run(node.layer, at))
        return self.stack([values[index] for index in layer.outputs])

    def history(self, layer: History, maps: list[int]) -> list[int]:
        for each in layer.layers:
            if isinstance(each, History):
                maps = self.history(each, maps)
            elif isinstance(each, Dag):
                wanted = [maps[max(0, len(maps) - each.num_inputs + index)] for index in range(each.num_inputs)]
                maps = [*maps, self.graph(each, wanted)]
            else:
                maps = [*maps, self.run(each, maps[-1])]
        return maps


def layer_input(shape: Shape, layer: Layer) -> Shape:
    """A linear layer reads a flat vector; flattening made no map of its own."""
    from naslab.arch.plan import Linear

    return (shape[0] * shape[1] * shape[2], 1, 1) if isinstance(layer, Linear) else shape


def slow_peak(layer: Layer, shape: Shape) -> int:
    """The largest number of values alive at once while a plan runs on one image."""
    program = Program([shape])
    result = program.run(layer, 0)
    last_read = dict.fromkeys(range(len(program.shapes)), -1)
    for time, step in enumerate(program.steps):
        for number in step.reads:
            last_read[number] = time
    last_read[result] = len(program.steps)
    peak = program.size(0)
    alive = {0}
    for time, step in enumerate(program.steps):
        held = sum(program.size(number) for number in alive)
        dying = [number for number in step.reads if last_read[number] == time]
        overwrites = step.in_place and any(program.size(number) == program.size(step.made) for number in dying)
        peak = max(peak, held + (0 if overwrites else program.size(step.made)))
        alive.add(step.made)
        alive -= {number for number in alive if last_read[number] <= time}
    return peak
