"""The layer that takes images as they are, and networks with it in front."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from naslab.arch import ArchSpec, graphs
from naslab.arch.build import build
from naslab.arch.plan import HeightWidth
from naslab.package.facts import Preprocessing

PREPROCESS = "preprocess"
"""The name of the layer in networks with it. It has no weights, so those of the others keep their names."""


class Preprocess(nn.Module):
    """Images as they are, values from 0 to 255, made what the network takes; shape (batch, channels, height, width).

    `mean` is subtracted from each channel, the rest divided by `deviation`, and the result resized to `size` where it
    has another one, bilinearly, with antialiasing where a side becomes shorter.
    """

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...], size: tuple[int, int]) -> None:
        super().__init__()
        self.mean, self.deviation, self.size = mean, deviation, size
        scale = (1.0 / torch.tensor(deviation)).reshape(-1, 1, 1)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", -torch.tensor(mean).reshape(-1, 1, 1) * scale, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[1] != len(self.mean):
            many = len(self.mean)
            raise ValueError(f"images must have {many} channel{'s' * (many != 1)}, got {images.shape[1]}")
        scale, shift = self.get_buffer("scale"), self.get_buffer("shift")
        images = torch.addcmul(shift, images.to(scale.dtype), scale)
        height, width = images.shape[2:]
        if (height, width) == self.size:
            return images
        shrinks = height > self.size[0] or width > self.size[1]
        return functional.interpolate(images, self.size, mode="bilinear", antialias=shrinks)

    def extra_repr(self) -> str:
        return f"mean={self.mean}, deviation={self.deviation}, size={self.size}"


def preprocess_of(preprocessing: Preprocessing, size: HeightWidth) -> Preprocess:
    """The layer of a preprocessing before a network of `size` (height, width)."""
    return Preprocess(preprocessing.mean, preprocessing.deviation, (size[0], size[1]))


def prepared(module: nn.Module, preprocessing: Preprocessing, size: HeightWidth) -> nn.Module:
    """A network that takes images as they are, of the same layers and weights as `module`.

    `size` is the (height, width) that `module` takes. Weights keep their names: those of one load into the other. Its
    images have the shape (batch, channels, height, width), uint8 or float, any height and width.
    """
    assert isinstance(module, nn.Sequential)
    parts = OrderedDict[str, nn.Module]({PREPROCESS: preprocess_of(preprocessing, size)})
    parts.update(module.named_children())
    made = (graphs.PreparedHistory if isinstance(module, graphs.History) else nn.Sequential)(parts)
    graphs.share_paths(made)
    return made.train(module.training)


def packaged_module(arch: ArchSpec, preprocessing: Preprocessing | None, is_bare: bool = False) -> nn.Module:
    """A fresh module of `arch` with its preprocessing in front, without it where there is none or `is_bare`."""
    module = build(arch, seed=0)
    return module if preprocessing is None or is_bare else prepared(module, preprocessing, arch.input[1:])
