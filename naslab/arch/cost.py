"""What a network costs, from its description alone: exact integers, no torch, microseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from naslab.arch.block import Context
from naslab.arch.lower import lower, lower_block, lower_head
from naslab.arch.plan import (
    ChannelLinear,
    Concat,
    Conv,
    Gate,
    Identity,
    Layer,
    Linear,
    Residual,
    Sequence,
    Shape,
    layer_kind,
)
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.arch.tally import Tally, tally
from naslab.errors import SpecError

BYTES_PER_VALUE = 4
"""Peak activation memory is stated for float32 and one image."""


class Cost(msgspec.Struct, frozen=True):
    """Exact cost of a forward pass of one image.

    `macs`: multiply-accumulates of convolution and linear layers, bias not counted (what papers print as "FLOPs").
    `activations`: output elements of convolutions. `peak_activation_bytes`: float32 values alive at once.
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


def cost(arch: ArchSpec) -> Cost:
    """Params, macs, activations and peak activation bytes of a network.

    Raises `SpecError` where a layer does not fit its input.

    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> cost(ArchSpec(input=(3, 32, 32), stages=(Stage(block=MBConv(), width=24),), num_classes=10)).macs
    976824
    """
    context = arch.context
    shape = arch.input
    params = macs = activations = peak = 0
    try:
        for stage in arch.stem + arch.stages:
            shape, more_params, more_macs, more_activations, more_peak = stage_tally(stage, shape, context)
            params += more_params
            macs += more_macs
            activations += more_activations
            peak = max(peak, more_peak)
        head = head_tally(arch.head, shape, arch.num_classes, context)
    except SpecError:
        lower(arch)  # says where in the network it went wrong
        raise
    return Cost(
        params + head.params,
        macs + head.macs,
        activations + head.activations,
        max(peak, head.peak) * BYTES_PER_VALUE,
    )


@lru_cache(maxsize=65536)
def stage_tally(stage: Stage, shape: Shape, context: Context) -> Tally:
    """Count a stage on a map of `shape`: its first block, then what repeats behind it."""
    total = tally(lower_block(stage, shape, stage.stride, context), shape)
    for repeat in range(1, stage.repeats):
        before = total.out_shape
        more = tally(lower_block(stage, before, 1, context), before)
        times = stage.repeats - repeat if more.out_shape == before else 1
        total = Tally(
            more.out_shape,
            total.params + times * more.params,
            total.macs + times * more.macs,
            total.activations + times * more.activations,
            max(total.peak, more.peak),
        )
        if times > 1:
            break
    return total


@lru_cache(maxsize=4096)
def head_tally(head: Head, shape: Shape, num_classes: int, context: Context) -> Tally:
    """Count the head on a last feature map of `shape`."""
    return tally(lower_head(head, shape, num_classes, context), shape)


def layer_costs(arch: ArchSpec) -> list[LayerCost]:
    """Every primitive layer with its shapes and cost, in order; the sums are `cost(arch)`."""
    return list(_walk("", lower(arch), arch.input))


def uncounted_layers(arch: ArchSpec) -> dict[str, int]:
    """How many layers of each kind the convention counts no multiply-accumulates for."""
    counted = {kind.__name__ for kind in (Conv, Linear, ChannelLinear)}
    counts = Counter(row.kind for row in layer_costs(arch) if row.kind not in counted)
    return dict(sorted(counts.items()))


def _walk(path: str, layer: Layer, shape: Shape) -> Iterator[LayerCost]:
    for name, part in parts(layer):
        inner = f"{path}.{name}" if path else name
        if next(iter(parts(part)), None) is not None:
            yield from _walk(inner, part, shape)
        elif type(part) is not Identity:
            out = tally(part, shape)
            yield LayerCost(inner, layer_kind(part), shape, out.out_shape, out.params, out.macs, out.activations)
        if isinstance(layer, Sequence):
            shape = tally(part, shape).out_shape


def parts(layer: Layer) -> Iterator[tuple[str, Layer]]:
    """The named parts of a combinator; nothing for a primitive layer."""
    if isinstance(layer, Sequence):
        yield from zip(layer.names, layer.layers, strict=True)
    elif isinstance(layer, Concat):
        yield from zip(layer.names, layer.branches, strict=True)
    elif isinstance(layer, Residual):
        yield from (("body", layer.body), ("shortcut", layer.shortcut))
    elif isinstance(layer, Gate):
        yield ("gate", layer.body)
