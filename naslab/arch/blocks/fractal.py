"""The fractal block: columns of doubling depth that meet again and again (Larsson et al. 2017, arXiv 1605.07648)."""

from __future__ import annotations

from naslab.arch.block import Block, BlockActivation, Context, require
from naslab.arch.plan import Dag, Dropout, Identity, Layer, Node, Shape, seq
from naslab.arch.sides import Sides, require_window


class Fractal(Block, frozen=True, tag="fractal"):
    """The fractal f_C: f_1 is a convolution, f_C+1 joins a convolution with f_C after f_C (section 2, equation 1).

    Column c of C = `columns` (from 1, the shallow one) holds 2^(c-1) convolutions. Columns that end at one place meet
    in one join, the mean of all of them, also where the recursion would nest two joins. In training a join drops inputs
    with the network's stochastic-depth rate, or the whole network keeps one column (`naslab.arch.graphs`).

    >>> len(Fractal(columns=3).lower((64, 32, 32), 64, 1, Context()).nodes)
    9
    """

    columns: int = 3
    kernel: Sides = 3
    dropout: float = 0.0
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require(1 <= self.columns <= 8, "columns", f"must be 1 to 8, got {self.columns}")
        require_window(self, "kernel")
        require(0 <= self.dropout < 1, "dropout", f"must be at least 0 and below 1, got {self.dropout}")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        out_width = width or shape[0]
        names: list[str] = []
        nodes: list[Node] = []
        begins = [0] * self.columns
        for row in range(1, 2 ** (self.columns - 1) + 1):
            ending = [column for column in range(self.columns) if row % self._span(column) == 0]
            ends = []
            for column in ending:
                is_first = row == self._span(column)
                conv = self._conv(shape[0] if is_first else out_width, out_width, stride if is_first else 1, context)
                names.append(f"column{column + 1}_row{row}")
                nodes.append(Node(conv, (begins[column],)))
                ends.append(len(nodes))
            if len(ends) > 1:
                names.append(f"join_row{row}")
                nodes.append(Node(Identity(), tuple(ends), "mean"))
            for column in ending:
                begins[column] = len(nodes)
        return Dag(tuple(names), tuple(nodes), (len(nodes),), drop_rate=drop_rate)

    def _span(self, column: int) -> int:
        """How many rows one convolution of a column (from 0, the shallow one) stands beside."""
        return int(2 ** (self.columns - 1 - column))

    def _conv(self, in_width: int, width: int, stride: Sides, context: Context) -> Layer:
        return seq(
            conv=context.filter(in_width, width, self.kernel, stride, dilation=self.dilation),
            dropout=Dropout(self.dropout) if self.dropout else None,
            norm=context.normalise(width),
            act=context.activate(self.activation),
        )
