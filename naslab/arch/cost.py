"""What a network costs, from its description alone: exact integers, no torch, microseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, partial, reduce
from typing import TypeAlias

import msgspec

from naslab.arch.block import Block, Context
from naslab.arch.blocks import AnyBlock
from naslab.arch.bounds import MAX_COUNT, MAX_PARAMS, require_at_most
from naslab.arch.declaration import Counts
from naslab.arch.layers.graph import dag_tally, history_steps, joined_shape, node_tally, step_reads
from naslab.arch.lower import lower, lower_head, lowered_at, placed_blocks, reads_history
from naslab.arch.memo import Memo
from naslab.arch.plan import Dag, History, Identity, Layer, Sequence, Shape, layer_kind, named_parts
from naslab.arch.span import POINT, then
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.arch.tally import Tally, counts, num_values, tally
from naslab.errors import SpecError

Place: TypeAlias = tuple[Shape, Context]
"""Where a stage stands: the map before it, and the style of its network."""

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
    """One primitive layer of a network: where it is, what it does to the shape, what it costs."""

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
    for _, more_params, more_macs, more_activations, more_peak, _ in _part_counts(arch):
        params += more_params
        macs += more_macs
        activations += more_activations
        if more_peak > peak:
            peak = more_peak
    found = Cost(params, macs, activations, peak * BYTES_PER_VALUE)
    if params > MAX_PARAMS or max(macs, activations, found.peak_activation_bytes) > MAX_COUNT:
        for field in found.__struct_fields__:
            require_at_most(getattr(found, field), MAX_PARAMS if field == "params" else MAX_COUNT, field)
    return found


def part_tallies(arch: ArchSpec) -> list[Tally]:
    """What is counted of the stem's stages, the stages and the head, each where it stands.

    A network whose blocks read several outputs is one part: what a stage holds and sees depends on those around it.
    """
    return [Tally(*each) for each in _part_counts(arch)]


def _part_counts(arch: ArchSpec) -> list[Counts]:
    context = arch.context
    shape = arch.input
    totals: list[Counts] = []
    try:
        for stage in arch.stem + arch.stages:
            if stage.block.num_inputs > 1:
                return [counts(lower(arch), arch.input)]
            total = counted_at[shape, context][stage]
            totals.append(total)
            shape = total[0]
        totals.append(head_tally(arch.head, shape, arch.num_classes, context))
    except SpecError:
        lower(arch)  # says where in the network it went wrong
        raise
    return totals


def stage_tallies(arch: ArchSpec) -> list[Tally]:
    """Count every stage where it stands, stem first, without the head.

    A stage's peak leaves out what later blocks of other stages still wait for, its span what it sees past its input.
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
    """Count a stage on a map of `shape`: its first block, then what repeats behind it."""
    return Tally(*counted_at[shape, context][stage])


def _stage_counts(place: Place, stage: Stage) -> Counts:
    shape, context = place
    block: Block = stage.block
    width = stage.width
    before, params, macs, activations, peak, span = block_counts(block, width, stage.stride, shape, context)
    left = stage.repeats - 1
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
"""What stages count at a place, as `stage_tally` says, bare: the garbage collector leaves bare tuples alone."""


@lru_cache(maxsize=65536)
def block_counts(block: AnyBlock, width: int | None, stride: int, shape: Shape, context: Context) -> Counts:
    """Count one block: stages that differ in their repeats, or in what is before their second block, share it."""
    return counts(lowered_at(block, width, stride, shape, context), shape)


@lru_cache(maxsize=4096)
def head_tally(head: Head, shape: Shape, num_classes: int, context: Context) -> Tally:
    """Count the head on a last feature map of `shape`."""
    return tally(lower_head(head, shape, num_classes, context), shape)


def layer_costs(arch: ArchSpec) -> list[LayerCost]:
    """Every primitive layer with its shapes and cost, in order; the sums are `cost(arch)`."""
    return list(_walk("", lower(arch), arch.input))


def uncounted_layers(arch: ArchSpec) -> dict[str, int]:
    """How many layers of each kind the convention counts no multiply-accumulates for."""
    uncounted = Counter(row.kind for row in layer_costs(arch) if not row.macs)
    return dict(sorted(uncounted.items()))


def _walk(path: str, layer: Layer, shape: Shape) -> Iterator[LayerCost]:
    for name, part, before in _placed_parts(layer, shape):
        inner = f"{path}.{name}" if path else name
        if isinstance(part, Dag):
            yield from _walk_graph(inner, part, before)
        elif named_parts(part):
            yield from _walk(inner, part, before[-1])
        elif type(part) is not Identity:
            out = tally(part, before[-1])
            yield LayerCost(inner, layer_kind(part), before[-1], out.out_shape, out.params, out.macs, out.activations)


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


def _walk_graph(path: str, graph: Dag, maps: tuple[Shape, ...]) -> Iterator[LayerCost]:
    values = list(maps) if len(maps) == graph.num_inputs else [maps[-1]] * graph.num_inputs
    for name, node in zip(graph.names, graph.nodes, strict=True):
        shape = joined_shape(node, values)
        yield from _walk(path, Sequence((name,), (node.layer,)), shape)
        values.append(node_tally(node, values).out_shape)


def _out_shape(layer: Layer, maps: tuple[Shape, ...]) -> Shape:
    if not isinstance(layer, Dag):
        return tally(layer, maps[-1]).out_shape
    return dag_tally(layer, maps, tuple(range(len(maps))), (False,) * len(maps)).out_shape
