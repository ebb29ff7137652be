"""Counting a plan: one fold that gives its output shape and its exact costs on a map of a given shape.

| name | meaning |
|---|---|
| `shape` | channels, height, width of the map before a layer |
| `params` | learned values |
| `macs` | multiply-accumulates of convolution and linear layers, bias not counted |
| `activations` | output elements of convolutions (Radosavovic et al. 2020, arXiv 2003.13678) |
| `peak` | the largest number of values alive at once in an inference forward of one image: a layer's input and output \
while it runs, whatever waits for a join, elementwise layers in place |
| `keep` | whether something else still needs the map before, so that it may not be overwritten or freed |
| `span` | depth and receptive field (`naslab.arch.span`) |

One example. A 3 x 3 convolution from 3 to 16 channels on a map of 3 x 8 x 8, padded by 1: 3 * 9 * 16 = 432 parameters;
each is used at 8 * 8 positions, so 432 * 64 = 27,648 multiply-accumulates; 16 * 64 = 1,024 activations; 3 * 64 = 192
values in and 1,024 out are alive at once, 1,216. How each layer is counted stands beside it in `naslab.arch.layers`.
"""

from __future__ import annotations

from typing import NamedTuple

from naslab.arch.declaration import COUNTERS, Counts, Layer, Shape, layer_kind
from naslab.arch.span import Span
from naslab.errors import SpecError


class Tally(NamedTuple):
    """What a plan does to a map: its output shape and exact counts; `peak` in values, not bytes.

    `span` is how deep it is and how far it sees (`naslab.arch.span`).
    """

    out_shape: Shape
    params: int
    macs: int
    activations: int
    peak: int
    span: Span


def tally(layer: Layer, shape: Shape, keep: bool = False) -> Tally:
    """Count `layer` on one map of `shape`; `keep` says that something else still needs the input afterwards.

    Raises `SpecError` naming the part that does not fit its input, or that is of no declared kind.

    >>> from naslab.arch.plan import Conv
    >>> tally(Conv(3, 16, (3, 3), padding=(1, 1)), (3, 8, 8))
    Tally(out_shape=(16, 8, 8), params=432, macs=27648, activations=1024, peak=1216, span=(1, 2, 2, 1, 1))
    """
    return Tally(*counts(layer, shape, keep))


def counts(layer: Layer, shape: Shape, keep: bool = False) -> Counts:
    """The fields of `tally` as a plain tuple, which is quicker to make."""
    return part_counts("", layer, shape, keep)


def part_counts(name: str, layer: Layer, shape: Shape, keep: bool) -> Counts:
    """Count a part of a combinator, naming it in any error."""
    try:
        return COUNTERS[type(layer)](layer, shape, keep)
    except (SpecError, KeyError) as error:
        raise part_error(name, layer, error) from None


def part_error(name: str, layer: Layer, error: SpecError | KeyError) -> SpecError:
    """What went wrong with a part: a rule that it breaks, or that nothing counts its kind."""
    if isinstance(error, KeyError):
        return SpecError(name, f"the cost model does not know the layer {layer_kind(layer)}")
    return error.inside(name)


def num_values(shape: Shape) -> int:
    """How many values a map holds."""
    return shape[0] * shape[1] * shape[2]


def no_room(kernel: tuple[int, int], shape: Shape) -> SpecError:
    """The error of a window that is larger than the map it should slide over."""
    return SpecError(
        "",
        f"a {kernel[0]} x {kernel[1]} window does not fit a map of {shape[1]} x {shape[2]}; "
        "the input is too small for the strides before it",
    )
