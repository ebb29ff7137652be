"""A network in words: one row a stage, one short phrase a block."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import msgspec

from naslab.arch.block import Block
from naslab.arch.cost import head_tally, stage_tallies
from naslab.arch.declaration import HeightWidth
from naslab.arch.memo import Memo
from naslab.arch.plan import Shape
from naslab.arch.sides import Sides, shown_sides
from naslab.arch.spec import ArchSpec, Stage

_SHAPE = ("kind", "kernel", "expansion", "ratio")
"""Fields that a reader wants to see even where they are the default."""
_REPLACED = {"hidden": "expansion", "kernels": "kernel"}
"""Fields that stand in place of another where they are given."""


class StageRow(msgspec.Struct, frozen=True):
    """A stage of a network in words, with its output shape and exact cost.

    `place` is `stem[0]`, `stages[2]` or `head`; `block`, `repeats` and `stride` are the stage's, the block in words.
    `out_shape` is (channels, height, width); `params`, `macs` and `activations` are those of all repeats together.
    """

    place: str
    block: str
    repeats: int
    stride: Sides
    out_shape: Shape
    params: int
    macs: int
    activations: int


def stage_rows(arch: ArchSpec) -> list[StageRow]:
    """A row for each stage of the stem, each stage and the head, in order.

    Raises `SpecError` where a layer does not fit its input.

    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(kernel=5), width=4),), num_classes=2)
    >>> [row.block for row in stage_rows(arch)]
    ['mbconv kernel 5 expansion 6', 'head']
    """
    rows: list[StageRow] = []
    shape = arch.input
    totals = iter(stage_tallies(arch))
    for part, stages in (("stem", arch.stem), ("stages", arch.stages)):
        for index, stage in enumerate(stages):
            shape, params, macs, activations, _, _ = next(totals)
            place = f"{part}[{index}]"
            rows.append(
                StageRow(
                    place, describe_block(stage.block), stage.repeats, stage.stride, shape, params, macs, activations
                )
            )
    shape, params, macs, activations, _, _ = head_tally(arch.head, shape, arch.num_classes, arch.context)
    rows.append(StageRow("head", "head", 1, 1, shape, params, macs, activations))
    return rows


def idle_strides(arch: ArchSpec) -> list[str]:
    """The places of stages whose stride has no effect: the map before them is a single position already.

    >>> from naslab.arch import ArchSpec, ConvBlock, Stage
    >>> halved = Stage(block=ConvBlock(), width=4, stride=2)
    >>> idle_strides(ArchSpec(input=(3, 8, 8), stages=(halved,) * 5, num_classes=2))
    ['stages[3]', 'stages[4]']
    """
    before = [arch.input, *(total.out_shape for total in stage_tallies(arch))]
    places = [(f"stem[{index}]", stage) for index, stage in enumerate(arch.stem)]
    places += [(f"stages[{index}]", stage) for index, stage in enumerate(arch.stages)]
    pairs = zip(before, places, strict=False)
    return [place for shape, (place, stage) in pairs if stage.stride != 1 and shape[1] == shape[2] == 1]


def describe_block(block: Block) -> str:
    """A block's name, its shape (kernel, expansion, ratio), and what else sets it apart from its defaults.

    >>> from naslab.arch import MBConv
    >>> describe_block(MBConv(kernel=5))
    'mbconv kernel 5 expansion 6'
    """
    plain = msgspec.to_builtins(block)
    replaced = {other for field, other in _REPLACED.items() if field in plain}
    named = [field for field in _SHAPE if field in block.__struct_fields__ and field not in replaced]
    shape = {field: getattr(block, field) for field in named}
    kind = plain.pop("type")
    told = shape | plain
    for field in _sides_of(type(block)) & told.keys():
        told[field] = _window(told[field])
    return " ".join([kind, *(f"{field} {_phrase(value)}" for field, value in told.items())])


@cache
def _sides_of(kind: type[Block]) -> frozenset[str]:
    """The fields of a block that may hold (height, width)."""
    return frozenset(each.name for each in msgspec.structs.fields(kind) if HeightWidth in get_args(each.type))


def describe_stage(stage: Stage) -> str:
    """A stage in one phrase: `2 x mbconv kernel 5 expansion 6, 40 wide, stride 2`."""
    return _STAGE_WORDS[stage]


def _stage_words(stage: Stage) -> str:
    words = [f"{stage.repeats} x {describe_block(stage.block)}" if stage.repeats > 1 else describe_block(stage.block)]
    if stage.width is not None:
        words.append(f"{stage.width} wide")
    if stage.stride != 1:
        words.append(f"stride {shown_sides(stage.stride)}")
    return ", ".join(words)


_STAGE_WORDS = Memo(_stage_words)


def describe_arch(arch: ArchSpec) -> list[str]:
    """One phrase a stage, stem first."""
    return [describe_stage(stage) for stage in arch.stem + arch.stages]


def _window(value: Any) -> Any:
    """A pair of numbers as descriptions write a height and a width; anything else as it is."""
    is_pair = isinstance(value, list | tuple) and len(value) == 2 and all(type(each) is int for each in value)
    return shown_sides(tuple(value)) if is_pair else value


def _phrase(value: object) -> str:
    if isinstance(value, dict):
        return "(" + " ".join(f"{key} {_phrase(each)}" for key, each in value.items()) + ")" if value else "on"
    if isinstance(value, list | tuple):
        parts = [_phrase(_window(each)) for each in value]
        return f"of {len(parts)}" if any(isinstance(each, dict) for each in value) else "/".join(parts)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
