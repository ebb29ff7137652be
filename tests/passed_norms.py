"""Networks on the meta device without the arithmetic of their norms, which torch spells out there in Python."""

from __future__ import annotations

from contextlib import AbstractContextManager
from unittest.mock import patch

from torch import Tensor
from torch.nn import functional


def norms_passed_on() -> AbstractContextManager[object]:
    """Batch norms check that each of their vectors has a value a channel, and pass maps on: they cost no macs."""
    return patch.object(functional, "batch_norm", passed_on)


def passed_on(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *_: object
) -> Tensor:
    """The map as it is, where the norm's vectors fit its channels."""
    vectors = [mean, variance, *(each for each in (weight, bias) if each is not None)]
    assert [each.shape for each in vectors] == [(x.shape[1],)] * len(vectors)
    return x
