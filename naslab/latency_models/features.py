"""What a latency is made of: sums over the layers of a network, by kind of layer.

Runtimes compute depthwise, grouped and other convolutions by routines of their own, each at another rate by kernel;
what they read and write costs the same in all of a kind. More features, as by the width of vectors or by each kernel,
told latencies of `mixed_cifar` no better (`results/targets/README.md`).

| feature | what is summed |
|---|---|
| `KIND KERNEL macs` | multiply-accumulates |
| `KIND in`, `out`, `weights` | values that are read, written, and of weights |
| `KIND layers` | 1 |
| `LAYER out`, `LAYER layers` | the same of other layers |
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from naslab.arch.cost import PlacedLayer, placed_layers
from naslab.arch.plan import Conv, Layer, Linear, Shape
from naslab.arch.tally import num_values

Features: TypeAlias = dict[str, float]


def features_of(plan: Layer, shape: Shape) -> Features:
    """The features of a plan, or of a part of one, on a map of `shape`; those of its parts add up to them.

    >>> from naslab.arch.plan import Linear
    >>> features_of(Linear(8, 2), (8, 1, 1))
    {'linear macs': 16.0, 'linear layers': 1.0}
    """
    found: Counter[str] = Counter()
    for each in placed_layers(plan, shape):
        found.update(_of_layer(each))
    return {name: float(value) for name, value in found.items()}


def _of_layer(placed: PlacedLayer) -> dict[str, int]:
    layer, out = placed.layer, placed.tally
    if isinstance(layer, Linear):
        return {"linear macs": out.macs, "linear layers": 1}
    written = num_values(out.out_shape)
    if not isinstance(layer, Conv):
        name = type(layer).__name__.lower() + (f" {layer.kind}" if hasattr(layer, "kind") else "")
        return {f"{name} out": written, f"{name} layers": 1}
    is_depthwise = layer.groups == layer.in_channels > 1
    kind = "depthwise" if is_depthwise else "grouped" if layer.groups > 1 else "conv"
    return {
        f"{kind} {max(layer.kernel)} macs": out.macs,
        f"{kind} in": num_values(placed.in_shape),
        f"{kind} out": written,
        f"{kind} weights": out.params,
        f"{kind} layers": 1,
    }
