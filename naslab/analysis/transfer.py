"""What pretrained weights are worth: accuracies of every way to tune them, by data set and number of images."""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import Any

import msgspec


class TransferCell(msgspec.Struct, frozen=True, kw_only=True):
    """A way to train, `way`, on `images` a class of `dataset`: validation accuracies in per cent, one a seed."""

    dataset: str
    images: int
    way: str
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean accuracy in per cent."""
        return fmean(self.accuracies)

    @property
    def sem(self) -> float:
        """The standard error of the mean over seeds; not a number of one seed."""
        count = len(self.accuracies)
        return stdev(self.accuracies) / math.sqrt(count) if count > 1 else math.nan

    @property
    def words(self) -> str:
        """The mean with its standard error, where several seeds give one."""
        return f"{self.mean:.1f}" if math.isnan(self.sem) else f"{self.mean:.1f} +- {self.sem:.1f}"


class TransferTable(msgspec.Struct, frozen=True, kw_only=True):
    """All cells of a comparison of `model` with the weights of `source`, each trained for `epochs` epochs.

    `ways` are in the order of what they cost, `num_validation` is how many images of each data set validate.
    """

    model: str
    source: str
    epochs: int
    ways: tuple[str, ...]
    num_validation: dict[str, int]
    cells: tuple[TransferCell, ...]

    @property
    def corners(self) -> tuple[tuple[str, int], ...]:
        """(data set, images a class), in the order of the cells."""
        return tuple(dict.fromkeys((cell.dataset, cell.images) for cell in self.cells))

    def of(self, dataset: str, images: int) -> tuple[TransferCell, ...]:
        """The cells of `images` a class of `dataset`."""
        return tuple(cell for cell in self.cells if (cell.dataset, cell.images) == (dataset, images))

    def chosen(self, dataset: str, images: int) -> TransferCell:
        """The cheapest way whose mean lies within one standard error of the best one's, of `images` a class."""
        cells = self.of(dataset, images)
        best = max(cells, key=lambda cell: cell.mean)
        least = best.mean - (0.0 if math.isnan(best.sem) else best.sem)
        return min((cell for cell in cells if cell.mean >= least), key=lambda cell: self.ways.index(cell.way))

    def rows(self) -> dict[str, Any]:
        """The table as plain values."""
        return {
            "model": self.model,
            "source": self.source,
            "epochs": self.epochs,
            "num_validation": self.num_validation,
            "cells": [{**msgspec.structs.asdict(cell), "mean": cell.mean, "sem": cell.sem} for cell in self.cells],
            "take": [
                {"dataset": dataset, "images": images, "way": self.chosen(dataset, images).way}
                for dataset, images in self.corners
            ],
        }
