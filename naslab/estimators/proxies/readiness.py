"""What proxies work on: a network at initialisation with nothing random in its forward pass, and batches of images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from naslab.arch.build import build
from naslab.arch.spec import ArchSpec
from naslab.training.augment import Batch, Normaliser
from naslab.training.data import DataSplit

UNITS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU, nn.LeakyReLU, nn.ELU, nn.Tanh)
"""Activations whose units are on or off by the sign of their input; the sigmoids of gates are not."""


def ready_network(arch: ArchSpec, seed: int, device: torch.device) -> nn.Module:
    """The network at initialisation on a device: batch norm takes each batch's statistics, nothing is dropped."""
    module = build(arch, seed)
    for each in module.modules():
        each.training = isinstance(each, nn.BatchNorm2d)
    return module.to(device).to(memory_format=torch.channels_last)


def draw_batches(split: DataSplit, size: tuple[int, int], seed: int, batch_size: int, count: int) -> list[Batch]:
    """`count` batches of `batch_size` training images of `split` without one in common, resized to `size`.

    `size` is (height, width). Batches are smaller where there are fewer images. They follow from the data and `seed`:
    the draw is made on the CPU, so that every device sees the same images.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(split.train), generator=generator)
    each = min(batch_size, len(order) // count)
    parts = torch.split(order[: each * count].to(split.train.labels.device), each)
    normalise = Normaliser(split, size)
    return [Batch(normalise(pixels), labels) for pixels, labels in split.train.batches(parts)]


def loss_gradients(module: nn.Module, batch: Batch) -> list[Tensor]:
    """The gradient of the mean cross-entropy in every weight of `weights_of`, in their order and of their shapes."""
    loss = functional.cross_entropy(module(batch.images), batch.labels)
    return list(torch.autograd.grad(loss, weights_of(module), materialize_grads=True))


def weights_of(module: nn.Module) -> list[Tensor]:
    """The weights of convolutions and linear layers, without biases and norms, in the order of the modules.

    Of shape (out, in / groups, rows, columns) and (out, in).
    """
    return [each.weight for each in module.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
