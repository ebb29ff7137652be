"""From an architecture to its plan: every block lowers itself where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from naslab.arch.block import Context
from naslab.arch.plan import (
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Identity,
    Layer,
    Linear,
    Sequence,
    Shape,
    chain,
    seq,
)
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.arch.tally import tally
from naslab.errors import SpecError


class PlacedBlock(NamedTuple):
    """A lowered block with the stage it stands in (`stages[2]`) and the shapes before and behind it."""

    place: str
    layer: Layer
    in_shape: Shape
    out_shape: Shape


def lower(arch: ArchSpec) -> Sequence:
    """The whole network: `stem0`.., `stage0`.. (each a sequence of blocks) and `head`.

    Blocks that do nothing are left out. Raises `SpecError` naming the stage, the layer, the rule and the values.

    >>> from naslab.arch import MBConv
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(), width=4, repeats=2),), num_classes=2)
    >>> lower(arch).names
    ('stage0', 'head')
    """
    depth = arch.stochastic_depth
    num_blocks = sum(block.place.startswith("stages") for block in placed_blocks(arch)) if depth.rate else 1
    groups: dict[str, list[Layer]] = {}
    shape = arch.input
    for block in placed_blocks(arch, lambda index: depth.rate_of(index, num_blocks)):
        name = block.place.replace("stages[", "stage").replace("stem[", "stem").rstrip("]")
        groups.setdefault(name, []).append(block.layer)
        shape = block.out_shape
    layers: dict[str, Layer | None] = {name: chain(blocks) for name, blocks in groups.items()}
    return seq(**layers, head=placed_head(arch, shape))


def placed_blocks(arch: ArchSpec, drop_rate: Callable[[int], float] = lambda _: 0.0) -> Iterator[PlacedBlock]:
    """Every block that does something, in order; `drop_rate` gives the rate of the stages' block `index`."""
    context = arch.context
    shape = arch.input
    index = 0
    for part, stages in (("stem", arch.stem), ("stages", arch.stages)):
        for number, stage in enumerate(stages):
            place = f"{part}[{number}]"
            for repeat in range(stage.repeats):
                rate = drop_rate(index) if part == "stages" else 0.0
                try:
                    layer = lower_block(stage, shape, stage.stride if repeat == 0 else 1, context, rate)
                    out_shape = tally(layer, shape).out_shape
                except SpecError as error:
                    raise error.inside(place) from None
                if type(layer) is not Identity:
                    yield PlacedBlock(place, layer, shape, out_shape)
                    index += part == "stages"
                shape = out_shape


def lower_block(stage: Stage, shape: Shape, stride: int, context: Context, drop_rate: float = 0.0) -> Layer:
    """One block of a stage; an error names the field of the stage that breaks the rule."""
    try:
        return stage.block.lower(shape, stage.width, stride, context, drop_rate)
    except SpecError as error:
        root = error.field.partition(".")[0].partition("[")[0]
        raise error.inside("block" if root in stage.block.__struct_fields__ else "") from None


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
        classifier = Conv(channels, num_classes, bias=True)
        act = context.activate(head.activation)
        return seq(**layers, dropout=dropout, classifier=classifier, last_act=act, pool=pool, flatten=Flatten())
    pooled_norm = context.normalise(channels) if head.norm_pooled else None
    layers |= {"pool": pool, "pooled_norm": pooled_norm, "flatten": Flatten()}
    for index, (inputs, outputs) in enumerate(zip(widths, head.hidden, strict=False)):
        layers[f"hidden{index}"] = seq(
            dropout=Dropout(head.dropout) if head.dropout and index else None,
            linear=Linear(inputs, outputs),
            act=context.activate(head.activation),
        )
    layers["dropout"] = Dropout(head.dropout) if head.dropout else None
    layers["classifier"] = Linear(widths[-1], num_classes)
    return seq(**layers)
