"""What a network costs, from its description alone: exact integers, no torch, microseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, partial, reduce
from typing import NamedTuple, TypeAlias

import msgspec

from naslab.arch.block import Block, Context
from naslab.arch.blocks import AnyBlock
from naslab.arch.bounds import MAX_COUNT, MAX_PARAMS, require_at_most
from naslab.arch.declaration import Counts
from naslab.arch.layers.graph import graph_shapes, joined_shape, node_tally, running
from naslab.arch.layers.history import history_counts, history_steps, step_reads
from naslab.arch.lower import lower, lower_head, lowered_at, placed_blocks, reads_history
from naslab.arch.memo import Memo
from naslab.arch.plan import Dag, History, Identity, Layer, Sequence, Shape, layer_kind, named_parts
from naslab.arch.sides import Sides
from naslab.arch.span import POINT, then
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.arch.tally import Tally, counts, num_values, tally
from naslab.errors import SpecError

Place: TypeAlias = tuple[Shape, Context]
"""Where a stage stands: the shape of the map before it, and its network's normalisation and activation."""

BYTES_PER_VALUE = 4
"""Peak activation memory is stated for float32 and one image."""


class Cost(msgspec.Struct, frozen=True):
    """Exact cost of a forward pass of one image.

    `params`: weights and biases that are trained. `macs`: multiply-accumulates of convolution and linear layers, bias
    not counted (what papers print as "FLOPs"). `activations`: output elements of convolutions. `peak_activation_bytes`:
    float32 values alive at once.

    >>> import naslab
    >>> naslab.cost(naslab.model("resnet18"))
    Cost(params=11689512, macs=1814073344, activations=2483712, peak_activation_bytes=4014080)
    """

    params: int
    macs: int
    activations: int
    peak_activation_bytes: int


class LayerCost(msgspec.Struct, frozen=True):
    """One primitive layer of a network: where it is, what it does to the shape, what it costs.

    `path` is the name of its module in the built network (`stage0.1.conv`), `kind` the class of the layer. `in_shape`
    and `out_shape` are (channels, height, width); `params`, `macs` and `activations` are counted as in `Cost`.
    """

    path: str
    kind: str
    in_shape: Shape
    out_shape: Shape
    params: int
    macs: int
    activations: int


@lru_cache(maxsize=1024)
def cost(arch: ArchSpec) -> Cost:
    """Params, macs, activations and peak activation bytes of the network `arch`.

    Raises `SpecError` where a layer does not fit its input, or a count exceeds its bound (`naslab.arch.bounds`).

    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> cost(ArchSpec(input=(3, 32, 32), stages=(Stage(block=MBConv(), width=24),), num_classes=10)).macs
    663828
    """
    params = macs = activations = peak = 0
    for _, more_params, more_macs, more_activations, more_peak, _ in _part_counts(arch, with_span=False):
        params += more_params
        macs += more_macs
        activations += more_activations
        if more_peak > peak:
            peak = more_peak
    found = Cost(params, macs, activations, peak * BYTES_PER_VALUE)
    if params > MAX_PARAMS or macs > MAX_COUNT or activations > MAX_COUNT or found.peak_activation_bytes > MAX_COUNT:
        for field in found.__struct_fields__:
            require_at_most(getattr(found, field), MAX_PARAMS if field == "params" else MAX_COUNT, field)
    return found


def part_tallies(arch: ArchSpec) -> list[Tally]:
    """A tally of each stage of the stem, each stage and the head, on the map that it has before it.

    A network whose blocks read several outputs is one part, counted whole: which maps a stage keeps alive, and how far
    it sees, depends on the stages around it. Raises `SpecError` where a layer does not fit its input.
    """
    return [Tally(*each) for each in _part_counts(arch)]


def _part_counts(arch: ArchSpec, with_span: bool = True) -> list[Counts]:
    context = arch.context
    shape = arch.input
    totals: list[Counts] = []
    try:
        for stage in arch.stem + arch.stages:
            if stage.block.num_inputs > 1:
                plan = lower(arch)
                assert isinstance(plan, History)
                return [history_counts(plan, arch.input, with_span=with_span)]
            total = counted_at[shape, context][stage]
            totals.append(total)
            shape = total[0]
        totals.append(head_tally(arch.head, shape, arch.num_classes, context))
    except SpecError:
        lower(arch)  # says where in the network it went wrong
        raise
    return totals


def stage_tallies(arch: ArchSpec) -> list[Tally]:
    """A tally of each stage of the stem and each stage, without the head; raises `SpecError` as `cost`.

    Where blocks read several outputs, a stage's peak leaves out the maps that only blocks of later stages still read,
    and its span starts at the stage's own input.
    """
    if not reads_history(arch):
        return part_tallies(arch)[:-1]
    totals: list[Tally] = []
    shape = arch.input
    blocks: dict[str, list[Tally]] = {}
    for block in placed_blocks(arch):
        blocks.setdefault(block.place, []).append(block.tally)
    for part, stages in (("stem", arch.stem), ("stages", arch.stages)):
        for index in range(len(stages)):
            rows = blocks.get(f"{part}[{index}]", [Tally(shape, 0, 0, 0, num_values(shape), POINT)])
            shape = rows[-1].out_shape
            totals.append(
                Tally(
                    shape,
                    sum(row.params for row in rows),
                    sum(row.macs for row in rows),
                    sum(row.activations for row in rows),
                    max(row.peak for row in rows),
                    reduce(then, (row.span for row in rows)),
                )
            )
    return totals


def stage_tally(stage: Stage, shape: Shape, context: Context) -> Tally:
    """Count `stage` on a map of `shape` in a network of the style `context`; raises `SpecError` where it does not fit.

    It is the tally of the first block, then of the repeats behind it, one after the other.
    """
    return Tally(*counted_at[shape, context][stage])


def _stage_counts(place: Place, stage: Stage) -> Counts:
    shape, context = place
    block: Block = stage.block
    width = stage.width
    before, params, macs, activations, peak, span = block_counts(block, width, stage.stride, shape, context)
    left = stage.repeats - 1
    if left:
        block = block.repeated(1)  # those behind it differ in constants alone
    while left:
        out, more_params, more_macs, more_activations, more_peak, more = block_counts(block, width, 1, before, context)
        times = left if out == before else 1
        params += times * more_params
        macs += times * more_macs
        activations += times * more_activations
        peak = max(peak, more_peak)
        for _ in range(times):
            span = then(span, more)
        before = out
        left -= times
    return before, params, macs, activations, peak, span


counted_at: Memo[Place, Memo[Stage, Counts]] = Memo(lambda place: Memo(partial(_stage_counts, place)))
"""`counted_at[shape, context][stage]` is what `stage_tally` returns, as a plain tuple, and kept.

Plain tuples of numbers are not tracked by the garbage collector, which would otherwise walk over all that is kept."""


@lru_cache(maxsize=65536)
def block_counts(block: AnyBlock, width: int | None, stride: Sides, shape: Shape, context: Context) -> Counts:
    """Count `block` on a map of `shape`, towards `width` channels (`None`: the block's own) at `stride`.

    `context` is the network's normalisation and activation. Results are kept, so stages that differ in their repeats
    alone share them. Raises `SpecError` where the block does not fit the map.
    """
    return counts(lowered_at(block, width, stride, shape, context), shape)


@lru_cache(maxsize=4096)
def head_tally(head: Head, shape: Shape, num_classes: int, context: Context) -> Tally:
    """Count `head` with `num_classes` logits on a last feature map of `shape`, in a network of the style `context`.

    Raises `SpecError` where the head does not fit the map.
    """
    return tally(lower_head(head, shape, num_classes, context), shape)


def layer_costs(arch: ArchSpec) -> list[LayerCost]:
    """Every primitive layer with its shapes and cost, in order; the sums of their counts are those of `cost(arch)`.

    Raises `SpecError` where a layer does not fit its input.

    >>> from naslab.arch import ArchSpec, ConvBlock, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=4),), num_classes=2)
    >>> [(row.path, row.macs) for row in layer_costs(arch) if row.macs]
    [('stage0.0.conv', 6912), ('head.classifier', 8)]
    """
    return [
        LayerCost(
            each.path, layer_kind(each.layer), each.in_shape, out.out_shape, out.params, out.macs, out.activations
        )
        for each in placed_layers(lower(arch), arch.input)
        for out in [each.tally]
    ]


class PlacedLayer(NamedTuple):
    """A primitive layer where it stands: its `path` in the plan, the shape before it, and its `tally` there."""

    path: str
    layer: Layer
    in_shape: Shape
    tally: Tally


def placed_layers(plan: Layer, shape: Shape) -> Iterator[PlacedLayer]:
    """Every primitive layer of a plan, or of a part of one, on a map of `shape`, in order.

    Raises `SpecError` where a layer does not fit its input.
    """
    if isinstance(plan, Dag):
        yield from _walk_graph("", plan, (shape,) * plan.num_inputs)
    elif named_parts(plan):
        yield from _walk("", plan, shape)
    elif type(plan) is not Identity:
        yield PlacedLayer("", plan, shape, tally(plan, shape))


def uncounted_layers(arch: ArchSpec) -> dict[str, int]:
    """How many layers of each kind have no multiply-accumulates by the convention: norms, activations, pooling.

    Raises `SpecError` where a layer does not fit its input.

    >>> from naslab.arch import ArchSpec, ConvBlock, Stage
    >>> uncounted_layers(ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=4),), num_classes=2))
    {'Act': 1, 'Flatten': 1, 'GlobalPool': 1, 'Norm': 1}
    """
    uncounted = Counter(row.kind for row in layer_costs(arch) if not row.macs)
    return dict(sorted(uncounted.items()))


def _walk(path: str, layer: Layer, shape: Shape) -> Iterator[PlacedLayer]:
    for name, part, before in _placed_parts(layer, shape):
        inner = f"{path}.{name}" if path else name
        if isinstance(part, Dag):
            yield from _walk_graph(inner, part, before)
        elif named_parts(part):
            yield from _walk(inner, part, before[-1])
        elif type(part) is not Identity:
            yield PlacedLayer(inner, part, before[-1], tally(part, before[-1]))


def _placed_parts(layer: Layer, shape: Shape) -> Iterator[tuple[str, Layer, tuple[Shape, ...]]]:
    """The named parts of a combinator, each with the maps it reads."""
    if isinstance(layer, History):
        maps = [shape]
        for index, (name, part) in enumerate(history_steps(layer)):
            before = tuple(maps[value] for value in step_reads(index, part))
            yield name, part, before
            maps.append(_out_shape(part, before))
        return
    for name, part in named_parts(layer):
        yield name, part, (shape,)
        if isinstance(layer, Sequence):
            shape = tally(part, shape).out_shape


def _walk_graph(path: str, graph: Dag, maps: tuple[Shape, ...]) -> Iterator[PlacedLayer]:
    values = list(maps) if len(maps) == graph.num_inputs else [maps[-1]] * graph.num_inputs
    for name, node in zip(graph.names, graph.nodes, strict=True):
        shape = joined_shape(node, values)
        yield from _walk(path, Sequence((name,), (running(node).layer,)), shape)
        values.append(node_tally(node, values).out_shape)


def _out_shape(layer: Layer, maps: tuple[Shape, ...]) -> Shape:
    if not isinstance(layer, Dag):
        return tally(layer, maps[-1]).out_shape
    return graph_shapes(layer, maps)[-1]
