"""The loss of each task: cross-entropy, that of several labels, and Huber's of standardised targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from naslab.study.recipe import Recipe
from naslab.training.data import DataSplit, Targets

Criterion: TypeAlias = Callable[[Tensor, Tensor, float], Tensor]
"""The mean loss of a network's outputs, of shape (batch, outputs), against labels, at a label smoothing: a scalar."""
LARGEST_WEIGHT = 100.0
"""Bound of what a present label weighs, where it is rarer than one in a hundred."""


def make_criterion(data: DataSplit, recipe: Recipe) -> Criterion:
    """The loss that a training on `data` by `recipe` minimises; classes weigh as the recipe says."""
    is_balanced = recipe.class_weights == "balanced"
    if data.task == "classification":
        return partial(class_loss, weight=balanced_weights(data)) if is_balanced else class_loss
    if data.task == "multilabel":
        return partial(labels_loss, weight=presence_weights(data.train.labels) if is_balanced else None)
    assert data.targets is not None, "a regression has targets"
    return partial(target_loss, targets=data.targets)


def class_loss(logits: Tensor, labels: Tensor, label_smoothing: float, weight: Tensor | None = None) -> Tensor:
    """The mean cross-entropy in nats of `logits`, of shape (batch, classes), each image weighing as its class.

    `labels` are int64 of shape (batch,), `weight` is of shape (classes,), and `label_smoothing` is the share of a
    target that all classes have in common.
    """
    return functional.cross_entropy(logits, labels, weight, label_smoothing=label_smoothing)


def labels_loss(logits: Tensor, labels: Tensor, label_smoothing: float, weight: Tensor | None = None) -> Tensor:
    """The mean binary cross-entropy in nats of `logits`, of shape (batch, labels), all labels alike.

    `labels` are 0 and 1 of the same shape, brought towards a half by `label_smoothing`; `weight`, of shape (labels,),
    is that of a label that is present.
    """
    smooth = torch.lerp(labels, torch.full_like(labels, 0.5), label_smoothing) if label_smoothing else labels
    return functional.binary_cross_entropy_with_logits(logits, smooth, pos_weight=weight)


def target_loss(outputs: Tensor, labels: Tensor, label_smoothing: float, targets: Targets) -> Tensor:
    """The mean Huber loss of `outputs`, of shape (batch, targets), in units of each target's deviation.

    Half of the squared error up to one deviation, linear beyond: its gradient is bounded as that of cross-entropy is,
    so that the same learning rates do.

    `labels` are the targets as they are, of the same shape, which the outputs give standardised by `targets`. There is
    nothing to smooth: `label_smoothing` is left aside.
    """
    return functional.huber_loss(outputs, (labels - targets.mean) / targets.deviation)


def balanced_weights(data: DataSplit) -> Tensor:
    """What an image of each class weighs so that all classes weigh alike: float32 of shape (classes,), 1 on average.

    A class without an image in training weighs nothing.
    """
    counts = torch.bincount(data.train.labels, minlength=data.num_classes).to(torch.float32)
    return torch.where(counts > 0, counts.sum() / (data.num_classes * counts.clamp(min=1)), counts)


def presence_weights(labels: Tensor) -> Tensor:
    """What a present label weighs so that it weighs as much as an absent one: of shape (labels,).

    `labels` are 0 and 1 of shape (images, labels).

    >>> presence_weights(torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]))
    tensor([2.0000, 0.5000])
    """
    present = labels.sum(0)
    return ((len(labels) - present) / present.clamp(min=1)).clamp(1 / LARGEST_WEIGHT, LARGEST_WEIGHT)
