"""Mean intersection over union of classes of pixels. No torch here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class PixelCounts:
    """Pixels by their true class and the one that was found, of `num_classes`, summed over images."""

    def __init__(self, num_classes: int) -> None:
        self.counts = np.zeros((num_classes, num_classes), np.int64)

    def add(self, found: NDArray[np.int64], true: NDArray[np.int64]) -> None:
        """Count the classes `found` where the `true` ones are below the number of classes, both of the same shape."""
        count = len(self.counts)
        is_there = true < count
        pairs = true[is_there].astype(np.int64) * count + found[is_there]
        self.counts += np.bincount(pairs, minlength=count**2).reshape(count, count)

    @property
    def class_ious(self) -> list[float | None]:
        """The intersection over union of each class; `None` of one that is neither there nor found."""
        common = np.diag(self.counts)
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - common
        return [float(one / all_) if all_ else None for one, all_ in zip(common, union, strict=True)]

    def metrics(self) -> dict[str, float]:
        """`mean_iou` over classes and `pixel_accuracy`, from 0 to 1.

        >>> counted = PixelCounts(2)
        >>> counted.add(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 255]))
        >>> {name: round(value, 3) for name, value in counted.metrics().items()}
        {'mean_iou': 0.5, 'pixel_accuracy': 0.667}
        """
        ious = [each for each in self.class_ious if each is not None]
        total = int(self.counts.sum())
        accuracy = float(np.trace(self.counts) / total) if total else 0.0
        return {"mean_iou": float(np.mean(ious)) if ious else 0.0, "pixel_accuracy": accuracy}
