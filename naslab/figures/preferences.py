"""Which choices the front favours: shares of options on the front against shares among all candidates."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from naslab.analysis.preferences import Preference, PreferenceTable
from naslab.figures.style import BLUE, MUTED, figure

MOST_SHOWN = 14
"""How many options a figure shows, those that chance explains least."""
ROW_PIXELS = 52
"""The height of an option: its name in a line of its own, which leaves narrow screens room for the bars."""


def preferences_figure(table: PreferenceTable, most: int = MOST_SHOWN) -> go.Figure:
    """Two bars for each option below its name: its share (%) of the front, and of all candidates.

    The `most` options that chance explains least are shown, the most favoured on top.
    """
    shown = table.strongest(most)[::-1]
    traces = [
        _bars([each.share for each in shown], shown, "all candidates", MUTED),
        _bars([each.share_on_front for each in shown], shown, "front", BLUE),
    ]
    made = figure(
        traces,
        "Which choices the front favours",
        xaxis={"title": {"text": "share of networks (%)"}, "range": [0, 101]},
        yaxis={"visible": False, "range": [-0.55, len(shown) - 0.35]},
    )
    made.update_layout(barmode="group", bargap=0.46, legend={"traceorder": "reversed"})
    return made.update_layout(
        height=120 + ROW_PIXELS * max(1, len(shown)),
        annotations=[_name(row, each) for row, each in enumerate(shown)],
    )


def _name(row: int, each: Preference) -> dict[str, object]:
    """The option's name above its bars."""
    return {
        "text": f"{escape(each.place)}: <b>{escape(each.label)}</b>",
        "x": 0,
        "xanchor": "left",
        "y": row + 0.27,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12},
    }


def _bars(shares: Sequence[float], shown: Sequence[Preference], name: str, color: str) -> go.Bar:
    return go.Bar(
        y=list(range(len(shown))),
        x=[100 * share for share in shares],
        name=name,
        orientation="h",
        marker={"color": color},
        hovertext=[_words(each) for each in shown],
        hoverinfo="text",
    )


def _words(each: Preference) -> str:
    return "<br>".join(
        [
            f"<b>{escape(each.place)}: {escape(each.label)}</b>",
            f"front: {each.num_taken_on_front} of {each.num_active_on_front}",
            f"all candidates: {each.num_taken} of {each.num_active}",
            f"a blind draw differs as much with probability {each.chance:.2g}",
        ]
    )
