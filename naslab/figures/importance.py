"""Which choices matter to an objective, by a model of the outcomes."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from naslab.analysis.importance import ImportanceTable
from naslab.figures.style import BLUE, figure

MOST_SHOWN = 14
"""How many choices a figure shows, those that matter most."""
ROW_PIXELS = 40
"""The height of a choice: its name in a line of its own above its bar."""


def importance_figure(table: ImportanceTable, most: int = MOST_SHOWN) -> go.Figure:
    """A bar for each choice below its name, the one that matters most on top: its share of the variance in per cent.

    At most `most` choices are shown. Lines are one standard error.
    """
    shown = table.choices[:most][::-1]
    bars = go.Bar(
        y=list(range(len(shown))),
        x=[100 * each.share for each in shown],
        error_x={"type": "data", "array": [100 * each.sem for each in shown], "thickness": 1},
        orientation="h",
        marker={"color": BLUE},
        hovertext=[
            f"<b>{escape(each.place)}</b><br>{100 * each.share:.1f} ± {100 * each.sem:.1f} % of the variance"
            for each in shown
        ],
        hoverinfo="text",
    )
    made = figure(
        [bars],
        f"Which choices matter to {table.metric}",
        xaxis={"title": {"text": "variance of predictions (%)"}, "rangemode": "tozero"},
        yaxis={"visible": False, "range": [-0.55, len(shown) - 0.2]},
    )
    names = [
        {
            "text": escape(each.place),
            "x": 0,
            "xanchor": "left",
            "y": row + 0.27,
            "yanchor": "bottom",
            "showarrow": False,
        }
        for row, each in enumerate(shown)
    ]
    return made.update_layout(
        bargap=0.5,
        height=120 + ROW_PIXELS * max(1, len(shown)),
        annotations=[{**name, "font": {"size": 12}} for name in names],
    )
