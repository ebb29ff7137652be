"""Scaling laws as pictures: error against cost, the law with its band, and what it forecasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

PHONE_WIDTH, LETTER = 240.0, 7.0
"""Pixels of the narrowest panel, and of a letter of a name."""
LEAST_ROOM = 0.2
"""An interval that ends below this share of the highest leaves no room for names under it."""
GAP = 0.015
"""Between the end of an interval and its name, as a share of the highest: its cap strikes no letter."""


def law_figure(table: LawTable, law: Law) -> go.Figure:
    """Error (%) against the metric of `law`: the points of `table`, the law with its 90 % band, and its forecasts.

    A point has a bar of one standard error where there are several seeds. Forecasts that the points do not support are
    open markers.
    """
    costs = [*law.curve_costs, *(each.costs[law.metric] for each in table.points)]
    return figure(
        [*_band(law), _curve(law), _points(table, law), _forecasts(law), _names(law, costs)],
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
        mode="markers",
        cliponaxis=False,
        hovertext=[escape(each.name) for each in law.forecasts],
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
        hoverinfo="x+y+text",
    )


def _names(law: Law, costs: Sequence[float]) -> go.Scatter:
    """The forecasts' names beyond their intervals, where no line runs, on as many rows as a phone needs.

    `costs` are all on the axis. They stand above where an interval ends near an error of zero.
    """
    forecasts = [each.forecast for each in law.forecasts]
    highest = max(each.high for each in forecasts)
    is_above = min(each.low for each in forecasts) < LEAST_ROOM * highest
    span = math.log(max(costs) / min(costs))
    places = [PHONE_WIDTH * math.log(each.cost / min(costs)) / span for each in forecasts]
    names = [escape(each.name.removesuffix(" the largest")) for each in law.forecasts]
    rows = name_rows(places, [LETTER * len(name) for name in names])
    return go.Scatter(
        x=[each.cost for each in forecasts],
        y=[each.high + GAP * highest if is_above else each.low - GAP * highest for each in forecasts],
        mode="text",
        text=[name + "<br>" * row if is_above else "<br>" * row + name for name, row in zip(names, rows, strict=True)],
        textposition="top center" if is_above else "bottom center",
        textfont={"size": 12},
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )


def name_rows(places: Sequence[float], widths: Sequence[float]) -> list[int]:
    """For names of these `widths` in the middle of these `places`, in pixels, the first row where each has room.

    >>> name_rows([0, 30, 60], [40, 40, 40]), name_rows([0, 100], [40, 40])
    ([0, 1, 0], [0, 0])
    """
    ends: list[float] = []
    chosen = []
    for place, width in sorted(zip(places, widths, strict=True)):
        row = next((row for row, end in enumerate(ends) if place - width / 2 > end), len(ends))
        ends[row : row + 1] = [place + width / 2]
        chosen.append(row)
    return chosen
