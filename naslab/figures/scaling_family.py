"""A rescaled family against phi: costs as multiples of the baseline's, accuracy or latency where they are known."""

from __future__ import annotations

import math
from pathlib import Path

import plotly.graph_objects as go

from naslab.analysis.scaling_family import ScaledFamily, ScaledMember
from naslab.atomic_write import atomic_write
from naslab.errors import counted
from naslab.figures.markup import element
from naslab.figures.page import figure_block, page
from naslab.figures.style import BLUE, CYCLE, SYMBOLS, figure
from naslab.metrics import COUNTED_METRICS, measured_rows, metrics, shown_as

PHI_AXIS = {"title": {"text": "phi"}}


def cost_figure(family: ScaledFamily) -> go.Figure:
    """Macs, params and activations as multiples of the baseline's, on a log scale."""
    traces = [
        go.Scatter(
            x=[each.phi for each in family.members],
            y=[each.ratios[metric] for each in family.members],
            name=metric,
            mode="lines+markers",
            line={"color": CYCLE[index], "width": 2},
            marker={"color": CYCLE[index], "size": 10, "symbol": SYMBOLS[index]},
            hovertext=[hover_of(each) for each in family.members],
            hoverinfo="text",
        )
        for index, metric in enumerate(COUNTED_METRICS)
    ]
    axis = {"title": {"text": "cost (x the baseline)"}, "type": "log", "dtick": "D2"}
    return figure(traces, f"What the family of {family.name} costs", xaxis=PHI_AXIS, yaxis=axis)


def measured_figure(family: ScaledFamily, metric: str) -> go.Figure:
    """A measured `metric`, by name, against phi, for the members that have it."""
    members = [each for each in family.members if math.isfinite(each.value(metric))]
    trace = go.Scatter(
        x=[each.phi for each in members],
        y=[each.value(metric) for each in members],
        mode="lines+markers",
        line={"color": BLUE, "width": 2},
        marker={"color": BLUE, "size": 10},
        hovertext=[hover_of(each) for each in members],
        hoverinfo="text",
    )
    title = shown_as(metric).title
    return figure([trace], f"{title} of the family", xaxis=PHI_AXIS, yaxis={"title": {"text": title}})


def write_family(family: ScaledFamily, path: Path) -> None:
    """Write one self-contained HTML page: costs against phi, then each metric that was measured.

    Raises `WriteError` where the file cannot be written.
    """
    figures = [cost_figure(family)]
    measured = [row.name for row in metrics() if not row.is_described]
    figures += [measured_figure(family, metric) for metric in measured if family.has(metric)]
    blocks = [figure_block(each, f"family-{index}", level="h2") for index, each in enumerate(figures)]
    title = f"The family of {family.name}"
    atomic_write(path, page(title, element("main", element("h1", title), *blocks)))


def hover_of(member: ScaledMember) -> str:
    """The HTML under the pointer at a member: phi, resolution, costs, blocks, and what was measured."""
    lines = [f"<b>phi {member.phi:.4g}</b>", f"{member.resolution[0]} x {member.resolution[1]} pixels"]
    lines += [f"{member.costs[metric]:,.0f} {metric}, x {member.ratios[metric]:.3g}" for metric in COUNTED_METRICS]
    lines.append(counted(member.num_blocks, "block"))
    lines += [row.sentence(member.value(row.name)) for row in measured_rows(member.measured)]
    return "<br>".join(lines)
