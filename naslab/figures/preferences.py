"""Which choices the front favours: shares of options on the front against shares among all candidates."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from naslab.analysis.preferences import Preference, PreferenceTable
from naslab.figures.style import BLUE, MUTED, figure

MOST_SHOWN = 14
"""How many options a figure shows, those whose shares differ most."""


def preferences_figure(table: PreferenceTable, most: int = MOST_SHOWN) -> go.Figure:
    """Two bars an option, the most favoured on top."""
    shown = table.strongest(most)[::-1]
    names = [f"{escape(each.label)}<br><span style='font-size:11px'>{escape(each.hole)}</span>" for each in shown]
    traces = [
        _bars(names, [each.share for each in shown], shown, "all candidates", MUTED),
        _bars(names, [each.share_on_front for each in shown], shown, "front", BLUE),
    ]
    made = figure(
        traces,
        "Which choices the front favours",
        xaxis={"title": {"text": "share of networks (%)"}, "range": [0, 101]},
        yaxis={"showgrid": False, "ticks": "", "type": "category"},
    )
    made.update_layout(barmode="group", bargap=0.3, legend={"traceorder": "reversed"})
    return made.update_layout(height=120 + 46 * max(1, len(shown)))


def _bars(names: Sequence[str], shares: Sequence[float], shown: Sequence[Preference], name: str, color: str) -> go.Bar:
    return go.Bar(
        y=list(names),
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
            f"<b>{escape(each.hole)}: {escape(each.label)}</b>",
            f"front: {each.num_taken_on_front} of {each.num_active_on_front}",
            f"all candidates: {each.num_taken} of {each.num_active}",
            f"a blind draw differs as much with probability {each.chance:.2g}",
        ]
    )
