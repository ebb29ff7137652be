"""Jacobian covariance: whether a network at initialisation answers small changes of different images differently."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from naslab.training.augment import Batch

STABILISER = 1e-5


def jacob_cov(module: nn.Module, batches: Sequence[Batch]) -> float:
    """How uncorrelated the gradients in the images are (Mellor et al. 2020, arXiv 2006.04647v1, equation 2).

    Each image's gradient is that of the sum of its logits. With v the eigenvalues of the gradients' correlation matrix
    the score is minus the sum of log(v + k) + 1 / (v + k), k = 1e-5: larger for less correlation.
    """
    images = batches[0].images.detach().clone().requires_grad_(True)
    (slopes,) = torch.autograd.grad(module(images).sum(), images)
    return correlation_score(slopes.flatten(1))


def correlation_score(slopes: Tensor) -> float:
    """The score of `jacob_cov` for the gradients of the images, of shape (images, values)."""
    eigenvalues = torch.linalg.eigvalsh(torch.corrcoef(slopes.double().cpu())).clamp(min=0) + STABILISER
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())
