"""Counting a plan: one fold that gives its output shape and its exact costs on a map of a given shape.

| name | meaning |
|---|---|
| `shape` | channels, height, width of the map before a layer |
| `params` | learned values |
| `macs` | multiply-accumulates of convolution and linear layers, bias not counted |
| `activations` | output elements of convolutions (Radosavovic et al. 2020, arXiv 2003.13678) |
| `peak` | the largest number of values alive at once in an inference forward of one image: a layer's input and output \
while it runs, and every other map that a later layer still reads. A norm, an activation, a dropout and a sum write \
over their input where nothing else reads it |
| `keep` | whether something beside the layer still needs its input (a shortcut, another branch). Then the input is \
not written over, and stays alive to the end of the layer |
| `span` | five numbers that compose (`naslab.arch.span`): depth, growth and jump in height and in width |
| depth | layers with weights on the longest way from input to output, squeeze-excite gates not counted |
| growth | how many more input positions than one an output position sees along a side: the receptive field minus one |
| jump | how many input positions lie between neighbouring output positions: the product of the strides |

`then` in `naslab.arch.span` composes spans: a part of growth g and jump j before one of growth h and jump k gives
growth g + j * h and jump j * k (Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural Networks",
distill.pub/2019/computing-receptive-fields, equation 2). Parts in parallel give the largest of each.

One example: a residual block on a map of shape (8, 4, 4), 128 values, that halves the sides and doubles the channels.
Its body is two 3 x 3 convolutions, to 32 and to 16 channels, with a norm and a ReLU between them; its shortcut is a
1 x 1 convolution of stride 2.

>>> from naslab.arch.plan import Act, Conv, Norm, Residual, seq
>>> conv1 = Conv(8, 32, (3, 3), stride=(2, 2), padding=(1, 1))
>>> body = seq(conv1=conv1, norm=Norm(32), act=Act("relu"), conv2=Conv(32, 16, (3, 3), padding=(1, 1)))
>>> tally(Residual(body, shortcut=Conv(8, 16, stride=(2, 2))), (8, 4, 4))
Tally(out_shape=(16, 2, 2), params=7104, macs=28160, activations=256, peak=320, span=(2, 6, 6, 2, 2))

By hand, layer by layer; `alive` is what is held while the layer runs:

| layer | params | macs | activations | alive |
|---|---|---|---|---|
| conv1 | 8 * 9 * 32 = 2304 | 2304 * 4 = 9216 | 32 * 4 = 128 | block's input 128 + output 128 = 256 |
| norm, act | 2 * 32 = 64 | 0 | 0 | block's input 128 + 128, written over = 256 |
| conv2 | 32 * 9 * 16 = 4608 | 4608 * 4 = 18432 | 16 * 4 = 64 | block's input 128 + input 128 + output 64 = 320 |
| shortcut | 8 * 16 = 128 | 128 * 4 = 512 | 64 | body's output 64 + input 128 + output 64 = 256 |
| sum | 0 | 0 | 0 | 64 + 64, written over one of them = 128 |

The body is counted with `keep`, because the shortcut reads the block's input after it: so `conv2` makes the peak, where
the block's input would otherwise be gone. The spans of the convolutions are (1, 2, 2, 2, 2) and (1, 2, 2, 1, 1),
together depth 2, growth 2 + 2 * 2 = 6, jump 2; the shortcut's (1, 0, 0, 2, 2) is nowhere larger.

How each layer is counted is written beside it in `naslab.arch.layers`.
"""

from __future__ import annotations

from typing import NamedTuple

from naslab.arch.declaration import COUNTERS, Counts, Layer, Shape, layer_kind
from naslab.arch.span import Span
from naslab.errors import SpecError, shown


class Tally(NamedTuple):
    """What a plan does to a map: the shape behind it and its exact counts, by the names of the table above.

    `out_shape` is (channels, height, width). `params`, `macs` and `activations` are sums over the layers. `peak` is in
    values of one image, not bytes. `span` is (depth, growth in height, growth in width, jump in height, jump in width).
    """

    out_shape: Shape
    params: int
    macs: int
    activations: int
    peak: int
    span: Span


def tally(layer: Layer, shape: Shape, keep: bool = False) -> Tally:
    """Count `layer` on one map of `shape` (channels, height, width).

    With `keep` something else still needs the map after the layer, so that it is not written over. Raises `SpecError`
    naming the part that does not fit its input, or that is of no declared kind.

    >>> from naslab.arch.plan import Conv
    >>> tally(Conv(3, 16, (3, 3), padding=(1, 1)), (3, 8, 8))
    Tally(out_shape=(16, 8, 8), params=432, macs=27648, activations=1024, peak=1216, span=(1, 2, 2, 1, 1))
    """
    return Tally(*counts(layer, shape, keep))


def counts(layer: Layer, shape: Shape, keep: bool = False) -> Counts:
    """What `tally` returns, as a plain tuple, which is quicker to make; raises `SpecError` as it does."""
    return part_counts("", layer, shape, keep)


def part_counts(name: str, layer: Layer, shape: Shape, keep: bool) -> Counts:
    """Count the part `layer` of a combinator, called `name` there, on a map of `shape`; `keep` as for `tally`.

    Raises `SpecError` with `name` in front of the path of what does not fit.
    """
    try:
        return COUNTERS[type(layer)](layer, shape, keep)
    except Exception as error:  # noqa: BLE001  (a layer from outside may raise anything)
        raise part_error(name, layer, error) from (None if isinstance(error, SpecError | KeyError) else error)


def part_error(name: str, layer: Layer, error: Exception) -> SpecError:
    """The error of the part `layer` called `name`: the rule that it breaks, or that its kind is not declared.

    `error` is what counting it raised. What is no `SpecError` is a mistake of the layer's own `count`, which is named.
    """
    if isinstance(error, SpecError):
        return error.inside(name)
    if type(layer) not in COUNTERS:
        return SpecError(name, f"the cost model does not know the layer {layer_kind(layer)}")
    return SpecError(name, f"the layer {layer_kind(layer)} cannot be counted: its `count` raised {raised(error)}")


def raised(error: Exception) -> str:
    """An exception of code from outside, on one line.

    >>> raised(ValueError("3 is odd"))
    "ValueError '3 is odd'"
    """
    return f"{type(error).__name__} '{shown(str(error), 200)}'"


def num_values(shape: Shape) -> int:
    """How many values a map of `shape` holds: channels * height * width."""
    return shape[0] * shape[1] * shape[2]


def no_room(kernel: tuple[int, int], shape: Shape) -> SpecError:
    """The error of a window of `kernel` (height, width) that is larger than the map of `shape` it should slide over."""
    return SpecError(
        "",
        f"a {kernel[0]} x {kernel[1]} window does not fit a map of {shape[1]} x {shape[2]}; "
        "the input is too small for the strides before it",
    )
