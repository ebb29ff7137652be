"""NASWOT: how differently a network at initialisation switches its units on for different images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from naslab.errors import SpecError
from naslab.estimators.proxies.readiness import UNITS
from naslab.training.augment import Batch


def naswot(module: nn.Module, batches: Sequence[Batch]) -> float:
    """The log-determinant of the kernel of the images' codes (Mellor et al. 2021, arXiv 2006.04647, equation 2).

    A code says of every unit whether it is on for an image: for ReLU as in the paper, for other activations by the
    sign of what goes in. The kernel counts for each two images the units on which their codes agree. Raises
    `SpecError` for a network without activations.
    """
    kernel = code_kernel(module, batches[0].images)
    return float(torch.linalg.slogdet(kernel).logabsdet)


def code_kernel(module: nn.Module, images: Tensor) -> Tensor:
    """How many units are on or off alike for each two images: float64 of shape (batch, batch).

    `images` are of shape (batch, channels, height, width). Raises `SpecError` for a network without activations.

    >>> code_kernel(nn.Sequential(nn.Flatten(), nn.ReLU()), torch.tensor([[[[1.0, -1.0]]], [[[1.0, 1.0]]]]))
    tensor([[2., 1.],
            [1., 2.]], dtype=torch.float64)
    """
    count = len(images)
    kernel = torch.zeros(count, count, dtype=torch.float64, device=images.device)
    num_seen = 0

    def see(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal num_seen
        units = inputs[0].detach()
        codes = torch.gt(units, 0, out=torch.empty_like(units, dtype=torch.float32))  # 1 where a unit is on, else 0
        flat = codes.movedim(1, -1).reshape(count, -1)  # as channels-last values lie in memory: nothing is copied
        # Up to 2^24 units float32 counts exactly; a unit that is on in one image of two alone is where they differ.
        both_on = (flat @ flat.T).double()
        on = both_on.diagonal()
        kernel.add_(2 * both_on - on[:, None] - on[None] + flat.shape[1])
        num_seen += 1

    handles = [each.register_forward_pre_hook(see) for each in module.modules() if isinstance(each, UNITS)]
    try:
        with torch.no_grad():
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    if num_seen == 0:
        raise SpecError("naswot", "needs a network with activations, and this one has none")
    return kernel
