"""Accuracy against images a class, a line for each way to tune pretrained weights."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from naslab.analysis.transfer import TransferTable
from naslab.figures.style import CYCLE, SYMBOLS, figure, metric_axis
from naslab.metrics import ACCURACY

DASHES = ("solid", "dash", "dot", "dashdot")


def transfer_figure(table: TransferTable) -> go.Figure:
    """Validation accuracy (%) against images a class, a line for each way and data set; bars are standard errors."""
    datasets = tuple(dict.fromkeys(cell.dataset for cell in table.cells))
    traces = [
        _line(table, dataset, index, DASHES[place % len(DASHES)])
        for place, dataset in enumerate(datasets)
        for index in range(len(table.ways))
    ]
    axes: dict[str, dict[str, object]] = {
        "xaxis": {"title": {"text": "images a class"}, "type": "log"},
        "yaxis": metric_axis(ACCURACY.name),
    }
    return figure(traces, f"{table.model}: what the weights of {table.source} are worth", **axes)


def _line(table: TransferTable, dataset: str, index: int, dash: str) -> go.Scatter:
    way, colour, symbol = table.ways[index], CYCLE[index % len(CYCLE)], SYMBOLS[index % len(SYMBOLS)]
    cells = [cell for cell in table.cells if (cell.dataset, cell.way) == (dataset, way)]
    return go.Scatter(
        x=[cell.images for cell in cells],
        y=[cell.mean for cell in cells],
        name=f"{way}, {dataset}",
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"color": colour, "size": 9, "symbol": symbol},
        error_y={"type": "data", "array": [None if math.isnan(cell.sem) else cell.sem for cell in cells]},
    )
