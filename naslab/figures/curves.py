"""Learning curves: a metric over epochs, a line for each network, dark for cheap, bright for costly ones."""

from __future__ import annotations

import math

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from naslab.analysis.curves import CurveTable, LearningCurve, epoch_value
from naslab.figures.style import SYMBOLS, figure, hover, metric_axis, metric_words
from naslab.metrics import MACS

MOST_NAMED = 12
"""With more curves than this a legend would hide the picture; hovering still names them."""


def curves_figure(table: CurveTable) -> go.Figure:
    """The metric of `table` over epochs, a line for each network, in its order, dark ones first."""
    count = len(table.curves)
    colors = sample_colorscale("Cividis", [0.85 * index / max(1, count - 1) for index in range(count)])
    longest = max((epoch.epoch for curve in table.curves for epoch in curve.epochs), default=1)
    made = figure(
        [
            _line(curve, color, SYMBOLS[index % len(SYMBOLS)], table.metric)
            for index, (curve, color) in enumerate(zip(table.curves, colors, strict=True))
        ],
        "Learning curves of the front",
        xaxis={"title": {"text": "epoch"}, "tick0": 0, "dtick": max(1, -(-longest // 10))},
        yaxis=metric_axis(table.metric),
    )
    return made.update_layout(showlegend=1 < count <= MOST_NAMED)


def _line(curve: LearningCurve, color: str, symbol: str, metric: str) -> go.Scatter:
    return go.Scatter(
        x=[epoch.epoch for epoch in curve.epochs],
        y=[epoch_value(epoch, metric) for epoch in curve.epochs],
        name=curve.label,
        mode="lines+markers",
        line={"color": color, "width": 2},
        marker={"color": color, "size": 7, "symbol": symbol},
        cliponaxis=False,  # the best point is not cut in half at the upper edge
        hovertext=[_words(curve, index, metric) for index in range(len(curve.epochs))],
        hoverinfo="text",
    )


def _words(curve: LearningCurve, index: int, metric: str) -> str:
    epoch = curve.epochs[index]
    told = ((epoch.train_loss, "training"), (epoch.validation_loss, "validation"))
    losses = [f"{loss:.3f} in {where}" for loss, where in told if math.isfinite(loss)]
    lines = [
        f"epoch {epoch.epoch}: {metric_words(metric, epoch_value(epoch, metric))}",
        *([f"loss {', '.join(losses)}"] if losses else []),
        MACS.sentence(curve.macs),
    ]
    return hover(curve.label, lines, curve.stages)
