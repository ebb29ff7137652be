"""A rescaled family: its score against a cost, members joined from the cheapest to the costliest."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from naslab.analysis.family import FamilyTable
from naslab.figures.front import error_bars, hover_of
from naslab.figures.style import VERMILION, figure, metric_axis
from naslab.metrics import MACS


def family_figure(table: FamilyTable, x: str = MACS.name) -> go.Figure:
    """The metric of `table` against the metric `x`, by name, of the members that have it, each with its name.

    Bars are one standard error.
    """
    members = table.measured
    trace = go.Scatter(
        x=[each.value(x) for each in members],
        y=[each.value(table.metric) for each in members],
        name="rescaled family",
        mode="lines+markers+text",
        line={"color": VERMILION, "width": 2},
        marker={"color": VERMILION, "size": 12, "symbol": "diamond", "line": {"color": "white", "width": 1}},
        text=[escape(each.label) for each in members],
        textposition=["bottom right", *["top left"] * (len(members) - 1)][: len(members)],
        textfont={"size": 13},
        cliponaxis=False,
        error_y=error_bars(members, table.metric),
        hovertext=[hover_of(each) for each in members],
        hoverinfo="text",
    )
    made = figure([trace], "The rescaled family", xaxis=metric_axis(x, trace.x), yaxis=metric_axis(table.metric))
    return made.update_layout(showlegend=False)
