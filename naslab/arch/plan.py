"""Plan: a small algebra of primitive layers and combinators. A network is one value of it.

Blocks lower themselves to plans; `cost`, `build` and `diagram` are folds over plans. A plan knows its channel
counts but not its spatial sizes, those follow from the input by `naslab.arch.cost`.
A layer added here is one case in each interpreter; an interpreter refuses layers it does not know.
"""

from __future__ import annotations

from itertools import compress
from typing import Any, Literal, TypeAlias

import msgspec

HeightWidth: TypeAlias = tuple[int, int]
Shape: TypeAlias = tuple[int, int, int]
"""Channels, height, width of one image's feature map. A flat vector is `(features, 1, 1)`."""

Activation = Literal[
    "relu", "relu6", "silu", "hardswish", "gelu", "leaky_relu", "elu", "tanh", "sigmoid", "hardsigmoid"
]


class Layer(msgspec.Struct, frozen=True, gc=False):
    """Something that turns one feature map into another. Final classes below; compare by value.

    Plans are trees, so the garbage collector leaves them alone.
    """


class Conv(Layer, frozen=True, gc=False):
    """Convolution with symmetric zero padding; `standardized` weights as in NFNet (arXiv 2102.06171)."""

    in_channels: int
    out_channels: int
    kernel: HeightWidth = (1, 1)
    stride: HeightWidth = (1, 1)
    padding: HeightWidth = (0, 0)
    groups: int = 1
    bias: bool = False
    dilation: HeightWidth = (1, 1)
    standardized: bool = False


class Norm(Layer, frozen=True, gc=False):
    """Batch, group or layer (over channels) normalisation with a learned scale and shift."""

    channels: int
    kind: Literal["batch", "group", "layer"] = "batch"
    eps: float = 1e-5
    momentum: float = 0.1
    groups: int = 1


class LocalResponseNorm(Layer, frozen=True, gc=False):
    """Division by the squares of `size` neighbouring channels, (k + alpha / size * sum) ** beta: AlexNet's."""

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0


class Act(Layer, frozen=True, gc=False):
    """An elementwise nonlinearity; `gain` multiplies its output (NFNet's variance correction)."""

    kind: Activation
    gain: float = 1.0


class Pool(Layer, frozen=True, gc=False):
    """Max or average pooling; an average never counts padding unless `count_padding`."""

    kind: Literal["max", "avg"]
    kernel: HeightWidth
    stride: HeightWidth
    padding: HeightWidth = (0, 0)
    ceil: bool = False
    count_padding: bool = False


class FractionalPool(Layer, frozen=True, gc=False):
    """Max pooling that leaves `ratio` of each side, by windows that overlap here and there (Graham 2014, arXiv
    1412.6071)."""

    kernel: HeightWidth
    ratio: float


class GlobalPool(Layer, frozen=True, gc=False):
    """Pooling of the whole map to `size` (1 x 1 unless an old classifier wants more)."""

    kind: Literal["max", "avg"] = "avg"
    size: HeightWidth = (1, 1)


class Flatten(Layer, frozen=True, gc=False):
    """(channels, height, width) to (channels * height * width, 1, 1)."""


class Linear(Layer, frozen=True, gc=False):
    """A fully connected layer on a flat vector."""

    in_features: int
    out_features: int
    bias: bool = True


class ChannelLinear(Layer, frozen=True, gc=False):
    """A fully connected layer over the channels of every position: a 1x1 convolution that is counted as linear."""

    in_features: int
    out_features: int
    bias: bool = True


class ChannelScale(Layer, frozen=True, gc=False):
    """A learned factor for every channel, or one for all, `initial` at first (LayerScale, arXiv 2103.17239)."""

    channels: int
    initial: float = 1.0


class Dropout(Layer, frozen=True, gc=False):
    """Zeroes values (`channelwise`: whole feature maps) with probability `rate` in training."""

    rate: float
    channelwise: bool = False


class DropPath(Layer, frozen=True, gc=False):
    """Zeroes an image's whole map with probability `rate` in training, and makes up for it where it is kept."""

    rate: float


class ChannelPad(Layer, frozen=True, gc=False):
    """Zero channels behind the given ones (ResNet's option A shortcut)."""

    channels: int


class ChannelSlice(Layer, frozen=True, gc=False):
    """Channels `start` to `stop`, the latter not included: one side of a channel split (arXiv 1807.11164)."""

    start: int
    stop: int


class ChannelShuffle(Layer, frozen=True, gc=False):
    """Channels dealt out so that every group gets some of each of `groups` groups (arXiv 1707.01083, figure 1)."""

    groups: int


class Subsample(Layer, frozen=True, gc=False):
    """Every `stride`-th position from `offset` on; where the map ends, zeros. ceil(size / stride) positions."""

    stride: HeightWidth
    offset: HeightWidth = (0, 0)


class Identity(Layer, frozen=True, gc=False):
    """Passes its input on."""


class Sequence(Layer, frozen=True, gc=False):
    """Layers one after another, each under a name that readers of the built model see."""

    names: tuple[str, ...]
    layers: tuple[Layer, ...]


class Residual(Layer, frozen=True, gc=False):
    """`shortcut(x) + scale * body(x)`; in training the body is dropped per image with probability `drop_rate`.

    Stochastic depth: Huang et al. 2016, arXiv 1603.09382. Scaled residuals: arXiv 1602.07261, section 3.3.
    """

    body: Layer
    shortcut: Layer = Identity()
    drop_rate: float = 0.0
    scale: float = 1.0


class Gate(Layer, frozen=True, gc=False):
    """`x * body(x)`, the body's output broadcast over positions: squeeze-and-excitation (arXiv 1709.01507)."""

    body: Layer


class Concat(Layer, frozen=True, gc=False):
    """Branches on one input, their outputs stacked along the channels."""

    names: tuple[str, ...]
    branches: tuple[Layer, ...]


class Node(msgspec.Struct, frozen=True, gc=False):
    """One step of a `Dag`: the values it reads, how several become one, and the layer on that.

    Value 0 is the graph's first input, further inputs follow, then the nodes in their order. With `shifted_like` the
    layer runs on the map behind one more row and column of zeros wherever value `shifted_like` has an even side, and
    its first row or column is dropped: the place of TensorFlow's windows on even maps.
    """

    layer: Layer
    inputs: tuple[int, ...]
    join: Literal["add", "mean", "concat"] = "add"
    shifted_like: int | None = None


class Dag(Layer, frozen=True, gc=False, cache_hash=True):
    """A graph of layers: nodes in order, the values `outputs` stacked along the channels.

    A graph of several inputs given one map reads it for all of them; inside a `History` it reads the last ones.
    In training every `mean` drops each of its inputs with probability `drop_rate`, never all: drop-path
    (Larsson et al. 2017, arXiv 1605.07648).
    """

    names: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    num_inputs: int = 1
    drop_rate: float = 0.0


class History(Layer, frozen=True, gc=False):
    """Layers one after another that remember: a `Dag` of n inputs reads the last n outputs, oldest first.

    A history inside a history goes on with its outer's.
    """

    names: tuple[str, ...]
    layers: tuple[Layer, ...]


class Supervised(Layer, frozen=True, gc=False):
    """A network with auxiliary heads behind some of its parts, there in training only (arXiv 1409.4842, section 5).

    `taps` are triples of a part's name, the head that reads its output, and what the head's loss counts.
    """

    body: Sequence | History
    taps: tuple[tuple[str, Layer, float], ...]


def seq(**layers: Layer | None) -> Sequence:
    """A `Sequence` from keywords, in their order; `None` leaves a layer out.

    >>> seq(conv=Conv(3, 8), act=Act("relu"), se=None).names
    ('conv', 'act')
    """
    values = layers.values()
    if all(values):
        return Sequence(tuple(layers), tuple(values))  # type: ignore[arg-type]  # none of them is None
    return Sequence(tuple(compress(layers, values)), tuple(filter(None, values)))


def chain(layers: list[Layer]) -> Sequence:
    """A `Sequence` whose layers are named by their position."""
    return Sequence(tuple(map(str, range(len(layers)))), tuple(layers))


def concat(**branches: Layer) -> Concat:
    """A `Concat` from keywords, in their order."""
    return Concat(tuple(branches), tuple(branches.values()))


def layer_kind(layer: Any) -> str:
    """The name under which messages and tables show a layer."""
    return type(layer).__name__
