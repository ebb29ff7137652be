"""From an architecture to its plan: every block lowers itself where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from naslab.arch.block import Block, Context
from naslab.arch.blocks import Skip
from naslab.arch.layers.graph import dag_tally
from naslab.arch.plan import (
    Conv,
    Dag,
    Dropout,
    Flatten,
    GlobalPool,
    History,
    Identity,
    Layer,
    Linear,
    Sequence,
    Shape,
    Supervised,
    chain,
    seq,
)
from naslab.arch.spec import ArchSpec, Head, Stage, StochasticDepth
from naslab.arch.tally import Tally, tally
from naslab.errors import SpecError


class PlacedBlock(NamedTuple):
    """A lowered block with the stage it stands in (`stages[2]`), the shape before it, and what it costs there."""

    place: str
    layer: Layer
    in_shape: Shape
    tally: Tally

    @property
    def out_shape(self) -> Shape:
        """The shape behind it."""
        return self.tally.out_shape


def lower(arch: ArchSpec, auxiliary: bool = False) -> Sequence | History | Supervised:
    """The whole network: `stem0`.., `stage0`.. (each a sequence of blocks) and `head`.

    Blocks that do nothing are left out. A network of blocks that read several outputs is a `History`, one with
    auxiliary heads, if asked for, `Supervised`.
    Raises `SpecError` naming the stage, the layer, the rule and the values.

    >>> from naslab.arch import MBConv
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(), width=4, repeats=2),), num_classes=2)
    >>> lower(arch).names
    ('stage0', 'head')
    """
    groups: dict[str, list[Layer]] = {}
    shapes = {"input": arch.input}
    shape = arch.input
    for block in dropped_blocks(arch):
        name = part_name(block.place)
        groups.setdefault(name, []).append(block.layer)
        shapes[name] = shape = block.out_shape
    row = History if reads_history(arch) else Sequence
    parts: dict[str, Layer] = {name: row(chain(blocks).names, tuple(blocks)) for name, blocks in groups.items()}
    parts["head"] = placed_head(arch, shape)
    body = row(tuple(parts), tuple(parts.values()))
    if not auxiliary or not arch.auxiliary:
        return body
    taps = tuple(placed_auxiliary(arch, index, shapes) for index in range(len(arch.auxiliary)))
    return Supervised(body, taps)


def part_name(place: str) -> str:
    """`stages[2]` is the part `stage2` of the plan."""
    return place.replace("stages[", "stage").replace("stem[", "stem").rstrip("]")


def reads_history(arch: ArchSpec) -> bool:
    """Whether some block reads more than the output of the one before it."""
    return any(stage.block.num_inputs > 1 for stage in arch.stem + arch.stages)


def placed_blocks(arch: ArchSpec, drop_rate: Callable[[int], float] = lambda _: 0.0) -> Iterator[PlacedBlock]:
    """Every block that does something, in order; `drop_rate` gives the rate of the stages' block `index`."""
    context = arch.context
    trail: tuple[Shape, ...] = (arch.input,)
    index = 0
    for part, stages in (("stem", arch.stem), ("stages", arch.stages)):
        for number, stage in enumerate(stages):
            place = f"{part}[{number}]"
            for repeat in range(stage.repeats):
                rate = drop_rate(index) if part == "stages" else 0.0
                shape = trail[-1]
                try:
                    stride = stage.stride if repeat == 0 else 1
                    layer = lower_block(stage, shape, stride, context, rate, repeat, trail)
                    total = _block_tally(layer, trail)
                except SpecError as error:
                    raise error.inside(place) from None
                if type(layer) is not Identity:
                    yield PlacedBlock(place, layer, shape, total)
                    index += part == "stages"
                    trail = (*trail, total.out_shape)


def dropped_blocks(arch: ArchSpec) -> Iterator[PlacedBlock]:
    """Every block that does something, with its rate of the network's stochastic depth."""
    depth = arch.stochastic_depth
    num_blocks = sum(block.place.startswith("stages") for block in placed_blocks(arch)) if depth.rate else 1
    return placed_blocks(arch, lambda index: depth.rate_of(index, num_blocks))


def lower_block(
    stage: Stage,
    shape: Shape,
    stride: int,
    context: Context,
    drop_rate: float = 0.0,
    repeat: int = 0,
    trail: tuple[Shape, ...] = (),
) -> Layer:
    """Block number `repeat` of a stage; an error names the field of the stage that breaks the rule.

    `trail` are the outputs so far, for blocks that read several; without it they read one map as each.
    """
    block = stage.block.repeated(repeat) if repeat else stage.block
    return lower_at(block, stage.width, stride, trail or (shape,), context, drop_rate)


def lower_at(
    block: Block,
    width: int | None,
    stride: int,
    trail: tuple[Shape, ...],
    context: Context,
    drop_rate: float = 0.0,
) -> Layer:
    """A block behind the outputs of `trail`; an error names the field of its stage that breaks the rule."""
    try:
        if block.num_inputs == 1:
            return block.lower(trail[-1], width, stride, context, drop_rate)
        return block.lower_on(last_maps(trail, block.num_inputs), width, stride, context, drop_rate)
    except SpecError as error:
        root = error.field.partition(".")[0].partition("[")[0]
        raise error.inside("block" if root in block.__struct_fields__ else "") from None


@lru_cache(maxsize=4096)
def lowered_at(block: Block, width: int | None, stride: int, shape: Shape, context: Context) -> Layer:
    """A block behind one map, kept for a while: its counts and its identity are read of it one after the other."""
    return lower_at(block, width, stride, (shape,), context)


def last_maps(trail: tuple[Shape, ...], count: int) -> tuple[Shape, ...]:
    """The last `count` maps, oldest first; where there are fewer, the first one stands for those before it."""
    return (trail[0],) * (count - len(trail)) + trail[-count:]


def _block_tally(layer: Layer, trail: tuple[Shape, ...]) -> Tally:
    """What a block costs behind the maps of `trail`; whatever else is held meanwhile is not its own."""
    if not isinstance(layer, Dag) or layer.num_inputs == 1:
        return tally(layer, trail[-1])
    reads = tuple(max(0, len(trail) - layer.num_inputs + index) for index in range(layer.num_inputs))
    distinct = sorted(set(reads))
    maps = tuple(trail[index] for index in distinct)
    return dag_tally(layer, maps, tuple(distinct.index(each) for each in reads), (False,) * len(distinct))


def placed_auxiliary(arch: ArchSpec, index: int, shapes: dict[str, Shape]) -> tuple[str, Layer, float]:
    """The part that an auxiliary head reads, the head's layers behind it, and what its loss counts."""
    auxiliary = arch.auxiliary[index]
    name = f"stage{auxiliary.after}"
    if name not in shapes:
        raise SpecError(f"auxiliary[{index}].after", f"stage {auxiliary.after} does nothing, no head can read it")
    own = msgspec.structs.replace(
        arch,
        input=shapes[name],
        stem=(),
        stages=auxiliary.stages or (Stage(block=Skip()),),
        head=auxiliary.head,
        stochastic_depth=StochasticDepth(),
        auxiliary=(),
    )
    try:
        return name, lower(own), auxiliary.weight
    except SpecError as error:
        raise error.inside(f"auxiliary[{index}]") from None


def placed_head(arch: ArchSpec, shape: Shape) -> Sequence:
    """The head's layers behind a last feature map of `shape`."""
    try:
        layers = lower_head(arch.head, shape, arch.num_classes, arch.context)
        tally(layers, shape)
    except SpecError as error:
        raise error.inside("head") from None
    return layers


def lower_head(head: Head, shape: Shape, num_classes: int, context: Context) -> Sequence:
    """The head's layers on a last feature map of `shape`."""
    channels = head.width or shape[0]
    widths = (channels * head.pool_size[0] * head.pool_size[1], *head.hidden)
    layers: dict[str, Layer | None] = {}
    if head.norm:
        layers |= {"norm": context.normalise(shape[0]), "act": context.activate(head.activation)}
    if head.width:
        layers["conv"] = context.conv(shape[0], head.width, activation=head.activation)
    pool = GlobalPool(head.pool, head.pool_size)
    if head.classifier == "conv":
        dropout = Dropout(head.dropout) if head.dropout else None
        classifier = Conv(channels, num_classes, bias=head.bias)
        act = context.activate(head.activation)
        return seq(**layers, dropout=dropout, classifier=classifier, last_act=act, pool=pool, flatten=Flatten())
    layers["pool"] = pool
    layers["pooled_norm"] = context.normalise(channels) if head.norm_pooled else None
    layers["flatten"] = Flatten()
    for index, (inputs, outputs) in enumerate(zip(widths, head.hidden, strict=False)):
        layers[f"hidden{index}"] = seq(
            dropout=Dropout(head.dropout) if head.dropout and index else None,
            linear=Linear(inputs, outputs),
            act=context.activate(head.activation),
        )
    layers["dropout"] = Dropout(head.dropout) if head.dropout else None
    layers["classifier"] = Linear(widths[-1], num_classes, head.bias)
    return seq(**layers)
