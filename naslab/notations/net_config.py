"""The `net_config` files of once-for-all and ProxylessNAS: every layer of a network by its class and fields.

They hold `first_conv`, `blocks` (each of a `mobile_inverted_conv`, also called `conv`, and a `shortcut`),
`final_expand_layer` and `feature_mix_layer` (MobileNetV3) or the latter alone, and the `classifier`.
"""

from __future__ import annotations

from typing import Any

from naslab.arch.block import NormStyle, SqueezeExcite
from naslab.arch.blocks import ConvBlock, InvertedBottleneck, MBConv
from naslab.arch.plan import Activation
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.errors import SpecError, shown

ACTIVATIONS: dict[str, Activation] = {
    "relu": "relu",
    "relu6": "relu6",
    "h_swish": "hardswish",
    "swish": "silu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
}
GATE = SqueezeExcite(ratio=0.25, of="gated", divisor=8, activation="relu", gate="hardsigmoid")
_NOTHING = ("ZeroLayer",)


def looks_like_net_config(values: dict[str, Any]) -> bool:
    """Whether the values are a `net_config`, by its keys."""
    return "blocks" in values or "first_conv" in values


def read_net_config(values: dict[str, Any], resolution: int = 224) -> ArchSpec:
    """The network of a `net_config` on images of `resolution`. Raises `SpecError` that names what is wrong in it."""
    root = _Part(values, "net_config")
    first = root.part("first_conv")
    classifier = root.part("classifier")
    stem = ConvBlock(kernel=first.number("kernel_size"), activation=first.activation())
    stages = tuple(each for index, block in enumerate(root.rows("blocks")) for each in _stages(block, index))
    norm = root.part("bn") if values.get("bn") is not None else None
    style = NormStyle() if norm is None else NormStyle(eps=norm.real("eps", 1e-5), momentum=norm.real("momentum", 0.1))
    mixed = root.part("feature_mix_layer")
    dropout = classifier.real("dropout_rate", 0.0)
    activation: Activation = mixed.activation() or "relu"
    if values.get("final_expand_layer") is None:
        head = Head(width=mixed.number("out_channels"), activation=activation, dropout=dropout)
    else:
        final = root.part("final_expand_layer")
        if final.activation() != activation:
            raise SpecError("net_config", "final_expand_layer and feature_mix_layer must have one activation")
        hidden = (mixed.number("out_channels"),)
        has_bias = bool(mixed.values.get("bias", False))
        width = final.number("out_channels")
        head = Head(width=width, hidden=hidden, hidden_bias=has_bias, activation=activation, dropout=dropout)
    return ArchSpec(
        input=(first.number("in_channels", 3), resolution, resolution),
        stem=(Stage(block=stem, width=first.number("out_channels"), stride=first.number("stride", 2)),),
        stages=stages,
        head=head,
        num_classes=classifier.number("out_features"),
        norm=style,
        activation=activation,
    )


class _Part:
    """An object in the file with its `path`, whose fields are asked for by name."""

    def __init__(self, values: Any, path: str) -> None:
        if not isinstance(values, dict):
            raise SpecError("once_for_all", f"{path} must be an object, got {shown(values)}")
        self.values = values
        self.path = path

    def part(self, name: str) -> _Part:
        return _Part(self.values.get(name), f"{self.path}.{name}")

    def rows(self, name: str) -> list[_Part]:
        found = self.values.get(name)
        if not isinstance(found, list) or not found:
            raise SpecError("once_for_all", f"{self.path}.{name} must be a list of blocks, got {shown(found)}")
        return [_Part(each, f"{self.path}.{name}[{index}]") for index, each in enumerate(found)]

    def number(self, name: str, default: int | None = None) -> int:
        found = self.values.get(name, default)
        if type(found) is not int:
            raise SpecError("once_for_all", f"{self.path}.{name} must be a whole number, got {shown(found)}")
        return found

    def real(self, name: str, default: float) -> float:
        found = self.values.get(name, default)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise SpecError("once_for_all", f"{self.path}.{name} must be a number, got {shown(found)}")
        return float(found)

    def activation(self) -> Activation | None:
        found = self.values.get("act_func")
        if found not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise SpecError("once_for_all", f"{self.path}.act_func must be one of {known}, got {shown(found)}")
        return ACTIVATIONS[found]


def _stages(block: _Part, index: int) -> tuple[Stage, ...]:
    """The stage of a block; none of one that is left out."""
    name = "mobile_inverted_conv" if "mobile_inverted_conv" in block.values else "conv"
    if block.values.get(name) is None:
        return ()
    conv = block.part(name)
    kind = conv.values.get("name", "MBConvLayer")
    if kind in _NOTHING:
        return ()
    if kind not in ("MBConvLayer", "MBInvertedConvLayer"):
        raise SpecError("once_for_all", f"{conv.path}: no layer {shown(kind)} is read, only MBConvLayer")
    in_width, out, stride = conv.number("in_channels"), conv.number("out_channels"), conv.number("stride", 1)
    expansion = conv.real("expand_ratio", 6)
    mid = conv.values.get("mid_channels")
    hidden = round(in_width * expansion) if mid is None else conv.number("mid_channels")
    activation = conv.activation()
    has_shortcut = block.values.get("shortcut") is not None
    if has_shortcut and (stride != 1 or in_width != out):
        raise SpecError("once_for_all", f"{block.path} has a shortcut between maps of different shapes")
    fields: dict[str, Any] = {
        "kernel": conv.number("kernel_size"),
        "hidden": in_width if expansion == 1 else hidden,
        "activation": activation,
        "has_shortcut": has_shortcut,
    }
    made = MBConv(se=GATE, **fields) if conv.values.get("use_se") else InvertedBottleneck(**fields)
    return (Stage(block=made, width=out, stride=stride),)
