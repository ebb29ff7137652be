"""The few modules that torch lacks. This file needs torch alone and may be copied beside an exported network.

Maps have the shape (batch, channels, height, width) throughout.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """`shortcut(x) + scale * body(x)`, which must have the same shape.

    In training each image's body is dropped with probability `drop_rate`, and divided by 1 - `drop_rate` where it is
    kept (stochastic depth, arXiv 1603.09382).
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module, drop_rate: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.drop_rate = drop_rate
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        body = self.body(x)
        if self.scale != 1.0:
            body = body * self.scale
        if self.training and self.drop_rate > 0:
            kept = body.new_empty((body.shape[0], 1, 1, 1)).bernoulli_(1 - self.drop_rate)
            body = body * kept / (1 - self.drop_rate)
        return cast(Tensor, self.shortcut(x) + body)

    def extra_repr(self) -> str:
        shown = [f"drop_rate={self.drop_rate}"] if self.drop_rate else []
        return ", ".join(shown + ([f"scale={self.scale}"] if self.scale != 1.0 else []))


class Gate(nn.Module):
    """`x * body(x)`; the body's output, of shape (batch, channels, 1, 1), is broadcast over positions."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x * self.body(x))


class Concat(nn.ModuleDict):
    """Named branches on one map, their outputs stacked along the channels: shape (batch, sum, height, width)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.values()], dim=1)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position of a map of shape (batch, channels, height, width)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ChannelLinear(nn.Linear):
    """A fully connected layer over the channels of each position of a map of shape (batch, channels, height, width)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ChannelScale(nn.Module):
    """A learned factor for every channel, `initial` at first; `channels` may be 1, one factor for all.

    The shape of the map stays as it is.
    """

    def __init__(self, channels: int, initial: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), initial))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale

    def extra_repr(self) -> str:
        return str(self.scale.shape[0])


class ChannelPad(nn.Module):
    """`channels` channels of zeros behind those of the map: the shape grows from (batch, n, ...) by that many."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, (0, 0, 0, 0, 0, self.channels))

    def extra_repr(self) -> str:
        return str(self.channels)


class DropPath(nn.Module):
    """Zeroes an image's whole map with probability `rate` in training, and divides it by 1 - `rate` where it is kept.

    The shape of the map stays as it is.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        return str(self.rate)


class ChannelSlice(nn.Module):
    """Channels `start` to `stop` of the map, the latter not included: shape (batch, stop - start, height, width)."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start = start
        self.stop = stop

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.start : self.stop]

    def extra_repr(self) -> str:
        return f"{self.start}, {self.stop}"


class Subsample(nn.Module):
    """Every `stride`-th position from `offset` on, both (height, width), zeros beyond the map.

    The output's shape is (batch, channels, ceil(height / stride), ceil(width / stride)).
    """

    def __init__(self, stride: tuple[int, int], offset: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        down, right = self.offset
        shifted = functional.pad(x, (-right, right, -down, down)) if down or right else x
        return shifted[:, :, :: self.stride[0], :: self.stride[1]]

    def extra_repr(self) -> str:
        return f"stride={self.stride}, offset={self.offset}"


class Zeros(nn.Module):
    """Zeros of shape (batch, `channels`, height, width), whatever the input holds."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :1]).expand(-1, self.channels, -1, -1).contiguous()

    def extra_repr(self) -> str:
        return f"channels={self.channels}"


class FractionalMaxPool(nn.Module):
    """Fractional max pooling with windows of `kernel` that leaves `ratio` of each side (Graham 2014, arXiv 1412.6071).

    The output's shape is (batch, channels, int(height * ratio), int(width * ratio)). Windows lie at random in training,
    and in evaluation always the same.
    """

    def __init__(self, kernel: tuple[int, int], ratio: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.ratio = ratio

    def forward(self, x: Tensor) -> Tensor:
        size = (int(x.shape[2] * self.ratio), int(x.shape[3] * self.ratio))
        shape = (*x.shape[:2], 2)
        places = x.new_empty(shape).uniform_() if self.training else x.new_full(shape, 0.5)
        return functional.fractional_max_pool2d(x, self.kernel, size, _random_samples=places)

    def extra_repr(self) -> str:
        return f"{self.kernel}, {self.ratio}"


class ScaledActivation(nn.Module):
    """An activation times a constant `gain`; the shape stays as it is."""

    def __init__(self, activation: nn.Module, gain: float) -> None:
        super().__init__()
        self.activation = activation
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.activation(x) * self.gain)

    def extra_repr(self) -> str:
        return f"gain={self.gain}"


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's SAME: by no more than windows read, and behind the map where that is uneven.

    Arguments and shapes are those of `torch.nn.Conv2d`, whose `padding` is left aside.
    """

    def forward(self, x: Tensor) -> Tensor:
        around: list[int] = []
        windows = zip(self.kernel_size[::-1], self.dilation[::-1], self.stride[::-1], strict=True)
        for side, (kernel, dilation, stride) in zip(x.shape[:1:-1], windows, strict=True):
            both = max(0, (side - 1) // stride * stride + dilation * (kernel - 1) + 1 - side)
            around += [both // 2, both - both // 2]
        padded = functional.pad(x, around)
        return functional.conv2d(padded, self.weight, self.bias, self.stride, (0, 0), self.dilation, self.groups)


class StandardizedConv2d(nn.Conv2d):
    """Convolution with weights standardised per output channel and a learned gain (arXiv 2102.06171, equation 1).

    Arguments and shapes are those of `torch.nn.Conv2d`.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.gain = nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        fan_in = self.weight[0].numel()
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, correction=0)
        scale = self.gain * torch.rsqrt(torch.clamp(variance * fan_in, min=1e-4))
        return cast(Tensor, self._conv_forward(x, (self.weight - mean) * scale, self.bias))
