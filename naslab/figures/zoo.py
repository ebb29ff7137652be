"""The zoo as a bubble chart: published accuracy against macs, the area of a bubble its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from naslab.analysis.zoo import ZooRow
from naslab.errors import counted
from naslab.figures.label_places import label_places
from naslab.figures.style import CYCLE, INK, Axes, figure, metric_axis, note_at
from naslab.metrics import MACS, PARAMS

LARGEST_BUBBLE = 54
"""The diameter in pixels of the network with the most parameters."""


DASHES = ("solid", "dot", "dash")
"""Families of one colour differ by the line that joins them, and the later ones by a dark rim."""


def zoo_figure(rows: Sequence[ZooRow], num_classes: int = 1000) -> go.Figure:
    """Published top-1 accuracy (%) against macs, for the networks of `rows` that have `num_classes` (1000: ImageNet).

    Those of one family are joined, its name beside the costliest of them. Macs are those at the resolution that the
    accuracy was measured at. The area of a bubble is the number of parameters.
    """
    shown = [row for row in rows if row.top1 is not None and row.num_classes == num_classes]
    families = dict.fromkeys(row.family for row in shown)
    scale = max((row.params for row in shown), default=1) / LARGEST_BUBBLE**2
    traces = [
        _bubbles(family, [row for row in shown if row.family == family], index, scale)
        for index, family in enumerate(families)
    ]
    data = "ImageNet" if num_classes == 1000 else counted(num_classes, "class", "classes")
    axes: dict[str, dict[str, object]] = {
        "xaxis": metric_axis(MACS.name, [row.top1_macs for row in shown]),
        "yaxis": {"title": {"text": f"top-1 accuracy, {data} (%)"}},
    }
    title = f"Published accuracy on {data} against macs; the area is the number of parameters"
    return figure(traces, title, **axes).update_layout(showlegend=False, annotations=_names(shown, axes))


def _names(rows: Sequence[ZooRow], axes: Axes) -> list[dict[str, object]]:
    """The families' names at their costliest networks, as far as there is room; the others show on hovering."""
    families = [[row for row in rows if row.family == family] for family in dict.fromkeys(row.family for row in rows)]
    ends = [max(family, key=lambda row: row.top1_macs) for family in families]
    costs, scores = [math.log(row.top1_macs) for row in ends], [row.top1 or 0.0 for row in ends]
    places = label_places(list(zip(_scaled(costs), _scaled(scores), strict=True)), [row.family for row in ends])
    return [
        note_at(axes, row.top1_macs, row.top1 or 0.0, escape(row.family), place)
        for row, place in zip(ends, places, strict=True)
        if place is not None
    ]


def _scaled(values: Sequence[float]) -> list[float]:
    """Values from 0 to 1, with the room that an axis leaves at its ends."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [0.05 + 0.9 * (value - low) / ((high - low) or 1.0) for value in values]


def _bubbles(family: str, rows: Sequence[ZooRow], index: int, scale: float) -> go.Scatter:
    color = CYCLE[index % len(CYCLE)]
    ordered = sorted(rows, key=lambda row: row.top1_macs)
    return go.Scatter(
        x=[row.top1_macs for row in ordered],
        y=[row.top1 for row in ordered],
        name=escape(family),
        mode="markers+lines",
        line={"color": color, "width": 1, "dash": DASHES[index // len(CYCLE) % len(DASHES)]},
        marker={
            "color": color,
            "opacity": 0.6,
            "size": [row.params for row in ordered],
            "sizemode": "area",
            "sizeref": scale,
            "sizemin": 3,
            "line": {"color": INK if index >= len(CYCLE) else "white", "width": 1.5},
        },
        hovertext=[_words(row) for row in ordered],
        hoverinfo="text",
    )


def _words(row: ZooRow) -> str:
    return "<br>".join(
        [
            f"<b>{escape(row.name)}</b> ({row.year})",
            f"top-1 {row.top1:.2f} %",
            MACS.sentence(row.top1_macs),
            PARAMS.sentence(row.params),
            f"input {row.top1_resolution}",
            f"accuracy from: {escape(row.top1_source)}",
        ]
    )
