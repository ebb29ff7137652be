"""Scaling laws as pictures: error against cost, the law with its band, and what it forecasts."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from naslab.analysis.scaling_law import Law, LawTable
from naslab.atomic_write import atomic_write
from naslab.errors import counted
from naslab.figures.markup import element
from naslab.figures.page import figure_block, page
from naslab.figures.style import BLUE, INK, SKY, VERMILION, figure, metric_axis
from naslab.scaling.laws import LawFit


def law_figure(table: LawTable, law: Law) -> go.Figure:
    """Error (%) against the metric of `law`: the points of `table`, the law with its 90 % band, and its forecasts.

    A point has a bar of one standard error where there are several seeds. Forecasts that the points do not support are
    open markers.
    """
    costs = [*law.curve_costs, *(each.costs[law.metric] for each in table.points)]
    return figure(
        [*_band(law), _curve(law), _points(table, law), _forecasts(law)],
        f"Error against {law.metric}: {formula(law.best, law.metric)}",
        xaxis=metric_axis(law.metric, costs),
        yaxis={"title": {"text": f"validation error on {table.dataset} (%)"}, "rangemode": "tozero"},
    )


def write_laws(table: LawTable, path: Path) -> None:
    """Write one self-contained HTML page: a figure for each law, with its warnings below it.

    Raises `WriteError` where the file cannot be written.
    """
    title = f"Scaling laws of {table.study}"
    blocks = [
        figure_block(law_figure(table, law), law.metric, "; ".join(law.warnings), height=560, level="h2")
        for law in table.laws
    ]
    atomic_write(path, page(title, element("main", element("h1", title), *blocks)))


def formula(fit: LawFit, metric: str) -> str:
    """The law that `fit` is, as an equation of the error in per cent and the `metric`.

    >>> from naslab.scaling.laws import fit_power_law
    >>> costs = [1e6, 4e6, 16e6, 64e6, 256e6]
    >>> fit = fit_power_law(costs, [20 * (cost / 1e6) ** -0.5 for cost in costs], form="power", num_resamples=20)
    >>> formula(fit, "macs")
    'error = 5 (macs / 1.6e+07)^-0.5'
    """
    if fit.form == "constant":
        return f"error = {fit.floor:.3g}, no trend"
    floor = f" + {fit.floor:.3g}" if fit.form == "saturating" else ""
    return f"error = {fit.amplitude:.3g} ({metric} / {fit.reference:.3g})^-{fit.exponent:.3g}{floor}"


def _band(law: Law) -> list[go.Scatter]:
    line = {"width": 0}
    return [
        go.Scatter(x=law.curve_costs, y=law.high, mode="lines", line=line, showlegend=False, hoverinfo="skip"),
        go.Scatter(
            x=law.curve_costs,
            y=law.low,
            name="90 % band of the law",
            mode="lines",
            line=line,
            fill="tonexty",
            fillcolor="rgba(86, 180, 233, 0.25)",
            hoverinfo="skip",
            marker={"color": SKY},
        ),
    ]


def _curve(law: Law) -> go.Scatter:
    return go.Scatter(
        x=law.curve_costs,
        y=law.curve,
        name=f"{law.best.form} law",
        mode="lines",
        line={"color": BLUE, "width": 2},
        hoverinfo="skip",
    )


def _points(table: LawTable, law: Law) -> go.Scatter:
    return go.Scatter(
        x=[each.costs[law.metric] for each in table.points],
        y=[each.error for each in table.points],
        name=f"networks ({table.of})",
        mode="markers",
        marker={"color": INK, "size": 9},
        error_y={
            "type": "data",
            "array": [None if math.isnan(each.sem) else each.sem for each in table.points],
            "thickness": 1.2,
            "width": 3,
        },
        hovertext=[
            f"<b>{escape(each.label)}</b><br>error {each.error:.2f} % over "
            f"{counted(each.num_trainings, 'training')}<br>"
            f"{each.costs[law.metric]:,.0f} {law.metric}"
            for each in table.points
        ],
        hoverinfo="text",
    )


def _forecasts(law: Law) -> go.Scatter:
    forecasts = [each.forecast for each in law.forecasts]
    return go.Scatter(
        x=[each.cost for each in forecasts],
        y=[each.error for each in forecasts],
        name="forecasts (open: not supported)",
        mode="markers+text",
        text=[escape(each.name) for each in law.forecasts],
        textposition="middle left",
        cliponaxis=False,
        marker={
            "color": VERMILION,
            "size": 11,
            "symbol": ["diamond" if each.is_supported else "diamond-open" for each in forecasts],
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [each.high - each.error for each in forecasts],
            "arrayminus": [max(0.0, each.error - each.low) for each in forecasts],
            "thickness": 1.2,
            "width": 5,
        },
        hoverinfo="x+y",
    )
