"""From an architecture to its plan: every block lowers itself on the map that it has before it.

| name | meaning |
|---|---|
| place | where a block is written in the description: `stem[0]`, `stages[2]` |
| part | what the plan and the built module call its stage: `stem0`, `stage2` |
| `context` | the network's normalisation and activation, for blocks that name none |
| `trail` | shapes of the outputs so far, the image's first, for blocks that read several (cells) |
| `drop_rate` | with what probability the body of a residual block is dropped in training (stochastic depth) |

A block that lowers to `Identity` (`Skip` where no shape changes) is left out: it is not in the plan, not in `trail`,
and not among the blocks that stochastic depth grows over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from naslab.arch.block import Block, Context
from naslab.arch.blocks import Skip
from naslab.arch.layers.graph import dag_tally, graph_shapes
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
from naslab.arch.sides import Sides
from naslab.arch.spec import ArchSpec, Head, Stage, StochasticDepth
from naslab.arch.tally import Tally, tally
from naslab.errors import SpecError


class PlacedBlock(NamedTuple):
    """A lowered block: the `place` of its stage (`stages[2]`), its `layer`, and the shapes before and behind it.

    Shapes are (channels, height, width). Where the block reads several outputs, `maps` are the shapes of them all,
    oldest first, each map once, and `in_shape` is that of the last one.
    """

    place: str
    layer: Layer
    maps: tuple[Shape, ...]
    out_shape: Shape

    @property
    def in_shape(self) -> Shape:
        """The shape before it."""
        return self.maps[-1]

    @property
    def tally(self) -> Tally:
        """What it costs behind its maps; whatever else is held meanwhile is not its own."""
        return _block_tally(self.layer, self.maps)


def lower(arch: ArchSpec, auxiliary: bool = False) -> Sequence | History | Supervised:
    """The plan of the whole network: `stem0`, `stem1`, ..., `stage0`, `stage1`, ... (each a row of blocks) and `head`.

    Blocks that do nothing are left out. A network with blocks that read several outputs is a `History`. With
    `auxiliary`, one that has auxiliary heads is a `Supervised` around that.
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
    """The name of a place in the plan.

    >>> part_name("stages[2]"), part_name("stem[0]")
    ('stage2', 'stem0')
    """
    return place.replace("stages[", "stage").replace("stem[", "stem").rstrip("]")


def reads_history(arch: ArchSpec) -> bool:
    """Whether some block reads more than the output of the one before it."""
    return any(stage.block.num_inputs > 1 for stage in arch.stem + arch.stages)


def placed_blocks(arch: ArchSpec, drop_rate: Callable[[int], float] = lambda _: 0.0) -> Iterator[PlacedBlock]:
    """Every block that does something, in order, the stem's first, lowered and counted.

    `drop_rate(index)` is the rate of the body of block `index` (from 0) of the stages; blocks of the stem have none.
    Raises `SpecError` naming the place of a block that does not fit.
    """
    context = arch.context
    trail: tuple[Shape, ...] = (arch.input,)
    index = 0
    for part, stages in (("stem", arch.stem), ("stages", arch.stages)):
        for number, stage in enumerate(stages):
            place = f"{part}[{number}]"
            for repeat in range(stage.repeats):
                rate = drop_rate(index) if part == "stages" else 0.0
                try:
                    stride = stage.stride if repeat == 0 else 1
                    layer = lower_block(stage, trail[-1], stride, context, rate, repeat, trail)
                    maps = _distinct_maps(layer, trail)
                    shape = _shape_behind(layer, maps)
                except SpecError as error:
                    raise error.inside(place) from None
                if type(layer) is not Identity:
                    yield PlacedBlock(place, layer, maps, shape)
                    index += part == "stages"
                    trail = (*trail, shape)


def dropped_blocks(arch: ArchSpec) -> Iterator[PlacedBlock]:
    """As `placed_blocks`, each block with its rate by the network's stochastic depth."""
    depth = arch.stochastic_depth
    num_blocks = sum(block.place.startswith("stages") for block in placed_blocks(arch)) if depth.rate else 1
    return placed_blocks(arch, lambda index: depth.rate_of(index, num_blocks))


def lower_block(
    stage: Stage,
    shape: Shape,
    stride: Sides,
    context: Context,
    drop_rate: float = 0.0,
    repeat: int = 0,
    trail: tuple[Shape, ...] = (),
) -> Layer:
    """The layers of block number `repeat` (from 0) of `stage` on a map of `shape`.

    `stride` is the block's own: the stage's for the first block, else 1. `context` and `drop_rate` are those of
    `Block.lower`. `trail` are the shapes of the outputs so far, for blocks that read several; without it they read the
    one map as each. Raises `SpecError` with the field of the stage that breaks a rule.
    """
    block = stage.block.repeated(repeat) if repeat else stage.block
    return lower_at(block, stage.width, stride, trail or (shape,), context, drop_rate)


def lower_at(
    block: Block,
    width: int | None,
    stride: Sides,
    trail: tuple[Shape, ...],
    context: Context,
    drop_rate: float = 0.0,
) -> Layer:
    """The layers of `block` behind outputs whose shapes are `trail`, oldest first.

    `width`, `stride`, `context` and `drop_rate` are those of `Block.lower`. Raises `SpecError` with the field of the
    block's stage that breaks a rule.
    """
    try:
        if block.num_inputs == 1:
            return block.lower(trail[-1], width, stride, context, drop_rate)
        return block.lower_on(last_maps(trail, block.num_inputs), width, stride, context, drop_rate)
    except SpecError as error:
        root = error.field.partition(".")[0].partition("[")[0]
        raise error.inside("block" if root in block.__struct_fields__ else "") from None


@lru_cache(maxsize=4096)
def lowered_at(block: Block, width: int | None, stride: Sides, shape: Shape, context: Context) -> Layer:
    """The layers of `block` on one map of `shape`, without stochastic depth; the last 4096 results are kept.

    The cost and then the identity of a network ask for the same blocks. `width`, `stride` and `context` are those of
    `Block.lower`. Raises `SpecError` with the field of the block's stage that breaks a rule.
    """
    return lower_at(block, width, stride, (shape,), context)


def last_maps(trail: tuple[Shape, ...], count: int) -> tuple[Shape, ...]:
    """The last `count` shapes of `trail`, oldest first; the first one stands for those that are missing.

    >>> last_maps(((3, 8, 8), (16, 4, 4)), 3)
    ((3, 8, 8), (3, 8, 8), (16, 4, 4))
    """
    return (trail[0],) * (count - len(trail)) + trail[-count:]


def _distinct_maps(layer: Layer, trail: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The shapes of the maps that a block reads behind those of `trail`, the oldest first, each map once."""
    return trail[-layer.num_inputs :] if isinstance(layer, Dag) else trail[-1:]


@lru_cache(maxsize=16384)
def _shape_behind(layer: Layer, maps: tuple[Shape, ...]) -> Shape:
    if isinstance(layer, Dag):
        return graph_shapes(layer, last_maps(maps, layer.num_inputs))[-1]
    return tally(layer, maps[-1]).out_shape


def _block_tally(layer: Layer, maps: tuple[Shape, ...]) -> Tally:
    if not isinstance(layer, Dag) or layer.num_inputs == 1:
        return tally(layer, maps[-1])
    missing = layer.num_inputs - len(maps)
    reads = tuple(max(0, index - missing) for index in range(layer.num_inputs))
    return dag_tally(layer, maps, reads, (False,) * len(maps))


def placed_auxiliary(arch: ArchSpec, index: int, shapes: dict[str, Shape]) -> tuple[str, Layer, float]:
    """Auxiliary head `index` of `arch`: the part that it reads, its layers, and the factor of its loss.

    `shapes` are those behind each part of the plan, by its name. Raises `SpecError` where the stage that the head reads
    does nothing, so that it is no part of the plan, and where the head does not fit the map there.
    """
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
    """The layers of the head of `arch` on a last feature map of `shape`; raises `SpecError` where they do not fit."""
    try:
        layers = lower_head(arch.head, shape, arch.num_classes, arch.context)
        tally(layers, shape)
    except SpecError as error:
        raise error.inside("head") from None
    return layers


def lower_head(head: Head, shape: Shape, num_classes: int, context: Context) -> Sequence:
    """The layers of `head` with `num_classes` logits on a last feature map of `shape`; they are not counted here.

    `context` is the network's normalisation and activation.
    """
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
            linear=Linear(inputs, outputs, head.hidden_bias),
            act=context.activate(head.activation),
        )
    layers["dropout"] = Dropout(head.dropout) if head.dropout else None
    layers["classifier"] = Linear(widths[-1], num_classes, head.bias)
    return seq(**layers)
