"""Runtime against each cost: a figure for each cost, in which each family has a colour."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from naslab.analysis.scaling_runtime import Correlation, RuntimeTable, TimedNetwork
from naslab.atomic_write import atomic_write
from naslab.figures.markup import element
from naslab.figures.page import figure_block, page
from naslab.figures.style import CYCLE, SYMBOLS, figure, metric_axis
from naslab.metrics import ACTIVATIONS, LATENCY, MACS, PARAMS


def runtime_figure(table: RuntimeTable, correlation: Correlation) -> go.Figure:
    """Latency against the cost of `correlation`, both on log scales; bars are interquartile ranges."""
    cost = correlation.cost
    names = sorted({each.baseline for each in table.networks})
    traces = [
        _family(name, [each for each in table.networks if each.baseline == name], cost, index)
        for index, name in enumerate(names)
    ]
    low, high = correlation.within_interval
    title = f"Runtime against {cost}: correlation {correlation.within:.3f} ({low:.3f} to {high:.3f}) within families"
    costs = [float(getattr(each, cost)) for each in table.networks]
    times = [each.latency_ms for each in table.networks]
    return figure(traces, title, xaxis=metric_axis(cost, costs), yaxis=metric_axis(LATENCY.name, times))


def write_runtime(table: RuntimeTable, path: Path, title: str) -> None:
    """Write one self-contained HTML page called `title`: a figure for each cost, the strongest first.

    Raises `WriteError` where the file cannot be written.
    """
    blocks = [
        figure_block(runtime_figure(table, each), each.cost, height=500, level="h2") for each in table.correlations
    ]
    body = element("main", element("h1", title), element("p", table.verdict), *blocks)
    atomic_write(path, page(title, body))


def _family(name: str, networks: Sequence[TimedNetwork], cost: str, index: int) -> go.Scatter:
    return go.Scatter(
        x=[getattr(each, cost) for each in networks],
        y=[each.latency_ms for each in networks],
        name=escape(name),
        mode="markers",
        marker={"color": CYCLE[index % len(CYCLE)], "size": 9, "symbol": SYMBOLS[index % len(SYMBOLS)]},
        error_y={"type": "data", "array": [each.latency_ms_iqr / 2 for each in networks], "thickness": 1, "width": 2},
        hovertext=[
            f"<b>{escape(each.baseline)}, {escape(each.rule)}</b><br>{each.latency_ms:.3g} ms<br>"
            f"{MACS.sentence(each.macs)}<br>{PARAMS.sentence(each.params)}<br>{ACTIVATIONS.sentence(each.activations)}"
            for each in networks
        ],
        hoverinfo="text",
    )
