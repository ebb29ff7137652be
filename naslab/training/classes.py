"""Classes that a part of a split lacks: nothing to stop for, and nothing to keep quiet about."""

from __future__ import annotations

import torch
from torch import Tensor

from naslab.training.data import DataSplit


def missing_classes(split: DataSplit) -> dict[str, list[int]]:
    """The classes without an image to train on, and those without one to validate on; parts that have all are left out.

    A class that is not trained on is never recognised, one that is not validated on counts for nothing: the accuracy
    is that of the validation images as they are.
    """
    parts = {"train": split.train.labels, "validation": split.validation.labels}
    missing = {part: _absent(labels, split.num_classes) for part, labels in parts.items()}
    return {part: classes for part, classes in missing.items() if classes}


def _absent(labels: Tensor, num_classes: int) -> list[int]:
    counts = torch.bincount(labels, minlength=num_classes)
    return [label for label, count in enumerate(counts.tolist()) if count == 0]
