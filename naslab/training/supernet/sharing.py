"""Which weights the networks of a space share: a key and a shape for every tensor of a network, from its description.

A tensor's key is the place of its block (part, resolution, how often the width changed there, and position behind
that), the block's kind and the layer's name within it. Blocks that do nothing take no place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from naslab.arch import ArchSpec, canonical
from naslab.arch.declaration import Initial, weights_of
from naslab.arch.lower import dropped_blocks, lower
from naslab.arch.plan import Dag, History, Layer, Residual, Sequence, layer_kind, named_parts
from naslab.arch.tally import tally
from naslab.errors import SpecError

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

    Raises `SpecError` for a network whose layers do not declare all the weights that are counted of them.

    >>> from naslab.arch import ConvBlock, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=4, stride=2),), num_classes=2)
    >>> [(each.key, each.shape) for each in shared_tensors(arch)][:2]
    [('stages.1.0.0.conv.conv.weight', (4, 3, 3, 3)), ('stages.1.0.0.conv.norm.weight', (4,))]
    """
    arch = canonical(arch)
    found: list[SharedTensor] = []
    for path, place, layer, num_params in _placed(arch):
        rows = list(_tensors(layer, path, place))
        if sum(math.prod(row.shape) for row in rows) != num_params:
            raise SpecError(path, f"{_unsaid(layer)} has other weights than it declares: give Declaration(weights=...)")
        if len({row.key for row in rows}) < len(rows):  # a shortcut's layers of the same names as its body's
            rows = [row._replace(key=place + row.name.removeprefix(path)) for row in rows]
        found += rows
    return tuple(found)


def _unsaid(layer: Layer) -> str:
    """The layers of a part that do not say which weights they have, in words."""
    kinds = sorted({layer_kind(each) for each in _leaves(layer) if weights_of(each) is None})
    return " or ".join(kinds or ["a layer"])


def _leaves(layer: Layer) -> Iterator[Layer]:
    yield layer
    for _, part in named_parts(layer):
        yield from _leaves(part)


def _placed(arch: ArchSpec) -> Iterator[tuple[str, str, Layer, int]]:
    """Every block and the head: its path in the module, its place and kind, its layers, its number of parameters."""
    counts: dict[str, int] = {}
    shape, part = arch.input, ""
    size, width = shape[1:], 0
    level = changes = index = 0
    for block in dropped_blocks(arch):
        here, _, number = block.place.rstrip("]").partition("[")
        stage = (arch.stem if here == "stem" else arch.stages)[int(number)]
        if here != part or block.out_shape[1:] != size:
            level += block.out_shape[1:] != size
            changes = index = 0
        elif block.out_shape[0] != width:
            changes, index = changes + 1, 0
        part, shape = here, block.out_shape
        size, width = shape[1:], shape[0]
        row = f"{here.removesuffix('s')}{number}"
        count = counts.get(row, 0)
        counts[row] = count + 1
        kind = type(stage.block).__struct_config__.tag
        yield f"{row}.{count}", f"{here}.{level}.{changes}.{index}.{kind}", block.layer, block.tally.params
        index += 1
    plan = lower(arch)
    assert isinstance(plan, Sequence | History)
    head = plan.layers[-1]
    yield "head", "head", head, tally(head, shape).params


def _tensors(layer: Layer, path: str, key: str) -> Iterator[SharedTensor]:
    for each in weights_of(layer) or ():
        if each.is_learned:
            yield SharedTensor(f"{path}.{each.name}", f"{key}.{each.name}", each.shape, each.initial)
    for name, part in named_parts(layer):
        # with a shortcut beside it or without, a body is the same layers
        is_body = isinstance(layer, Residual) and name == "body"
        is_frame = isinstance(part, Residual) and not isinstance(layer, Dag)
        yield from _tensors(part, f"{path}.{name}", key if is_body or is_frame else f"{key}.{name}")
