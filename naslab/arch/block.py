"""What a block is: a frozen specification that lowers itself to primitive layers, in one method.

The annotated types below say what a field is (a width that scaling multiplies, a kernel that a space may vary),
so that scaling and mutation are generic walks over any specification.
"""

from __future__ import annotations

import math
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

import msgspec

from naslab.arch.declaration import HeightWidth
from naslab.arch.memo import Memo
from naslab.arch.plan import Act, Activation, Conv, Gate, GlobalPool, Layer, Norm, Sequence, Shape, seq
from naslab.arch.sides import Sides as Sides
from naslab.arch.sides import keeping, pair_of
from naslab.arch.sides import require_odd as require_odd
from naslab.errors import SpecError


class Role(Enum):
    """What a field of a specification is, for scaling and mutation, which walk over all fields."""

    WIDTH = "width"
    REPEATS = "repeats"
    RESOLUTION = "resolution"
    GROUPS = "groups"


Width = Annotated[int, msgspec.Meta(extra={"role": Role.WIDTH})]
"""A number of channels or features that width scaling multiplies."""
Repeats = Annotated[int, msgspec.Meta(extra={"role": Role.REPEATS})]
"""A number of blocks that depth scaling multiplies."""
Groups = Annotated[int, msgspec.Meta(extra={"role": Role.GROUPS})]
"""A number of groups that must divide the widths beside it."""

BlockActivation: TypeAlias = Activation | Literal["none"] | None
"""A block's own activation; `None` takes the network's."""


@cache
def roles_of(kind: type[msgspec.Struct]) -> dict[str, Role]:
    """The roles of a description's fields, as their annotations state them; fields without one are left out."""
    found = {info.name: _stated(info.type) for info in msgspec.structs.fields(kind)}
    return {name: role for name, role in found.items() if role is not None}


def _stated(annotation: Any) -> Role | None:
    """The role in `Width`, `Width | None` or `tuple[Width, ...]`."""
    if get_origin(annotation) is Annotated:
        extras = [each.extra or {} for each in get_args(annotation)[1:] if isinstance(each, msgspec.Meta)]
        return next((extra["role"] for extra in extras if "role" in extra), None)
    return next((role for each in get_args(annotation) if (role := _stated(each)) is not None), None)


def require(holds: bool, field: str, rule: str) -> None:
    """Raise `SpecError` that `field` breaks `rule`, unless `holds`."""
    if not holds:
        raise SpecError(field, rule)


def require_positive(value: float, field: str) -> None:
    """Raise `SpecError` unless a count is at least 1, or a factor above 0."""
    if value < 1 if isinstance(value, int) else value <= 0:
        raise SpecError(field, f"must be {'at least 1' if isinstance(value, int) else 'above 0'}, got {value}")


def require_divides(groups: int, in_channels: int, out_channels: int) -> None:
    """Raise `SpecError` unless `groups` divides the channels on both sides."""
    if in_channels % groups or out_channels % groups:
        raise SpecError("groups", f"{groups} must divide {in_channels} input and {out_channels} output channels")


def round_width(exact: float, divisor: int = 8, guard: float = 0.9) -> int:
    """The multiple of `divisor` nearest to `exact`, one more where it would fall below `guard` of it.

    MobileNetV2's and EfficientNet's rule (arXiv 1905.11946, released code); EfficientNetV2 has no guard (0).

    >>> round_width(16 * 1.4), round_width(1280 * 1.1), round_width(10)
    (24, 1408, 16)
    """
    rounded = max(divisor, int(exact + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < guard * exact else rounded


def scaled_width(width: int, factor: float) -> int:
    """`width * factor` to the nearest integer, at least 1."""
    return max(1, math.floor(width * factor + 0.5))


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is at most `most`.

    >>> largest_divisor(48, 32)
    24
    """
    return next(divisor for divisor in range(min(number, most), 0, -1) if number % divisor == 0)


VARIANCE_GAINS: dict[Activation, float] = {
    "relu": 1.7139588594436646,
    "relu6": 1.7131484746932983,
    "silu": 1.7881293296813965,
    "hardswish": 1.813871473820243,
    "gelu": 1.7015043497085571,
    "leaky_relu": 1.70590341091156,
    "elu": 1.2716004848480225,
    "tanh": 1.5939117670059204,
    "sigmoid": 4.803835391998291,
    "hardsigmoid": 6.015034486659986,
}
"""What an activation's output is multiplied by so that a standard normal input keeps variance 1 (arXiv 2101.08692):
the constants of the released NFNet code, which were sampled, and the integral for the two that it lacks."""


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An immutable part of a description of a network: compared by value, written to JSON and YAML without loss.

    Making one whose fields break a rule raises `SpecError` with the field and the value. Such values cannot form
    cycles, so the garbage collector leaves them alone: a tenth of a candidate's time.
    """


class NormStyle(Spec, frozen=True, cache_hash=True):
    """The normalisation that all blocks of a network use.

    `kind` is that of `naslab.arch.plan.Norm`, or `weights`, which normalises no map: convolutions standardise their
    weights, activations keep the variance (NFNet, arXiv 2102.06171, section 2). `eps` is added to variances; `momentum`
    is that of batch normalisation's running statistics, as in torch. `groups` is for group normalisation: the largest
    divisor of the channels up to it is taken.
    """

    kind: Literal["batch", "group", "layer", "weights"] = "batch"
    eps: float = 1e-5
    momentum: float = 0.1
    groups: int = 32

    def __post_init__(self) -> None:
        require(self.groups >= 1, "groups", f"must be at least 1, got {self.groups}")
        require(self.eps > 0, "eps", f"must be positive, got {self.eps}")


class SqueezeExcite(Spec, frozen=True, cache_hash=True):
    """Squeeze-and-excitation (Hu et al. 2018, arXiv 1709.01507).

    The squeezed width is `ratio` of the block's input (`of="input"`, EfficientNet) or of the channels that are gated
    (`of="gated"`, SENet, MobileNetV3); `None` takes the block's own convention. It is rounded to `divisor` under the
    ten per cent rule (`round_width`) where that is above 1, else down, and is at least 1. `activation` stands between
    the two convolutions, `None` for the network's; `gate` behind the second. `gain` multiplies the gate (NFNet: 2).
    """

    ratio: float = 0.25
    of: Literal["input", "gated"] | None = None
    divisor: int = 1
    activation: Activation | None = None
    gate: Literal["sigmoid", "hardsigmoid"] = "sigmoid"
    gain: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.ratio <= 1, "ratio", f"must be above 0 and at most 1, got {self.ratio}")
        require(self.divisor >= 1, "divisor", f"must be at least 1, got {self.divisor}")

    def squeezed_width(self, in_width: int, gated_width: int, of: Literal["input", "gated"]) -> int:
        """The channels between the two convolutions of a gate over `gated_width` channels.

        `in_width` are the channels of the block's input; `of` is the block's convention of which of the two are
        squeezed, for where this has none of its own.
        """
        exact = self.ratio * (in_width if (self.of or of) == "input" else gated_width)
        return round_width(exact, self.divisor) if self.divisor > 1 else max(1, int(exact))


Padding: TypeAlias = Literal["symmetric", "same"]
"""How strided convolutions are padded: both sides alike, or as TensorFlow's SAME."""


class Context(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What a block takes from the network around it, `norm`, `activation` and `padding`, and layers in its style."""

    norm: NormStyle | None = NormStyle()
    activation: Activation = "relu"
    padding: Padding = "symmetric"

    def normalise(self, channels: int) -> Norm | None:
        """The network's normalisation over `channels`, or nothing."""
        style = self.norm
        if style is None or style.kind == "weights":
            return None
        groups = largest_divisor(channels, style.groups) if style.kind == "group" else 1
        return Norm(channels, style.kind, style.eps, style.momentum, groups)

    def activate(self, own: BlockActivation = None) -> Act | None:
        """The block's own activation, else the network's; `none` is no layer."""
        kind = own or self.activation
        if kind == "none":
            return None
        style = self.norm
        if style is not None and style.kind == "weights":
            return Act(kind, VARIANCE_GAINS[kind])
        return Act(kind)

    def filter(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Sides = 1,
        stride: Sides = 1,
        padding: tuple[int, int] | None = None,
        groups: int = 1,
        bias: bool | None = None,
        dilation: Sides = 1,
    ) -> Conv:
        """A bare convolution of `in_channels` to `out_channels` with windows of `kernel` at `stride`.

        `kernel`, `stride` and `dilation` are one number for both sides, or (height, width). `padding` (height, width)
        keeps sizes at stride 1 unless given, and what does is that of the network. `bias` is there only where no norm
        follows, unless given. Raises `SpecError` where `groups` do not divide the channels on both sides.
        """
        if groups > 1:
            require_divides(groups, in_channels, out_channels)
        window, steps = pair_of(kernel), pair_of(stride)
        spread = (1, 1) if dilation == 1 else _spread(window, pair_of(dilation))
        keeps = keeping(window, spread)
        if padding is None:
            padding = keeps
        is_same = self.padding == "same" and steps != (1, 1) and window != (1, 1) and padding == keeps
        style = self.norm
        standardized = style is not None and style.kind == "weights"
        if bias is None:
            bias = style is None or standardized
        return Conv(in_channels, out_channels, window, steps, padding, groups, bias, spread, standardized, is_same)

    def conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Sides = 1,
        stride: Sides = 1,
        groups: int = 1,
        activation: BlockActivation = None,
        dilation: Sides = 1,
    ) -> Sequence:
        """Convolution, normalisation, activation: `in_channels` to `out_channels` with windows of `kernel`.

        It strides by `stride` in `groups` groups with windows spread by `dilation`, each one number or (height, width);
        it is padded to keep sizes at stride 1, and has a bias only without a norm. `activation` is the block's own,
        `None` the network's.
        """
        return _convs[self, in_channels, out_channels, kernel, stride, groups, activation, dilation]

    def squeeze_excite(
        self,
        se: SqueezeExcite | None,
        in_width: int,
        gated_width: int,
        of: Literal["input", "gated"] = "gated",
    ) -> Gate | None:
        """The gate that `se` asks for over `gated_width` channels, or nothing.

        `in_width` are the channels of the block's input; `of` is the block's convention of which of the two are
        squeezed.
        """
        if se is None:
            return None
        squeezed = se.squeezed_width(in_width, gated_width, of)
        reduce = Conv(gated_width, squeezed, bias=True)
        expand = Conv(squeezed, gated_width, bias=True)
        acts = Act(se.activation or self.activation), Act(se.gate, se.gain)
        names = ("pool", "reduce", "act", "expand", "gate")
        return Gate(Sequence(names, (GlobalPool(), reduce, acts[0], expand, acts[1])))


def _spread(window: HeightWidth, dilation: HeightWidth) -> HeightWidth:
    """The dilation of a `window`, 1 along sides of one position, which nothing spreads."""
    return (1 if window[0] == 1 else dilation[0], 1 if window[1] == 1 else dilation[1])


def _new_conv(asked: tuple[Context, int, int, Sides, Sides, int, BlockActivation, Sides]) -> Sequence:
    context, in_channels, out_channels, kernel, stride, groups, activation, dilation = asked
    conv = context.filter(in_channels, out_channels, kernel, stride, None, groups, None, dilation)
    norm = context.normalise(out_channels)
    act = context.activate(activation)
    if norm is None:
        return seq(conv=conv, act=act)
    if act is None:
        return Sequence(("conv", "norm"), (conv, norm))
    return Sequence(("conv", "norm", "act"), (conv, norm, act))


_convs = Memo(_new_conv, limit=1 << 14)
"""What `Context.conv` gives: the cost and then the identity of a network ask for the same."""

PLAIN = Context(norm=None)
"""A style without normalisation and with padding alike on both sides, for convolutions that follow no network's."""


class Block(Spec, frozen=True, cache_hash=True, tag_field="type"):
    """A block specification. Subclasses are final, name themselves by `tag` and lower themselves.

    Fields of one name mean the same in all: `kernel` is the side of the filter or window in pixels, or its (height,
    width); `dilation` how many positions lie between neighbouring values of a window, alike; `groups` the groups of its
    convolution; `expansion` the inner channels over the input's; `se` the squeeze-excite gate; `shortcut` how a
    residual block's input joins its output where shapes differ; `dropout` a rate in training; `activation` the block's
    own, `None` the network's.
    """

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        """The layers of one block on a map of `shape`, towards `width` channels (`None`: the block's own).

        `stride` is the stage's, one number or (height, width), `context` the network's normalisation and activation.
        `drop_rate` is the stochastic-depth probability of a residual body. Raises `SpecError` where the block cannot be
        made there.
        """
        raise TypeError(f"{type(self).__name__} does not lower itself")

    @property
    def num_inputs(self) -> int:
        """How many of the last outputs the block reads; those that read several also have `lower_on`."""
        return 1

    def lower_on(
        self, shapes: tuple[Shape, ...], width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0
    ) -> Layer:
        """The layers of one block on the last `num_inputs` maps, of `shapes`, oldest first.

        `width`, `stride`, `context` and `drop_rate` are those of `lower`.
        """
        return self.lower(shapes[-1], width, stride, context, drop_rate)

    def repeated(self, times: int) -> Block:
        """The block that follows `times` others in a stage made of this one: by default the same block.

        Those behind the first may differ from each other in constants, not in what is counted.
        """
        return self

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block | None:
        """The simplest block that gives the same network here; `None` where this one does nothing at all."""
        return self
