"""Accuracy against macs of a network at every width and resolution multiplier, a line for each width."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from naslab.analysis.multiplier_grid import GridCell, MultiplierGrid
from naslab.errors import counted
from naslab.figures.style import CYCLE, SYMBOLS, figure, metric_axis
from naslab.metrics import ACCURACY, MACS, PARAMS


def multiplier_grid_figure(grid: MultiplierGrid) -> go.Figure:
    """Accuracy (%) against macs, a line for each width multiplier, its points by resolution.

    After MobileNetV1's paper (Howard et al. 2017, arXiv 1704.04861, figure 4). Bars are one standard error over the
    seeds; cells without a training are left out.
    """
    traces = [
        _line(width, [cell for cell in grid.cells if cell.width == width and cell.accuracies], index)
        for index, width in enumerate(grid.widths)
    ]
    axes = {"xaxis": metric_axis(MACS.name, [cell.macs for cell in grid.cells]), "yaxis": metric_axis(ACCURACY.name)}
    title = f"{grid.name}: {len(grid.cells)} widths and resolutions ({grid.dataset}, {counted(grid.epochs, 'epoch')})"
    return figure(traces, title, **axes)


def _line(width: float, cells: list[GridCell], index: int) -> go.Scatter:
    colour = CYCLE[index % len(CYCLE)]
    return go.Scatter(
        x=[cell.macs for cell in cells],
        y=[cell.mean for cell in cells],
        name=f"width {width:g}",
        mode="lines+markers+text",
        text=[f"{cell.resolution[0]}" for cell in cells],
        textposition="bottom center",
        textfont={"size": 10, "color": colour},
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "size": 10, "symbol": SYMBOLS[index % len(SYMBOLS)]},
        error_y={
            "type": "data",
            "array": [None if math.isnan(cell.sem) else cell.sem for cell in cells],
            "thickness": 1.2,
            "width": 4,
        },
        hovertext=[
            f"<b>width {width:g}, {cell.resolution[0]} x {cell.resolution[1]} pixels</b><br>"
            f"{ACCURACY.sentence(cell.mean)} over {counted(len(cell.accuracies), 'seed')}<br>"
            f"{MACS.sentence(cell.macs)}<br>{PARAMS.sentence(cell.params)}"
            for cell in cells
        ],
        hoverinfo="text",
    )
