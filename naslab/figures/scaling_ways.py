"""The figure of the EfficientNet paper: accuracy against macs, a line for each way of scaling one baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from naslab.analysis.multiplier_grid import MultiplierGrid
from naslab.analysis.scaling_ways import BASELINE, Way, WaysTable
from naslab.atomic_write import atomic_write
from naslab.errors import counted
from naslab.figures.markup import element
from naslab.figures.multiplier_grid import multiplier_grid_figure
from naslab.figures.page import figure_block, page
from naslab.figures.style import CYCLE, SYMBOLS, figure, metric_axis
from naslab.metrics import ACCURACY, MACS, PARAMS


def ways_figure(table: WaysTable) -> go.Figure:
    """Accuracy against macs, a line for each way from the baseline on; bars are one standard error over the seeds."""
    measured = [each for each in table.ways if math.isfinite(each.mean)]
    start = [each for each in measured if each.way == BASELINE]
    names = sorted({each.way for each in measured} - {BASELINE})
    traces = [
        _line(name, [*start, *(each for each in measured if each.way == name)], index)
        for index, name in enumerate(names)
    ]
    macs = [each.macs for each in measured]
    title = f"Ways to scale {table.name} ({table.dataset}, {counted(table.epochs, 'epoch')})"
    axes = {"xaxis": metric_axis(MACS.name, macs), "yaxis": metric_axis(ACCURACY.name)}
    return figure(traces, title, **axes)


def write_ways(tables: Sequence[WaysTable], path: Path, title: str, grids: Sequence[MultiplierGrid] = ()) -> None:
    """Write one self-contained HTML page called `title` to `path`.

    It has a figure for each of `tables`, which are of one baseline each, and one for each of `grids`, all with what
    they show in words below. Raises `WriteError` where the file cannot be written.
    """
    blocks = [
        figure_block(ways_figure(table), f"ways-{index}", "; ".join(table.verdicts()), height=520, level="h2")
        for index, table in enumerate(tables)
    ]
    blocks += [
        figure_block(multiplier_grid_figure(grid), f"grid-{index}", grid.verdict(), height=520, level="h2")
        for index, grid in enumerate(grids)
    ]
    atomic_write(path, page(title, element("main", element("h1", title), *blocks)))


def _line(name: str, ways: Sequence[Way], index: int) -> go.Scatter:
    return go.Scatter(
        x=[each.macs for each in ways],
        y=[each.mean for each in ways],
        name=name,
        mode="lines+markers",
        line={"color": CYCLE[index % len(CYCLE)], "width": 2},
        marker={"color": CYCLE[index % len(CYCLE)], "size": 10, "symbol": SYMBOLS[index % len(SYMBOLS)]},
        error_y={
            "type": "data",
            "array": [None if math.isnan(each.sem) else each.sem for each in ways],
            "thickness": 1.2,
            "width": 4,
        },
        hovertext=[
            f"<b>{each.way} x {each.asked:g}</b><br>"
            f"{ACCURACY.sentence(each.mean)} over {counted(len(each.accuracies), 'seed')}<br>"
            f"{MACS.sentence(each.macs)}<br>{PARAMS.sentence(each.params)}<br>"
            f"{each.resolution[0]} x {each.resolution[1]} pixels, {counted(each.num_blocks, 'block')}"
            for each in ways
        ],
        hoverinfo="text",
    )
