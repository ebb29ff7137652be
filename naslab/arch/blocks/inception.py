"""The Inception cell: parallel filters of several sizes, stacked."""

from __future__ import annotations

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    Spec,
    SqueezeExcite,
    Width,
    require,
    require_positive,
    scaled_width,
)
from naslab.arch.plan import Layer, Pool, Sequence, Shape, concat, seq
from naslab.arch.sides import Sides, pair_of
from naslab.errors import counted


class BranchWidths(Spec, frozen=True, cache_hash=True):
    """Output channels of the four branches, and of the 1x1 reductions before the larger filters."""

    one: Width
    three: Width
    five: Width
    pool: Width | None = None
    reduce_three: Width | None = None
    reduce_five: Width | None = None

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if value is not None:
                require_positive(value, field)

    @classmethod
    def of_width(cls, width: int, in_width: int, naive: bool) -> BranchWidths:
        """GoogLeNet's first cell (3a, arXiv 1409.4842, table 1) made `width` wide, on `in_width` channels.

        A `naive` cell passes its pooled input on, so its filters share what that leaves. Raises `SpecError` for a width
        that leaves a branch without channels.
        """
        if naive:
            left = width - in_width
            require(
                left >= 8,
                "width",
                f"a naive Inception cell on {counted(in_width, 'channel')} needs at least {in_width + 8}, got {width}",
            )
            one, five = scaled_width(left, 2 / 7), scaled_width(left, 1 / 7)
            return cls(one=one, three=left - one - five, five=five)
        require(width >= 8, "width", f"an Inception cell needs at least 8 channels, got {width}")
        one, five = scaled_width(width, 1 / 4), scaled_width(width, 1 / 8)
        three = width - one - 2 * five
        return cls(
            one=one,
            three=three,
            five=five,
            pool=five,
            reduce_three=scaled_width(three, 3 / 4),
            reduce_five=scaled_width(five, 1 / 2),
        )


class Inception(Block, frozen=True, tag="inception"):
    """Branches of 1x1, 3x3 and 5x5 filters and of pooling (Szegedy et al. 2015, arXiv 1409.4842, figure 2).

    With `widths` the branches are as given and the stage needs no width; without, they share the stage's width as in
    GoogLeNet's cell 3a. `naive` has no 1x1 reductions and passes its pooled input on (figure 2a).
    """

    widths: BranchWidths | None = None
    naive: bool = False
    se: SqueezeExcite | None = None
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        if self.widths is None:
            return
        for field in ("pool", "reduce_three", "reduce_five"):
            given = getattr(self.widths, field) is not None
            rule = "a naive cell has none, leave it out" if self.naive else "a reduced cell needs it"
            require(given != self.naive, f"widths.{field}", rule)

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        in_width = shape[0]
        widths = self.widths or BranchWidths.of_width(width or in_width, in_width, self.naive)
        act = self.activation

        def branch(kernel: int, out: int, reduced: int | None) -> Sequence:
            inner = reduced or in_width
            return seq(
                reduce=context.conv(in_width, reduced, activation=act) if reduced else None,
                conv=context.conv(inner, out, kernel, stride, activation=act),
            )

        pooled = seq(
            pool=Pool("max", (3, 3), pair_of(stride), (1, 1)),
            conv=context.conv(in_width, widths.pool, activation=act) if widths.pool else None,
        )
        cell = concat(
            one=branch(1, widths.one, None),
            three=branch(3, widths.three, widths.reduce_three),
            five=branch(5, widths.five, widths.reduce_five),
            pool=pooled,
        )
        out_width = widths.one + widths.three + widths.five + (widths.pool or in_width)
        require(
            self.widths is None or width in (None, out_width),
            "width",
            f"the branches make {counted(out_width, 'channel')}, got {width}; leave the stage's width out",
        )
        gate = context.squeeze_excite(self.se, in_width, out_width)
        return cell if gate is None else seq(cell=cell, se=gate)
