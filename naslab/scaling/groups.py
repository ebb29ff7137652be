"""Fitting scaled stages to each other: groups that divide, widths that their blocks can make."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from msgspec.structs import replace

from naslab.arch.block import Context, Role
from naslab.arch.cost import stage_tally
from naslab.arch.lower import lower_block
from naslab.arch.plan import Conv, Layer, Shape, named_parts
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import SpecError
from naslab.scaling.rounding import Rounding
from naslab.scaling.walk import change, numbers


def fitted(base: ArchSpec, scaled: ArchSpec, factor: float, rounding: Rounding) -> ArchSpec:
    """The network `scaled` with every stage made to fit the channels before it, as the same stage of `base` did.

    `scaled` has the stages of `base` at other widths, repeats or resolution; `factor` multiplies the channels of a
    group where `rounding` scales them (`group_width`). Groups are made to divide the channels on both sides; where a
    block cannot be made at a width, the nearest width at which it can is taken. `SpecError` names the stage that no
    width near fits.
    """
    num_stem = len(base.stem)
    before, shape = base.input, scaled.input
    stages: list[Stage] = []
    for index, (old, new) in enumerate(zip(base.stem + base.stages, scaled.stem + scaled.stages, strict=True)):
        try:
            new = _fitted_stage(old, before, new, shape, base.context, factor, rounding)
            shape = stage_tally(new, shape, base.context).out_shape
        except SpecError as error:
            place = f"stem[{index}]" if index < num_stem else f"stages[{index - num_stem}]"
            raise error.inside(place) from None
        before = stage_tally(old, before, base.context).out_shape
        stages.append(new)
    return replace(scaled, stem=tuple(stages[:num_stem]), stages=tuple(stages[num_stem:]))


def _fitted_stage(
    old: Stage, before: Shape, new: Stage, shape: Shape, context: Context, factor: float, rounding: Rounding
) -> Stage:
    if max(numbers(old.block, Role.GROUPS), default=1) == 1:
        return _at_nearest_width(old, before, new, shape, context, rounding)
    indices = _grouped(old, before, context)
    last = _repeated_convs(old, before, context)[indices[-1]]
    group_width = rounding.channels_of_a_group(last.out_channels // last.groups, factor)
    plain = _at_nearest_width(_in_groups(old, 1), before, _in_groups(new, 1), shape, context, rounding)
    return _with_groups(plain, shape, context, indices, group_width, rounding)


def _at_nearest_width(
    old: Stage, before: Shape, new: Stage, shape: Shape, context: Context, rounding: Rounding
) -> Stage:
    """The scaled stage at the width nearest to its own that can be made here; `SpecError` where none can."""
    error = _misfit(new, shape, context)
    if error is None:
        return new
    if new.width is None:
        raise error
    own = replace(old, width=None)
    if lower_block(own, before, old.stride, context) == lower_block(old, before, old.stride, context):
        # The block alone decides how wide it is (pooling, given branches), the width only says it once more.
        width = stage_tally(replace(new, width=None), shape, context).out_shape[0]
        return replace(new, width=width)
    for near in _nearby(new.width, rounding.width_divisor, 2 * rounding.width_divisor):
        if _misfit(replace(new, width=near), shape, context) is None:
            return replace(new, width=near)
    raise error


def _with_groups(
    plain: Stage, shape: Shape, context: Context, indices: list[int], group_width: int, rounding: Rounding
) -> Stage:
    """The stage in groups of `group_width` channels: at the nearest width that they divide, else in the nearest
    number of groups that fits. `plain` has one group; `indices` are those of the convolutions to be grouped."""
    convs = [_repeated_convs(plain, shape, context)[index] for index in indices]
    made = convs[-1].out_channels
    ratio = (plain.width or shape[0]) / made
    span = group_width * ratio
    widths = _nearby(plain.width, rounding.width_divisor, round(span))
    if rounding.halves == "even" and plain.width is not None:
        group_width = min(group_width, made)
        widths.insert(0, int(max(1, round(made / group_width)) * group_width * ratio))
    for width in widths:
        wide = replace(plain, width=width)
        if _misfit(wide, shape, context) is not None:
            continue
        filtered = _repeated_convs(wide, shape, context)[indices[-1]].out_channels
        candidate = _in_groups(wide, max(1, filtered // group_width))
        if filtered % group_width == 0 and _misfit(candidate, shape, context) is None:
            return candidate
    wanted = convs[-1].out_channels / group_width
    shared = math.gcd(*(channels for conv in convs for channels in (conv.in_channels, conv.out_channels)))
    divisors = [each for each in range(1, shared + 1) if shared % each == 0]
    nearest_first = sorted(divisors, key=lambda each: (abs(math.log(each / wanted)), -each))
    candidates = (_in_groups(plain, groups) for groups in nearest_first)
    return next(each for each in candidates if _misfit(each, shape, context) is None)


def _in_groups(stage: Stage, groups: int) -> Stage:
    return replace(stage, block=change(stage.block, Role.GROUPS, lambda _: groups))


def _grouped(stage: Stage, shape: Shape, context: Context) -> list[int]:
    """Which convolutions of a stage's repeated block its groups split."""
    plain = _repeated_convs(_in_groups(stage, 1), shape, context)
    pairs = zip(_repeated_convs(stage, shape, context), plain, strict=True)
    return [index for index, (conv, alone) in enumerate(pairs) if conv.groups != alone.groups]


@lru_cache(maxsize=4096)
def _repeated_convs(stage: Stage, shape: Shape, context: Context) -> tuple[Conv, ...]:
    """The convolutions of a block where the stage repeats it: there a block has the same ones at every width."""
    behind = stage_tally(stage, shape, context).out_shape
    return tuple(leaf for leaf in _leaves(lower_block(stage, behind, 1, context)) if isinstance(leaf, Conv))


def _leaves(layer: Layer) -> Iterator[Layer]:
    inner = named_parts(layer)
    if not inner:
        yield layer
    for _, part in inner:
        yield from _leaves(part)


def _misfit(stage: Stage, shape: Shape, context: Context) -> SpecError | None:
    """Why a stage cannot be made behind a map of `shape`, if it cannot."""
    try:
        stage_tally(stage, shape, context)
    except SpecError as error:
        return error
    return None


def _nearby(width: int | None, step: int, span: int) -> list[int | None]:
    """Widths from the nearest to the farthest: whole steps first, then any."""
    if width is None:
        return [None]
    near = sorted(range(max(1, width - span), width + span + 1), key=lambda each: abs(each - width))
    on_lattice = [each for each in near if (each - width) % step == 0]
    return [*on_lattice, *(each for each in near if (each - width) % step)]
