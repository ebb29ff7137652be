"""A rescaled family: its score against a cost, members joined from the cheapest to the costliest."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from naslab.analysis.family import FamilyTable, MeasuredMember
from naslab.figures.front import error_bars, hovers_of
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
        text=[escape(each.label.partition(" (")[0]) for each in members],
        textposition=_places(members, x, table.metric),
        textfont={"size": 13},
        cliponaxis=False,
        error_y=error_bars(members, table.metric),
        hovertext=hovers_of(members),
        hoverinfo="text",
    )
    made = figure([trace], "The rescaled family", xaxis=metric_axis(x, trace.x), yaxis=metric_axis(table.metric))
    return made.update_layout(showlegend=False)


def _places(members: Sequence[MeasuredMember], x: str, y: str) -> list[str]:
    """Where the names stand: on the side of a point that the line does not pass, and never beyond the figure's edge.

    The first and the last stand within the figure; between them a name is above where the line bends down there, below
    where it bends up.
    """
    falls = len(members) > 1 and members[1].value(y) < members[0].value(y)
    places = ["top right" if falls else "bottom right"] * min(1, len(members))
    for before, here, after in zip(members, members[1:], members[2:], strict=False):
        up = [each.value(y) for each in (before, here, after)]
        rises = up[2] >= up[0]
        is_above = 2 * up[1] >= up[0] + up[2]
        places.append(f"{'top' if is_above else 'bottom'} {'left' if rises == is_above else 'right'}")
    if len(members) > 1:
        rises = members[-1].value(y) >= members[-2].value(y)
        places.append("top left" if rises else "bottom left")
    return places
