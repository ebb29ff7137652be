"""ArchSpec: what a network is. Immutable, hashable, and written to JSON and YAML without loss."""

from __future__ import annotations

from operator import attrgetter
from typing import Literal

import msgspec

from naslab.arch.block import (
    BlockActivation,
    Context,
    NormStyle,
    Padding,
    Repeats,
    Spec,
    Width,
    require,
    require_positive,
)
from naslab.arch.blocks import AnyBlock, OutsideBlock
from naslab.arch.bounds import (
    MAX_BLOCKS,
    MAX_CHANNELS,
    MAX_SIDE,
    require_at_most,
    require_few_blocks,
    require_kept_within_bounds,
    require_within_bounds,
)
from naslab.arch.memo import Memo
from naslab.arch.plan import Activation, Shape
from naslab.arch.sides import Sides, require_sides, settle_sides
from naslab.arguments import refuse_wrong_fields
from naslab.errors import SpecError

MAX_STRIDE = 8


class Stage(Spec, frozen=True, cache_hash=True):
    """`repeats` copies of `block` towards `width` channels; the first one takes the `stride`.

    The stride is one number for both sides of the map, or (height, width), as `[2, 1]`. `width=None` leaves it to the
    block (pooling keeps its input's channels). The block may also be of a class of the user's own that derives from
    `Block`.
    """

    block: AnyBlock
    width: Width | None = None
    repeats: Repeats = 1
    stride: Sides = 1

    def __post_init__(self) -> None:
        if isinstance(self.block, OutsideBlock):
            try:
                msgspec.structs.force_setattr(self, "block", self.block.loaded())
            except SpecError as error:
                raise error.inside("block") from None
        try:
            width = 1 if self.width is None else self.width
            if width < 1 or self.repeats < 1:
                require_positive(width, "width")
                require_positive(self.repeats, "repeats")
            if type(self.stride) is not int or not 1 <= self.stride <= MAX_STRIDE:
                settle_sides(self, "stride")
                require_sides(self.stride, "stride", MAX_STRIDE)
            if width > MAX_BLOCKS or self.repeats > MAX_BLOCKS:
                require_within_bounds(self)
            require_kept_within_bounds(self.block, "block")
        except (TypeError, AttributeError, ValueError) as error:
            if isinstance(error, SpecError) or not refuse_wrong_fields(self):
                raise
            self.__post_init__()


class StochasticDepth(Spec, frozen=True, cache_hash=True):
    """Residual bodies dropped per image in training (Huang et al. 2016, arXiv 1603.09382).

    `rate` is the last block's. By the `rule` `linear` rates grow to it block by block, `uniform` gives it to every
    block.

    >>> StochasticDepth(rate=0.2).rate_of(index=0, num_blocks=4)
    0.05
    """

    rate: float = 0.0
    rule: Literal["linear", "uniform"] = "linear"

    def __post_init__(self) -> None:
        require(0 <= self.rate < 1, "rate", f"must be at least 0 and below 1, got {self.rate}")

    def rate_of(self, index: int, num_blocks: int) -> float:
        """The rate of block `index` (from 0) of `num_blocks`."""
        return self.rate if self.rule == "uniform" else self.rate * (index + 1) / max(1, num_blocks)


class Head(Spec, frozen=True, cache_hash=True):
    """From the last feature map to the classes.

    Norm and activation (`norm`, for networks whose blocks end without), a 1x1 convolution to `width` (if given),
    pooling by `pool` to `pool_size` (height, width), the network's norm over the pooled channels (`norm_pooled`,
    ConvNeXt), fully connected layers of `hidden` widths, and the `classifier`. Values are dropped with probability
    `dropout` before each fully connected layer but the first hidden one. `activation` is the head's own, `None` the
    network's. The last layer has a `bias`, the hidden ones theirs (`hidden_bias`), unless told otherwise. A `conv`
    classifier (Network in Network, SqueezeNet) makes one activated map per class first and pools that.
    """

    norm: bool = False
    norm_pooled: bool = False
    width: Width | None = None
    pool: Literal["avg", "max"] = "avg"
    pool_size: tuple[int, int] = (1, 1)
    hidden: tuple[Width, ...] = ()
    dropout: float = 0.0
    activation: BlockActivation = None
    classifier: Literal["linear", "conv"] = "linear"
    bias: bool = True
    hidden_bias: bool = True

    def __post_init__(self) -> None:
        if self.width is not None:
            require_positive(self.width, "width")
        if self.classifier == "conv":
            require(not self.hidden, "hidden", f"a conv classifier has no hidden layers, got {self.hidden}")
            require(
                self.pool_size == (1, 1), "pool_size", f"must be 1 x 1 behind a conv classifier, got {self.pool_size}"
            )
        for index, width in enumerate(self.hidden):
            require_positive(width, f"hidden[{index}]")
        require(min(self.pool_size) >= 1, "pool_size", f"must be at least 1 x 1, got {self.pool_size}")
        require(0 <= self.dropout < 1, "dropout", f"must be at least 0 and below 1, got {self.dropout}")
        require_kept_within_bounds(self)


class AuxiliaryHead(Spec, frozen=True, cache_hash=True):
    """A classifier behind stage `after` (from 0) that is there in training only (arXiv 1409.4842, section 5).

    `stages` and `head` lead from that stage's output to the classes; its loss is multiplied by `weight`. By convention
    it is no part of a network's cost. `naslab.arch.build.build` makes it where asked.
    """

    after: int
    head: Head = Head()
    stages: tuple[Stage, ...] = ()
    weight: float = 0.3

    def __post_init__(self) -> None:
        require(self.after >= 0, "after", f"must be the index of a stage, got {self.after}")
        require(self.weight > 0, "weight", f"must be above 0, got {self.weight}")


_repeats = attrgetter("repeats")
_contexts: Memo[tuple[NormStyle | None, Activation, Padding], Context] = Memo(lambda style: Context(*style))
"""One value for each style: all that is kept by the place in a network asks for its hash, which it then knows."""


class ArchSpec(Spec, frozen=True, cache_hash=True):
    """A network: what goes in, `stem`, `stages`, `head`, and the style that its blocks share.

    `input` is (channels, height, width) of one image, `num_classes` the number of logits. Scaling leaves the `stem` and
    the `head` alone where asked. `norm` and `activation` are those of all blocks that name none, `norm=None` none at
    all; `stochastic_depth` drops residual bodies in training; `auxiliary` are classifiers that are there in training
    only. Strided convolutions are padded alike on both sides or, with the `padding` `same`, as TensorFlow pads: the
    same cost, and windows one pixel apart on maps of even sides, for which the weights of many releases were learned.
    Numbers beyond the bounds of `naslab.arch.bounds` are refused; `NASLAB_UNBOUNDED=1` lifts these.

    >>> from naslab.arch import ArchSpec, MBConv, Stage, cost
    >>> arch = ArchSpec(input=(3, 32, 32), stages=(Stage(block=MBConv(), width=24, stride=2),), num_classes=10)
    >>> cost(arch).params
    1073
    """

    input: Shape
    stages: tuple[Stage, ...]
    num_classes: int
    stem: tuple[Stage, ...] = ()
    head: Head = Head()
    norm: NormStyle | None = NormStyle()
    activation: Activation = "relu"
    stochastic_depth: StochasticDepth = StochasticDepth()
    auxiliary: tuple[AuxiliaryHead, ...] = ()
    padding: Padding = "symmetric"

    def __post_init__(self) -> None:
        try:
            if self.padding == "same" and self.norm is not None and self.norm.kind == "weights":
                raise SpecError("padding", "must be symmetric where weights are normalised, got same")
            if min(self.input) < 1:
                for index, value in enumerate(self.input):
                    require_positive(value, f"input[{index}]")
            if not self.stages or self.num_classes < 1:
                require(len(self.stages) > 0, "stages", "must hold at least one stage")
                require_positive(self.num_classes, "num_classes")
            if max(self.input) > MAX_SIDE or self.num_classes > MAX_CHANNELS:
                for index, value in enumerate(self.input):
                    require_at_most(value, MAX_SIDE, f"input[{index}]")
                require_at_most(self.num_classes, MAX_CHANNELS, "num_classes")
            if sum(map(_repeats, self.stem + self.stages)) > MAX_BLOCKS:
                require_few_blocks(map(_repeats, self.stem + self.stages))
            taken = -1
            for index, auxiliary in enumerate(self.auxiliary):
                field = f"auxiliary[{index}].after"
                require(
                    auxiliary.after < len(self.stages),
                    field,
                    f"must be below {len(self.stages)}, got {auxiliary.after}",
                )
                require(
                    auxiliary.after > taken, field, f"must be above the head before it, {taken}, got {auxiliary.after}"
                )
                taken = auxiliary.after
        except (TypeError, AttributeError, ValueError) as error:
            if isinstance(error, SpecError) or not refuse_wrong_fields(self):
                raise
            self.__post_init__()

    @property
    def context(self) -> Context:
        """What every block takes from the network."""
        return _contexts[self.norm, self.activation, self.padding]
