"""Learning curves: validation accuracy over epochs, a line for each network, dark for cheap, bright for costly ones."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from naslab.analysis.curves import CurveTable, LearningCurve
from naslab.figures.style import SYMBOLS, figure, hover, metric_axis
from naslab.metrics import ACCURACY, MACS

MOST_NAMED = 12
"""With more curves than this a legend would hide the picture; hovering still names them."""


def curves_figure(table: CurveTable) -> go.Figure:
    """Validation accuracy (%) over epochs, a line for each network of `table`, in its order, dark ones first."""
    count = len(table.curves)
    colors = sample_colorscale("Cividis", [0.85 * index / max(1, count - 1) for index in range(count)])
    longest = max((epoch.epoch for curve in table.curves for epoch in curve.epochs), default=1)
    made = figure(
        [
            _line(curve, color, SYMBOLS[index % len(SYMBOLS)])
            for index, (curve, color) in enumerate(zip(table.curves, colors, strict=True))
        ],
        "Learning curves of the front",
        xaxis={"title": {"text": "epoch"}, "tick0": 0, "dtick": max(1, -(-longest // 10))},
        yaxis=metric_axis(ACCURACY.name),
    )
    return made.update_layout(showlegend=1 < count <= MOST_NAMED)


def _line(curve: LearningCurve, color: str, symbol: str) -> go.Scatter:
    return go.Scatter(
        x=[epoch.epoch for epoch in curve.epochs],
        y=[epoch.validation_accuracy for epoch in curve.epochs],
        name=curve.label,
        mode="lines+markers",
        line={"color": color, "width": 2},
        marker={"color": color, "size": 7, "symbol": symbol},
        hovertext=[_words(curve, index) for index in range(len(curve.epochs))],
        hoverinfo="text",
    )


def _words(curve: LearningCurve, index: int) -> str:
    epoch = curve.epochs[index]
    lines = [
        f"epoch {epoch.epoch}: {ACCURACY.sentence(epoch.validation_accuracy)}",
        f"loss {epoch.train_loss:.3f} in training, {epoch.validation_loss:.3f} in validation",
        MACS.sentence(curve.macs),
    ]
    return hover(curve.label, lines, curve.stages)
