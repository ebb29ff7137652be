"""Which weights the networks of a space share: a key and a shape for every tensor of a network, from its description.

A tensor's key is the place of its block (part, resolution, how often the width changed there, and position behind
that), the block's kind and the layer's name within it. Blocks that do nothing take no place.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from naslab.arch import ArchSpec, canonical
from naslab.arch.lower import dropped_blocks, lower
from naslab.arch.plan import (
    ChannelLinear,
    ChannelScale,
    Conv,
    Dag,
    History,
    Layer,
    Linear,
    Norm,
    Residual,
    Sequence,
)
from naslab.training.inheritance.channels import named_parts

Initial: TypeAlias = float | Literal["filter", "linear"]
"""What a tensor holds at first: one value, a filter's draw (arXiv 1502.01852) or a linear layer's."""

PATHS_KEPT = 4096


class SharedTensor(NamedTuple):
    """A tensor of a network: its name in the built module, its key in the bank, its shape and its values at first."""

    name: str
    key: str
    shape: tuple[int, ...]
    initial: Initial


@lru_cache(maxsize=PATHS_KEPT)
def shared_tensors(arch: ArchSpec) -> tuple[SharedTensor, ...]:
    """Every learned tensor of a network, named as in the module of its canonical form.

    >>> from naslab.arch import ConvBlock, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=4, stride=2),), num_classes=2)
    >>> [(each.key, each.shape) for each in shared_tensors(arch)][:2]
    [('stages.1.0.0.conv.conv.weight', (4, 3, 3, 3)), ('stages.1.0.0.conv.norm.weight', (4,))]
    """
    arch = canonical(arch)
    found: list[SharedTensor] = []
    for path, place, layer in _placed(arch):
        rows = list(_tensors(layer, path, place))
        if len({row.key for row in rows}) < len(rows):  # a shortcut's layers of the same names as its body's
            rows = [row._replace(key=place + row.name.removeprefix(path)) for row in rows]
        found += rows
    return tuple(found)


def _placed(arch: ArchSpec) -> Iterator[tuple[str, str, Layer]]:
    """Every block and the head: its path in the module, its place and kind, its layers."""
    counts: dict[str, int] = {}
    size, width, part = arch.input[1:], 0, ""
    level = changes = index = 0
    for block in dropped_blocks(arch):
        here, _, number = block.place.rstrip("]").partition("[")
        stage = (arch.stem if here == "stem" else arch.stages)[int(number)]
        if here != part or block.out_shape[1:] != size:
            level += block.out_shape[1:] != size
            changes = index = 0
        elif block.out_shape[0] != width:
            changes, index = changes + 1, 0
        part, size, width = here, block.out_shape[1:], block.out_shape[0]
        row = f"{here.removesuffix('s')}{number}"
        count = counts.get(row, 0)
        counts[row] = count + 1
        kind = type(stage.block).__struct_config__.tag
        yield f"{row}.{count}", f"{here}.{level}.{changes}.{index}.{kind}", block.layer
        index += 1
    plan = lower(arch)
    assert isinstance(plan, Sequence | History)
    yield "head", "head", plan.layers[-1]


def _tensors(layer: Layer, path: str, key: str) -> Iterator[SharedTensor]:
    own = list(_own_tensors(layer))
    for name, shape, initial in own:
        yield SharedTensor(f"{path}.{name}", f"{key}.{name}", shape, initial)
    for name, part in named_parts(layer):
        # with a shortcut beside it or without, a body is the same layers
        is_body = isinstance(layer, Residual) and name == "body"
        is_frame = isinstance(part, Residual) and not isinstance(layer, Dag)
        yield from _tensors(part, f"{path}.{name}", key if is_body or is_frame else f"{key}.{name}")


def _own_tensors(layer: Layer) -> Iterator[tuple[str, tuple[int, ...], Initial]]:
    match layer:
        case Conv():
            yield "weight", (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel), "filter"
            if layer.bias:
                yield "bias", (layer.out_channels,), 0.0
            if layer.standardized:
                yield "gain", (layer.out_channels, 1, 1, 1), 1.0
        case Linear() | ChannelLinear():
            yield "weight", (layer.out_features, layer.in_features), "linear"
            if layer.bias:
                yield "bias", (layer.out_features,), 0.0
        case Norm():
            yield "weight", (layer.channels,), 1.0
            yield "bias", (layer.channels,), 0.0
        case ChannelScale():
            yield "scale", (layer.channels, 1, 1), layer.initial
