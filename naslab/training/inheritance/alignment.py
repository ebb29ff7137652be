"""Alignment: which block of the parent a block of the child stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from naslab.arch.lower import dropped_blocks
from naslab.arch.plan import Layer
from naslab.arch.spec import ArchSpec
from naslab.training.inheritance.channels import layers_with_weights

ALONE = 1.0
"""What a block without a counterpart costs. Two of them cost more than any two blocks of one resolution side by side,
at most 1.7: these are paired rather than left alone."""
OTHER_RESOLUTION = 10.0
"""What two blocks of different resolutions cost side by side: more than each of them alone, so that they never are."""


class LowBlock(NamedTuple):
    """A block of a network: its path in the built module and its layers.

    `level` is the part that it is of (`stem`, `stages`) and how often the map has become smaller up to and in it;
    `is_first` says that it is the first of its level, `opens` that it makes more channels than it takes.
    """

    path: str
    layer: Layer
    level: tuple[str, int]
    is_first: bool
    opens: bool


def low_blocks(arch: ArchSpec) -> list[LowBlock]:
    """The blocks of a network in order, but for those that are identities."""
    found = []
    counts: dict[str, int] = {}
    size, level, part = arch.input[1:], 0, ""
    for block in dropped_blocks(arch):
        row = block.place.replace("stages[", "stage").replace("stem[", "stem").rstrip("]")
        index = counts.get(row, 0)
        counts[row] = index + 1
        here = block.place.partition("[")[0]
        changes = block.out_shape[1:] != size
        level += changes
        found.append(
            LowBlock(
                f"{row}.{index}",
                block.layer,
                (here, level),
                changes or here != part,
                block.out_shape[0] > block.in_shape[0],
            )
        )
        size, part = block.out_shape[1:], here
    return found


BlockPair: TypeAlias = tuple[LowBlock | None, LowBlock | None]


def align(old: Sequence[LowBlock], new: Sequence[LowBlock]) -> list[BlockPair]:
    """Both networks' blocks in order, side by side where they are alike and `None` where one stands alone.

    The cheapest alignment (Needleman and Wunsch 1970): equal blocks cost nothing, unlike ones up to 1.7, a block alone
    1, and blocks of two resolutions are not put side by side. Of equally cheap ones that which pairs the first blocks.
    """
    costs = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for row in range(len(old) + 1):
        for column in range(len(new) + 1):
            costs[row][column] = min([cost for cost, _, _ in _steps(costs, old, new, row, column)], default=0.0)
    pairs: list[BlockPair] = []
    row, column = len(old), len(new)
    while row or column:
        _, row_step, column_step = min(_steps(costs, old, new, row, column), key=lambda step: step[0])
        row, column = row - row_step, column - column_step
        pairs.append((old[row] if row_step else None, new[column] if column_step else None))
    return pairs[::-1]


def _steps(
    costs: list[list[float]], old: Sequence[LowBlock], new: Sequence[LowBlock], row: int, column: int
) -> list[tuple[float, int, int]]:
    """The ways to a cell: what each costs in all, and how many blocks of either it takes."""
    steps = []
    if column:
        steps.append((costs[row][column - 1] + ALONE, 0, 1))
    if row:
        steps.append((costs[row - 1][column] + ALONE, 1, 0))
    if row and column:
        steps.append((costs[row - 1][column - 1] + unlikeness(old[row - 1], new[column - 1]), 1, 1))
    return steps


def unlikeness(old: LowBlock, new: LowBlock) -> float:
    """How unlike two blocks are: 0 for equal ones, 0.2 to 1.7 for others of one level, 10 where levels differ.

    1.4 less 1.2 times the share of their layers with weights that both have (by name and kind), and 0.2 more in
    different stages, 0.1 where only one widens the map.
    """
    if old.level != new.level or old.is_first != new.is_first:
        return OTHER_RESOLUTION
    if old.layer == new.layer:
        return 0.0
    ours, theirs = _kinds(old.layer), _kinds(new.layer)
    shared = len(ours & theirs) / max(1, len(ours | theirs))
    is_other_stage = old.path.partition(".")[0] != new.path.partition(".")[0]
    return 1.4 - 1.2 * shared + 0.2 * is_other_stage + 0.1 * (old.opens != new.opens)


def _kinds(block: Layer) -> set[tuple[str, type[Layer]]]:
    """The weighted layers of a block by name, whether or not a shortcut is beside them."""
    return {
        (".".join(part for part in name.split(".") if part not in ("body", "residual")), type(each))
        for name, each in layers_with_weights(block)
    }
