"""Branches of convolutions and pooling side by side: Inception cells of every version, as values."""

from __future__ import annotations

from typing import Literal, TypeAlias

from naslab.arch.block import Block, BlockActivation, Context, Spec, Width, require, require_positive
from naslab.arch.plan import Concat, Layer, Pool, Residual, Shape, chain, seq
from naslab.arch.sides import Sides, keeping, pair_of, require_sides, settle_sides, shown_sides
from naslab.errors import counted


class ConvStep(Spec, frozen=True, cache_hash=True, tag_field="type", tag="conv"):
    """Convolution, normalisation, activation on a branch; `kernel` is a side, or (height, width).

    A `strided` step takes the stage's stride. Without `padded` the window stays inside the map.
    """

    width: Width
    kernel: Sides = 1
    strided: bool = False
    padded: bool = True
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_positive(self.width, "width")
        settle_sides(self, "kernel", "dilation")
        require_sides(self.dilation, "dilation")
        for side in pair_of(self.kernel):
            require(side >= 1, "kernel", f"must be positive, got {shown_sides(self.kernel)}")
            rule = f"must be odd where it is padded, got {shown_sides(self.kernel)}"
            require(side % 2 == 1 or not self.padded, "kernel", rule)


class PoolStep(Spec, frozen=True, cache_hash=True, tag_field="type", tag="pool"):
    """Max or average pooling on a branch; an average counts its padding only with `count_padding`."""

    kind: Literal["max", "avg"] = "max"
    kernel: Sides = 3
    strided: bool = False
    padded: bool = True
    count_padding: bool = False

    def __post_init__(self) -> None:
        settle_sides(self, "kernel")
        require_sides(self.kernel, "kernel")


class ForkStep(Spec, frozen=True, cache_hash=True, tag_field="type", tag="fork"):
    """Branches within a branch, stacked."""

    branches: tuple[Branch, ...]

    def __post_init__(self) -> None:
        require(len(self.branches) > 0, "branches", "must hold at least one branch")


Step: TypeAlias = ConvStep | PoolStep | ForkStep
Branch: TypeAlias = tuple[Step, ...]
"""Steps one after another; none of them passes the input on."""


class Parallel(Block, frozen=True, tag="parallel"):
    """Branches on one input, stacked along the channels (Szegedy et al. 2016, arXiv 1512.00567, figures 5 to 10).

    The `branches` say how wide they are, so the stage needs no width. With `residual_scale` the stack is projected to
    the input's channels and added to the input after multiplication (arXiv 1602.07261, figures 16 to 19); `closing` is
    the activation of that sum.

    >>> block = Parallel(branches=((ConvStep(width=8),), (ConvStep(width=4), ConvStep(width=8, kernel=(1, 7)))))
    >>> block.lower((16, 9, 9), None, 1, Context()).names
    ('branch0', 'branch1')
    """

    branches: tuple[Branch, ...]
    residual_scale: float | None = None
    activation: BlockActivation = None
    closing: BlockActivation = None

    def __post_init__(self) -> None:
        require(len(self.branches) > 0, "branches", "must hold at least one branch")
        if self.residual_scale is not None:
            require_positive(self.residual_scale, "residual_scale")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        stack = self._stack(self.branches, shape[0], stride, context)
        made = _stacked_width(self.branches, shape[0])
        if self.residual_scale is None:
            rule = f"the branches make {counted(made, 'channel')}, got {width}; leave the stage's width out"
            require(width in (None, made), "width", rule)
            return stack
        require(stride == 1, "stride", f"a residual cell keeps its sizes, got {shown_sides(stride)}")
        require(width in (None, shape[0]), "width", f"a residual cell keeps its {shape[0]} channels, got {width}")
        project = context.filter(made, shape[0], bias=True)
        body = seq(branches=stack, project=project)
        residual = Residual(body, drop_rate=drop_rate, scale=self.residual_scale)
        return seq(residual=residual, act=context.activate(self.closing))

    def _stack(self, branches: tuple[Branch, ...], in_width: int, stride: Sides, context: Context) -> Concat:
        layers = tuple(self._branch(branch, in_width, stride, context) for branch in branches)
        return Concat(tuple(f"branch{index}" for index in range(len(layers))), layers)

    def _branch(self, branch: Branch, width: int, stride: Sides, context: Context) -> Layer:
        layers: list[Layer] = []
        for step in branch:
            if isinstance(step, ConvStep):
                layers.append(self._conv(step, width, stride, context))
                width = step.width
            elif isinstance(step, PoolStep):
                steps = pair_of(stride if step.strided else 1)
                padding = keeping(step.kernel) if step.padded else (0, 0)
                window = pair_of(step.kernel)
                layers.append(Pool(step.kind, window, steps, padding, count_padding=step.count_padding))
            else:
                layers.append(self._stack(step.branches, width, stride, context))
                width = _stacked_width(step.branches, width)
        return chain(layers)

    def _conv(self, step: ConvStep, in_width: int, stride: Sides, context: Context) -> Layer:
        padding = None if step.padded else (0, 0)
        steps = stride if step.strided else 1
        return seq(
            conv=context.filter(in_width, step.width, step.kernel, steps, padding, dilation=step.dilation),
            norm=context.normalise(step.width),
            act=context.activate(self.activation),
        )


def _stacked_width(branches: tuple[Branch, ...], in_width: int) -> int:
    """The channels that branches on `in_width` channels make together."""
    total = 0
    for branch in branches:
        width = in_width
        for step in branch:
            if isinstance(step, ConvStep):
                width = step.width
            elif isinstance(step, ForkStep):
                width = _stacked_width(step.branches, width)
        total += width
    return total
