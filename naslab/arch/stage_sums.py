"""Numbers of a network that are sums over its layers, kept by stage: microseconds where the stages were seen before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from naslab.arch.block import Block, Context
from naslab.arch.lower import lower, lower_head, lowered_at, reads_history
from naslab.arch.memo import Memo
from naslab.arch.plan import Layer, Shape
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.arch.tally import tally


class StageSums:
    """A number of networks, from `of_part`, which gives it for a part of a plan on a map of a shape (channels, h, w).

    The number of a plan must be the sum of those of its blocks. What `of_part` raises passes.

    >>> from naslab.zoo import model
    >>> count = StageSums(lambda part, shape: tally(part, shape).params)
    >>> count(model("resnet18")) == 11689512
    True
    """

    def __init__(self, of_part: Callable[[Layer, Shape], float]) -> None:
        self._of_part = of_part
        self._stages: Memo[tuple[Shape, Context], Memo[Stage, tuple[float, Shape]]] = Memo(
            lambda place: Memo(partial(self._of_stage, place))
        )
        self._heads: Memo[tuple[Head, Shape, int, Context], float] = Memo(self._of_head)

    def __call__(self, arch: ArchSpec) -> float:
        """The number of the network `arch`. Raises `SpecError` where a layer does not fit its input."""
        if reads_history(arch):
            return self._of_part(lower(arch), arch.input)
        total, shape, context = 0.0, arch.input, arch.context
        for stage in arch.stem + arch.stages:
            more, shape = self._stages[shape, context][stage]
            total += more
        return total + self._heads[arch.head, shape, arch.num_classes, context]

    def _of_stage(self, place: tuple[Shape, Context], stage: Stage) -> tuple[float, Shape]:
        shape, context = place
        block: Block = stage.block
        stride, total = stage.stride, 0.0
        for index in range(stage.repeats):
            if index == 1:
                block, stride = block.repeated(1), 1
            part = lowered_at(block, stage.width, stride, shape, context)
            total += self._of_part(part, shape)
            shape = tally(part, shape).out_shape
        return total, shape

    def _of_head(self, key: tuple[Head, Shape, int, Context]) -> float:
        head, shape, num_classes, context = key
        return self._of_part(lower_head(head, shape, num_classes, context), shape)
