"""A rescaled family against phi: costs in those of the baseline, and accuracy or latency where they are known."""

from __future__ import annotations

import math
from pathlib import Path

import plotly.graph_objects as go

from naslab.analysis.scaling_family import RATIO_METRICS, ScaledFamily, ScaledMember
from naslab.atomic_write import atomic_write
from naslab.figures.markup import element
from naslab.figures.page import figure_block, page
from naslab.figures.style import AXIS_TITLES, BLUE, CYCLE, SYMBOLS, figure

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
        for index, metric in enumerate(RATIO_METRICS)
    ]
    axis = {"title": {"text": "cost (x the baseline)"}, "type": "log", "dtick": "D2"}
    return figure(traces, f"What the family of {family.name} costs", xaxis=PHI_AXIS, yaxis=axis)


def measured_figure(family: ScaledFamily, metric: str) -> go.Figure:
    """Accuracy or latency of the members that have one."""
    members = [each for each in family.members if math.isfinite(getattr(each, metric))]
    trace = go.Scatter(
        x=[each.phi for each in members],
        y=[getattr(each, metric) for each in members],
        mode="lines+markers",
        line={"color": BLUE, "width": 2},
        marker={"color": BLUE, "size": 10},
        hovertext=[hover_of(each) for each in members],
        hoverinfo="text",
    )
    title = AXIS_TITLES[metric]
    return figure([trace], f"{title} of the family", xaxis=PHI_AXIS, yaxis={"title": {"text": title}})


def write_family(family: ScaledFamily, path: Path) -> None:
    """One self-contained HTML page: costs against phi, then accuracy and latency where they were measured."""
    figures = [cost_figure(family)]
    figures += [measured_figure(family, metric) for metric in ("accuracy", "latency_ms") if family.has(metric)]
    blocks = [figure_block(each, f"family-{index}", level="h2") for index, each in enumerate(figures)]
    title = f"The family of {family.name}"
    atomic_write(path, page(title, element("main", element("h1", title), *blocks)))


def hover_of(member: ScaledMember) -> str:
    """What shows over a member."""
    lines = [f"<b>phi {member.phi:.4g}</b>", f"{member.resolution[0]} x {member.resolution[1]} pixels"]
    lines += [f"{member.costs[metric]:,.0f} {metric}, x {member.ratios[metric]:.3g}" for metric in RATIO_METRICS]
    lines.append(f"{member.num_blocks} blocks")
    if math.isfinite(member.accuracy):
        lines.append(f"accuracy {member.accuracy:.2f} %")
    if math.isfinite(member.latency_ms):
        lines.append(f"latency {member.latency_ms:.3g} ms")
    return "<br>".join(lines)
