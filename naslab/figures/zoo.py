"""The zoo as a bubble chart: published accuracy against macs, the area of a bubble its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from naslab.analysis.zoo import ZooRow
from naslab.figures.style import CYCLE, INK, figure, metric_axis
from naslab.metrics import MACS, PARAMS

LARGEST_BUBBLE = 54
"""The diameter in pixels of the network with the most parameters."""


DASHES = ("solid", "dot", "dash")
"""Families of one colour differ by the line that joins them, and the later ones by a dark rim."""


def zoo_figure(rows: Sequence[ZooRow], num_classes: int = 1000) -> go.Figure:
    """Published top-1 accuracy (%) against macs, for the networks of `rows` that have `num_classes` (1000: ImageNet).

    Those of one family are joined. Macs are those at the resolution that the accuracy was measured at. The area of a
    bubble is the number of parameters.
    """
    shown = [row for row in rows if row.top1 is not None and row.num_classes == num_classes]
    families = dict.fromkeys(row.family for row in shown)
    scale = max((row.params for row in shown), default=1) / LARGEST_BUBBLE**2
    traces = [
        _bubbles(family, [row for row in shown if row.family == family], index, scale)
        for index, family in enumerate(families)
    ]
    data = "ImageNet" if num_classes == 1000 else f"{num_classes} classes"
    return figure(
        traces,
        f"Published accuracy on {data} against macs; the area is the number of parameters",
        xaxis=metric_axis(MACS.name, [row.top1_macs for row in shown]),
        yaxis={"title": {"text": f"top-1 accuracy, {data} (%)"}},
    )


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
