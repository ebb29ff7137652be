"""Depth, width and resolution multipliers on any architecture."""

from __future__ import annotations

import math

from msgspec.structs import replace

from naslab.arch.block import Context, Role, Spec, require
from naslab.arch.bounds import MAX_FACTOR, require_at_most
from naslab.arch.cost import cost, stage_tally
from naslab.arch.lower import lower_block
from naslab.arch.plan import Shape
from naslab.arch.spec import ArchSpec, Stage
from naslab.arch.tally import tally
from naslab.errors import SpecError
from naslab.scaling.groups import fitted
from naslab.scaling.rounding import EFFICIENTNET, Rounding
from naslab.scaling.walk import change, numbers


class Factors(Spec, frozen=True, cache_hash=True):
    """What `depth`, `width` and `resolution` are multiplied by, before rounding.

    Raises `SpecError` for a factor that is not above 0 and finite, or beyond 1,024 times (`naslab.arch.bounds`).
    """

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            require(math.isfinite(value) and value > 0, field, f"must be above 0 and finite, got {value}")
            require_at_most(value, MAX_FACTOR, field)

    @property
    def macs_ratio(self) -> float:
        """By what the formula multiplies multiply-accumulates: depth * width^2 * resolution^2 (arXiv 1905.11946)."""
        return self.depth * self.width**2 * self.resolution**2


def scale(
    arch: ArchSpec,
    depth: float = 1.0,
    width: float = 1.0,
    resolution: float = 1.0,
    rounding: Rounding = EFFICIENTNET,
    scale_stem: bool = True,
    scale_head: bool = True,
    scale_groups: bool = True,
) -> ArchSpec:
    """The architecture `arch` with its repeats, widths and resolution multiplied and rounded.

    `depth` multiplies the repeats of `stages` (equal neighbours count as one stage; what has no parameters, such as
    pooling, is not repeated). `width` multiplies every number of channels and hidden features, also inside blocks; the
    stem's and the head's only with `scale_stem` and `scale_head`. Squeeze-excite ratios and expansions stay, groups
    keep their width, or follow the network's where the `rounding` scales them, unless `scale_groups` is turned off.
    `resolution` multiplies each side of the input. `rounding` makes whole numbers of the products. A factor of
    exactly 1 changes nothing.

    Raises `SpecError` for factors that are not positive, and where no channels, no pixels or no valid network are left.

    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> arch = ArchSpec(input=(3, 224, 224), stages=(Stage(block=MBConv(), width=40, repeats=2),), num_classes=10)
    >>> larger = scale(arch, depth=1.2, width=1.1, resolution=1.15)
    >>> larger.input, larger.stages[0].width, larger.stages[0].repeats
    ((3, 258, 258), 48, 3)
    >>> scale(arch, 1, 1, 1) == arch
    True
    """
    factors = Factors(depth=depth, width=width, resolution=resolution)
    scaled = _deeper(arch, factors.depth, rounding)
    shaped = _larger(_wider(scaled, factors.width, rounding, scale_stem, scale_head), factors.resolution, rounding)
    try:
        if factors.width != 1:
            shaped = fitted(scaled, shaped, factors.width if scale_groups else 1.0, rounding)
        if shaped is not arch:
            cost(shaped)
    except SpecError as error:
        by = f"depth {depth:g}, width {width:g}, resolution {resolution:g}"
        raise SpecError(error.field, f"{error.rule} (scaled by {by})") from None
    return shaped


def _deeper(arch: ArchSpec, factor: float, rounding: Rounding) -> ArchSpec:
    if factor == 1:
        return arch
    # An auxiliary head counts the stages, so they stay apart where there is one.
    stages = arch.stages if arch.auxiliary else _merged(arch.stages)
    merged = replace(arch, stages=stages)
    deeper = []
    for stage, repeats in zip(stages, _repeatable(merged), strict=True):
        deeper.append(change(stage, Role.REPEATS, lambda base: rounding.depth(base, factor)) if repeats else stage)
    return replace(arch, stages=tuple(deeper))


def _merged(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Neighbours that only repeat the stage before them, as repeats of it."""
    kept = [stages[0]]
    for stage in stages[1:]:
        last = kept[-1]
        if stage.stride == 1 and (stage.block, stage.width) == (last.block, last.width):
            kept[-1] = replace(last, repeats=last.repeats + stage.repeats)
        else:
            kept.append(stage)
    return tuple(kept)


def _repeatable(arch: ArchSpec) -> list[bool]:
    """Of each stage, whether another of its blocks would have parameters."""
    shape = arch.input
    for stage in arch.stem:
        shape = stage_tally(stage, shape, arch.context).out_shape
    found = []
    for stage in arch.stages:
        shape = stage_tally(stage, shape, arch.context).out_shape
        found.append(_has_parameters(stage, shape, arch.context))
    return found


def _has_parameters(stage: Stage, shape: Shape, context: Context) -> bool:
    """Whether one more block would have parameters; one that does not fit its map any more is none to repeat."""
    try:
        return tally(lower_block(stage, shape, 1, context), shape).params > 0
    except SpecError:
        return False


def _wider(arch: ArchSpec, factor: float, rounding: Rounding, scale_stem: bool, scale_head: bool) -> ArchSpec:
    if factor == 1:
        return arch
    wider = change(arch, Role.WIDTH, lambda base: rounding.width(base, factor))
    return replace(wider, stem=wider.stem if scale_stem else arch.stem, head=wider.head if scale_head else arch.head)


def _larger(arch: ArchSpec, factor: float, rounding: Rounding) -> ArchSpec:
    if factor == 1:
        return arch
    channels, *sides = arch.input
    try:
        height, width = (rounding.resolution(side, factor) for side in sides)
    except SpecError as error:
        raise error.inside("input") from None
    return replace(arch, input=(channels, height, width))


def widths(arch: ArchSpec) -> list[int]:
    """Every number of channels and hidden features that width scaling multiplies, in the order of the description."""
    return numbers(arch, Role.WIDTH)
