"""Convolutions in training on a CPU, by the fastest of PyTorch's own ways to compute the same sums.

oneDNN, which computes PyTorch's convolutions on a CPU, is slow at two things that MBConv networks do all the time, on
small images above all (`scripts/bench_convolutions.py`):

- The gradient of a depthwise convolution's weights, where a kernel is more than three columns wide or larger than the
  map that it moves over. It is computed three columns at a time here, over copies of the images with their padding
  written out. In bfloat16 the gradients of such convolutions, and of those with a stride, are slower still: they are
  computed in float32.
- Convolutions of 1 x 1 on small maps, in bfloat16 their weights' gradient above all. They are matrix products here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

COLUMNS = 3
"""The widest depthwise kernel whose weights' gradient is fast."""
COPY_BYTES = 4 * 2**20
"""About the size of one copy of some images: larger ones leave the cache, smaller ones are too many."""
SMALL_MAP = 16
"""Pixels of the largest maps whose 1 x 1 convolutions are faster as products of matrices."""
NUM_ARGUMENTS = 7
"""Of `torch.conv2d`, as modules call it."""
HeightWidth: TypeAlias = tuple[int, int]
"""Of rows and of columns."""


class Convolution(NamedTuple):
    """The arguments of `torch.conv2d`, padding as a pair of numbers.

    `images` are of shape (batch, channels, height, width), `weight` (out, in / groups, rows, columns), `bias` (out,);
    `stride`, `padding` and `dilation` are of (rows, columns).
    """

    images: Tensor
    weight: Tensor
    bias: Tensor | None = None
    stride: HeightWidth = (1, 1)
    padding: HeightWidth = (0, 0)
    dilation: HeightWidth = (1, 1)
    groups: int = 1

    @property
    def is_pointwise(self) -> bool:
        """Whether it is 1 x 1 on channels-last maps so small that a product of matrices is faster."""
        if self.images.shape[2] * self.images.shape[3] > SMALL_MAP:
            return False
        is_one = self.weight.shape[2:] == (1, 1) and self.stride == (1, 1) and self.padding == (0, 0)
        return is_one and self.groups == 1 and self.images.is_contiguous(memory_format=torch.channels_last)

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has one kernel of its own, and none is dilated."""
        return self.groups == self.images.shape[1] == self.weight.shape[0] and self.dilation == (1, 1)


class CpuConvolutions(TorchFunctionMode):
    """Convolutions of modules that are called inside the block are computed the fastest way.

    Under autocast those of several groups that are not depthwise stay in float32, where they are faster.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function is not torch.conv2d or len(args) != NUM_ARGUMENTS or args[0].dim() != 4:
            return function(*args, **(kwargs or {}))
        is_plain = all(isinstance(each, tuple) for each in args[3:6])  # padding may be a word
        return convolve(Convolution(*args)) if is_plain else function(*args)


def convolve(convolution: Convolution) -> Tensor:
    """What `torch.conv2d` gives, to rounding, of shape (batch, out, height, width); its gradients are the same too.

    float32 images stay float32, or are bfloat16 under autocast, but for grouped convolutions that are not depthwise.

    >>> images, weight = torch.ones(1, 8, 6, 6), torch.ones(8, 1, 5, 5, requires_grad=True)
    >>> convolve(Convolution(images, weight, padding=(2, 2), groups=8)).sum().backward()
    >>> weight.grad[0, 0, 0]
    tensor([16., 20., 24., 20., 16.])
    """
    if convolution.is_pointwise:
        return _pointwise(convolution)
    if convolution.groups == 1 or (convolution.is_depthwise and _is_fast(convolution)):
        return torch.conv2d(*convolution)
    if convolution.is_depthwise:
        return _depthwise(convolution)
    with torch.autocast("cpu", enabled=False):
        return torch.conv2d(convolution.images.float(), *convolution[1:])


def _pointwise(convolution: Convolution) -> Tensor:
    images, weight, bias = convolution[:3]
    return functional.linear(images.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


def _is_fast(depthwise: Convolution) -> bool:
    """Whether PyTorch's own way with its gradients is the fastest."""
    has_stride = depthwise.stride != (1, 1)
    return _is_narrow(depthwise.images, depthwise.weight) and not (has_stride and torch.is_autocast_enabled("cpu"))


def _is_narrow(images: Tensor, weight: Tensor) -> bool:
    """Whether the gradient of a depthwise convolution's weights is fast."""
    rows, columns = weight.shape[2:]
    return columns <= COLUMNS and images.shape[2] >= rows and images.shape[3] >= columns


def _depthwise(convolution: Convolution) -> Tensor:
    images, weight, bias, stride, padding = convolution[:5]
    if torch.is_autocast_enabled("cpu") and images.dtype != torch.float64:  # which autocast leaves alone
        dtype = torch.get_autocast_dtype("cpu")
        images, weight = images.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    out: Tensor = _DepthwiseConvolution.apply(images, weight, bias, stride, padding)
    return out


class _DepthwiseConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: HeightWidth, padding: HeightWidth
    ) -> Tensor:
        context.save_for_backward(images, weight)
        context.places = stride, padding
        return torch.conv2d(images, weight, bias, stride, padding, 1, weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = context.saved_tensors
        wants_images, wants_weight, wants_bias = context.needs_input_grad[:3]
        work = torch.promote_types(images.dtype, torch.float32)
        # Processors without 16-bit arithmetic refuse three tensors of different types.
        alike = gradient.to(work), images.to(work), weight.to(work)
        of_images = of_weight = of_bias = None
        if wants_images:
            of_images = _gradient(*alike, *context.places, of_weight=False).to(images.dtype)
        if wants_weight:
            of_weight = weight_gradient(*alike, *context.places).to(weight.dtype)
        if wants_bias:
            of_bias = alike[0].sum((0, 2, 3)).to(weight.dtype)
        return of_images, of_weight, of_bias, None, None


def weight_gradient(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: HeightWidth, padding: HeightWidth
) -> Tensor:
    """The gradient of a loss in a depthwise convolution's `weight`, of its shape (channels, 1, rows, columns).

    `gradient` is that in the convolution's output, `images` the convolution's input, both of shape (batch, channels,
    height, width); `stride` and `padding` are of (rows, columns). Of `weight` only the shape is read.

    >>> ones = torch.ones(1, 1, 4, 4)
    >>> weight_gradient(ones, ones, torch.zeros(1, 1, 5, 5), stride=(1, 1), padding=(2, 2))[0, 0, 2]
    tensor([ 8., 12., 16., 12.,  8.])
    """
    rows, columns = weight.shape[2:]
    if columns < COLUMNS or _is_narrow(images, weight):
        return _gradient(gradient, images, weight, stride, padding, of_weight=True)
    height = (gradient.shape[2] - 1) * stride[0] + rows
    width = (gradient.shape[3] - 1) * stride[1] + COLUMNS
    portion = max(1, COPY_BYTES // (images.shape[1] * height * width * images.element_size()))
    strip = weight.new_empty(*weight.shape[:3], COLUMNS)
    total = torch.zeros_like(weight)
    for first in range(0, columns, COLUMNS):
        at = min(first, columns - COLUMNS)  # the last three may be known in part
        left = padding[1] - at
        edges = (left, width - images.shape[3] - left, padding[0], height - images.shape[2] - padding[0])
        for some, its in zip(torch.split(images, portion), torch.split(gradient, portion), strict=True):
            seen = _gradient(its, functional.pad(some, edges), strip, stride, (0, 0), of_weight=True)
            total[..., first : at + COLUMNS] += seen[..., first - at :]
    return total


def _gradient(
    gradient: Tensor, images: Tensor, weight: Tensor, stride: HeightWidth, padding: HeightWidth, *, of_weight: bool
) -> Tensor:
    """PyTorch's own gradient of the weights, or of the images."""
    mask = [not of_weight, of_weight, False]
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        gradient, images, weight, None, stride, padding, (1, 1), False, (0, 0), weight.shape[0], mask
    )
    return found[of_weight]
