"""The operations of cell spaces by the names that their papers and released code give them.

All stand behind their activation and end in a norm where they have weights:
NAS-Bench-201 (arXiv 2001.00326, section 2.1) and DARTS (arXiv 1806.09055, section 3.1).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, TypeAlias

from msgspec import structs

from naslab.arch.block import BlockActivation, Context
from naslab.arch.plan import HeightWidth, Identity, Layer, Pool, Sequence, Subsample, concat, seq
from naslab.arch.sides import Sides, pair_of

Operation: TypeAlias = Literal[
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "nor_conv_5x5",
    "nor_conv_7x7",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
    "avg_pool_3x3",
    "max_pool_3x3",
]
"""`none` is zeros, `skip_connect` the identity (a factorised reduction at stride 2). Of the separable ones `sep_conv`
is applied twice, `dil_conv` once with windows of dilation 2. The pairs of long windows run along the width first."""


@lru_cache(maxsize=4096)
def operation_layer(
    kind: Operation, in_width: int, width: int, stride: Sides, context: Context, activation: BlockActivation = None
) -> Layer | None:
    """The layers of the operation `kind` from `in_width` to `width` channels at `stride`; `None` for `none`.

    `context` is the network's normalisation and activation, `activation` the block's own. Where the number of channels
    changes a skip is a 1x1 convolution and a norm, and pooling has a 1x1 convolution behind its activation before it.
    Equal operations are one object, so that what is read from one is kept for all.
    """
    if kind == "none":
        return None
    windows = [(int(height), int(across)) for height, across in re.findall(r"(\d)x(\d)", kind)]
    steps = pair_of(stride)
    if kind == "skip_connect":
        if stride != 1:
            return factorised_reduction(context, in_width, width, steps, activation)
        return Identity() if in_width == width else context.conv(in_width, width, activation="none")
    if kind == "avg_pool_3x3" or kind == "max_pool_3x3":
        pool = Pool("avg" if kind == "avg_pool_3x3" else "max", windows[0], steps, (1, 1))
        if in_width == width:
            return pool
        return seq(brought=activated_conv(context, in_width, width, activation=activation), pool=pool)
    if len(windows) == 2:
        return _long_pair(context, in_width, width, windows[0][0], stride, activation)
    if kind.startswith("nor_conv"):
        return activated_conv(context, in_width, width, windows[0], stride, activation)
    if kind.startswith("dil_conv"):
        return _separable(context, in_width, width, windows[0], stride, activation, dilation=2)
    first = _separable(context, in_width, in_width, windows[0], stride, activation)
    return Sequence(("first", "second"), (first, _separable(context, in_width, width, windows[0], 1, activation)))


def activated_conv(
    context: Context,
    in_width: int,
    out_width: int,
    window: Sides = 1,
    stride: Sides = 1,
    activation: BlockActivation = None,
    dilation: Sides = 1,
) -> Sequence:
    """Activation, convolution, norm: `in_width` to `out_width` channels by a `window`.

    The window lies at `stride` and is spread by `dilation`.

    `context` is the network's normalisation and activation, `activation` the block's own.
    """
    conv = structs.replace(context.filter(in_width, out_width, window, dilation=dilation), stride=pair_of(stride))
    return seq(act=context.activate(activation), conv=conv, norm=context.normalise(out_width))


def factorised_reduction(
    context: Context, in_width: int, out_width: int, stride: HeightWidth, activation: BlockActivation = None
) -> Sequence:
    """A smaller map of `out_width` channels, made of two strided halves of which one is shifted by a position.

    The halves are 1x1 convolutions of `in_width` channels at `stride` (height, width), stacked, behind an activation
    (`activation`, else that of `context`) and before the norm of `context`.
    """
    first = out_width // 2
    shifted = (int(stride[0] > 1), int(stride[1] > 1))
    shares = {"even": (first, (0, 0)), "odd": (out_width - first, shifted)}
    halves = {
        half: seq(pick=Subsample(stride, offset), conv=context.filter(in_width, share))
        for half, (share, offset) in shares.items()
        if share
    }
    return seq(act=context.activate(activation), halves=concat(**halves), norm=context.normalise(out_width))


def _separable(
    context: Context,
    in_width: int,
    width: int,
    window: HeightWidth,
    stride: Sides,
    activation: BlockActivation,
    dilation: int = 1,
) -> Sequence:
    """Activation, depthwise and pointwise filter, norm."""
    return seq(
        act=context.activate(activation),
        depthwise=context.filter(in_width, in_width, window, stride, None, in_width, False, dilation),
        pointwise=context.filter(in_width, width),
        norm=context.normalise(width),
    )


def _long_pair(
    context: Context, in_width: int, width: int, length: int, stride: Sides, activation: BlockActivation
) -> Sequence:
    """A window along the width, then one along the height, each striding along its length."""
    steps = pair_of(stride)
    across = structs.replace(context.filter(in_width, width, (1, length), bias=False), stride=(1, steps[1]))
    down = structs.replace(context.filter(width, width, (length, 1)), stride=(steps[0], 1))
    return seq(act=context.activate(activation), across=across, down=down, norm=context.normalise(width))
