"""DropBlock (Ghiasi et al. 2018, arXiv 1810.12890) as a hook, by torchvision's operator."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class DropBlock:
    """Drops squares of a block's output in training, at a rate that grows linearly from 0 over the training.

    The square is at most as large as the map, and odd.
    """

    def __init__(self, rate: float, size: int) -> None:
        from torchvision.ops import drop_block2d  # more than a second, which other recipes do without

        self._drop = drop_block2d
        self._most = rate
        self._size = size
        self.rate = 0.0

    def at(self, share: float) -> None:
        """Take the rate of this share of the training (arXiv 1810.12890, section 3, scheduled DropBlock)."""
        self.rate = self._most * share

    def __call__(self, block: nn.Module, _: tuple[Any, ...], output: Tensor) -> Tensor:
        """The output with squares set to 0, the rest scaled up so that its mean stays."""
        if not block.training or self.rate == 0 or output.ndim != 4:
            return output
        side = min(self._size, *output.shape[2:])
        dropped: Tensor = self._drop(output, self.rate, side - (side + 1) % 2)
        return dropped
