"""Which activations overwrite their input: what the built module does and the memory that it needs both follow this."""

from __future__ import annotations

from naslab.arch.plan import (
    Act,
    ChannelLinear,
    Concat,
    Conv,
    FractionalPool,
    GlobalPool,
    Identity,
    Layer,
    Linear,
    Norm,
    Pool,
    Residual,
    Sequence,
)

IN_PLACE = ("relu", "relu6", "silu", "hardswish", "leaky_relu", "elu", "hardsigmoid")


def overwrites(layer: Act, before: Layer = Identity()) -> bool:  # noqa: B008 - immutable
    """Whether an activation works in place behind the layer `before` it: where nothing else can read its input.

    >>> overwrites(Act("relu"), Norm(8)), overwrites(Act("relu")), overwrites(Act("gelu"), Norm(8))
    (True, False, False)
    """
    return layer.kind in IN_PLACE and makes_new_map(before)


def makes_new_map(layer: Layer) -> bool:
    """Whether a layer's output is its own, neither its input nor a part of it, and not kept for its gradient."""
    if isinstance(layer, Sequence):
        return bool(layer.layers) and makes_new_map(layer.layers[-1])
    return isinstance(
        layer, Conv | Norm | Pool | FractionalPool | GlobalPool | Linear | ChannelLinear | Residual | Concat
    )
