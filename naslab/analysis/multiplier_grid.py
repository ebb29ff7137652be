"""A network at every width and resolution multiplier: accuracy beside macs, as MobileNetV1's paper tabulates it."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import msgspec
import numpy as np

from naslab.analysis.study import StudyView
from naslab.errors import counted
from naslab.metrics import ACCURACY, MACS, PARAMS
from naslab.study.outcome import Outcome


class GridCell(msgspec.Struct, frozen=True, kw_only=True):
    """One width and one resolution: the costs, and the accuracies in per cent of several seeds."""

    width: float
    resolution: tuple[int, int]
    macs: int
    params: int
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean accuracy over the seeds; NaN where none is complete."""
        return float(np.mean(self.accuracies)) if self.accuracies else math.nan

    @property
    def sem(self) -> float:
        """The standard error of the mean over the seeds; NaN below two."""
        count = len(self.accuracies)
        return float(np.std(self.accuracies, ddof=1) / math.sqrt(count)) if count > 1 else math.nan


class MultiplierGrid(msgspec.Struct, frozen=True):
    """The cells of one network, the widest and largest first."""

    name: str
    dataset: str
    epochs: int
    cells: tuple[GridCell, ...]

    @property
    def widths(self) -> list[float]:
        """The width multipliers, the largest first."""
        return sorted({cell.width for cell in self.cells}, reverse=True)

    @property
    def resolutions(self) -> list[tuple[int, int]]:
        """The input sizes, the largest first."""
        return sorted({cell.resolution for cell in self.cells}, reverse=True)

    def cell(self, width: float, resolution: tuple[int, int]) -> GridCell | None:
        """The cell of a width and a resolution, if it was trained."""
        found = [cell for cell in self.cells if (cell.width, cell.resolution) == (width, resolution)]
        return found[0] if found else None

    def rows(self) -> list[dict[str, Any]]:
        """The grid as JSON values, one a cell."""
        return [
            {
                "network": self.name,
                "width": cell.width,
                "resolution": f"{cell.resolution[0]}x{cell.resolution[1]}",
                MACS.name: cell.macs,
                PARAMS.name: cell.params,
                "seeds": len(cell.accuracies),
                f"{ACCURACY.name}_mean": round(cell.mean, 3),
                ACCURACY.standard_error: round(cell.sem, 3),
                "accuracies": " ".join(f"{value:.2f}" for value in cell.accuracies),
            }
            for cell in self.cells
        ]

    def verdict(self) -> str:
        """In words, what a doubling of macs gave and how nearly log-linear that was."""
        slope, share = self.log_linear_fit()
        return (
            f"{self.name}: a doubling of macs, by width or resolution, adds {slope:.2f} points of accuracy; a straight "
            f"line over the logarithm of macs explains {share:.0%} of the spread between the "
            f"{counted(len(self.cells), 'network')}"
        )

    def log_linear_fit(self) -> tuple[float, float]:
        """Points of accuracy that a doubling of macs adds, by least squares over all cells, and r squared.

        The paper finds the relation log-linear with a jump at the smallest width (Howard et al. 2017, arXiv 1704.04861,
        figure 4).
        """
        measured = [cell for cell in self.cells if cell.accuracies]
        doublings = np.log2([cell.macs for cell in measured])
        accuracies = np.array([cell.mean for cell in measured])
        slope, _ = np.polyfit(doublings, accuracies, 1)
        return float(slope), float(np.corrcoef(doublings, accuracies)[0, 1] ** 2)


def multiplier_grid(view: StudyView, name: str) -> MultiplierGrid:
    """The grid that a study holds; each outcome's origin says its `width` multiplier, the baseline's none."""
    groups: dict[tuple[float, tuple[int, int]], list[Outcome]] = defaultdict(list)
    for outcome in (*view.outcomes, *view.family):
        candidate = outcome.candidate
        groups[float(candidate.origin.get("width", 1.0)), candidate.arch.input[1:]].append(outcome)
    cells = tuple(_cell(*key, groups[key]) for key in sorted(groups, reverse=True))
    return MultiplierGrid(name, view.problem.data.name, view.record.epochs, cells)


def _cell(width: float, resolution: tuple[int, int], group: list[Outcome]) -> GridCell:
    complete = {each.candidate.seed: each.value(ACCURACY.name) for each in group if each.is_complete}
    cost = group[0].candidate.cost
    return GridCell(
        width=width,
        resolution=resolution,
        macs=cost.macs,
        params=cost.params,
        accuracies=tuple(complete[seed] for seed in sorted(complete)),
    )
