"""A grid of widths and resolutions: its cells, its shape, and the line through it."""

from __future__ import annotations

import math

import pytest
from scaling_studies import SMALL, view_of

from naslab.analysis.multiplier_grid import MultiplierGrid, multiplier_grid
from naslab.execution.source import make_candidate
from naslab.figures.multiplier_grid import multiplier_grid_figure
from naslab.scaling import PLAIN, scale
from naslab.study.outcome import Candidate

WIDTHS = (1.0, 0.5)
RESOLUTIONS = (1.0, 0.75)


def doubling(candidate: Candidate) -> float:
    """Three points for every doubling of macs; seeds are a point apart."""
    return 20 + 3 * math.log2(candidate.cost.macs) + candidate.seed


def made(seeds: int = 2, failing: float = math.nan) -> MultiplierGrid:
    """The grid of the small network; the width `failing` has no result."""
    jobs = []
    for seed in range(seeds):
        jobs.append(make_candidate(SMALL, 0, 2, seed, "search"))
        for width in WIDTHS:
            for resolution in RESOLUTIONS:
                arch = scale(SMALL, width=width, resolution=resolution, rounding=PLAIN)
                if arch != SMALL:
                    jobs.append(make_candidate(arch, 0, 2, seed, "family", origin={"width": width}))
    view = view_of(jobs, lambda each: None if each.origin.get("width", 1) == failing else doubling(each))
    return multiplier_grid(view, "small")


def test_every_width_and_resolution_is_a_cell() -> None:
    grid = made()
    assert (grid.widths, grid.resolutions) == ([1.0, 0.5], [(8, 8), (6, 6)])
    assert len(grid.cells) == 4
    first = grid.cell(1.0, (8, 8))
    assert first is not None
    assert (first.mean - 20) / 3 == pytest.approx(math.log2(first.macs) + 0.5 / 3)
    assert first.sem == pytest.approx(0.5)
    assert grid.cell(0.25, (8, 8)) is None
    assert [row["resolution"] for row in grid.rows()] == ["8x8", "6x6", "8x8", "6x6"]


def test_a_doubling_of_macs_is_found() -> None:
    slope, share = made().log_linear_fit()
    assert slope == pytest.approx(3)
    assert share == pytest.approx(1)
    assert "adds 3.00 points of accuracy" in made().verdict()


def test_the_figure_has_a_line_a_width_of_what_was_trained() -> None:
    drawn = multiplier_grid_figure(made(failing=0.5))
    assert [trace.name for trace in drawn.data] == ["width 1", "width 0.5"]
    assert [len(trace.x) for trace in drawn.data] == [2, 0]
    assert list(drawn.data[0].text) == ["8", "6"]
