"""What estimators cost against how well they rank: a point for each estimator, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from naslab.analysis.calibration import CalibrationTable, EstimatorLine
from naslab.atomic_write import atomic_write
from naslab.errors import counted
from naslab.figures.markup import Markup, element
from naslab.figures.markup import table as markup_table
from naslab.figures.page import figure_block, page
from naslab.figures.style import CYCLE, SYMBOLS, figure

LEAST_SECONDS = 1e-5
"""Device-seconds that are drawn for an estimate that took less: a log axis has no 0."""


def calibration_figure(table: CalibrationTable) -> go.Figure:
    """Kendall's tau with the reference against device-seconds of an estimate, for every estimator that has a tau.

    Bars are 90 % intervals by resampling the networks.
    """
    shown = [line for line in table.lines if not math.isnan(line.tau.value)]
    traces = [_point(line, index) for index, line in enumerate(shown)]
    title = f"What an estimate costs and how well it ranks: {table.space}, {counted(table.num_networks, 'network')}"
    return figure(
        traces,
        title,
        xaxis={
            "title": {"text": "device-seconds an estimate"},
            "type": "log",
            "dtick": 1,
            "exponentformat": "power",
        },
        yaxis={"title": {"text": f"Kendall's tau with {table.reference}"}},
    )


def write_calibration(tables: Sequence[CalibrationTable], path: Path, title: str) -> None:
    """Write one self-contained HTML page called `title`: a figure for each table, and its numbers below it.

    Raises `WriteError` where the file cannot be written.
    """
    blocks = [
        block
        for index, table in enumerate(tables)
        for block in (
            figure_block(calibration_figure(table), f"calibration-{index}", _note(table), height=560, level="h2"),
            _lines(table),
        )
    ]
    atomic_write(path, page(title, element("main", element("h1", title), *blocks)))


def _point(line: EstimatorLine, index: int) -> go.Scatter:
    tau = line.tau
    return go.Scatter(
        x=[max(line.device_seconds, LEAST_SECONDS)],
        y=[tau.value],
        name=escape(line.name),
        mode="markers",
        marker={"color": CYCLE[index % len(CYCLE)], "size": 11, "symbol": _symbol(index)},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [tau.high - tau.value],
            "arrayminus": [tau.value - tau.low],
            "thickness": 1.2,
            "width": 4,
        },
        hovertext=[
            f"<b>{escape(line.name)}</b><br>tau {tau.words()}<br>rho {line.rho.words()}<br>tau in the best tenth "
            f"{line.top_tau.words()}<br>precision of the best tenth {line.precision.words()}<br>"
            f"{line.device_seconds:.3g} device-seconds, {line.wall_seconds:.3g} s by the clock<br>"
            f"{counted(line.num_networks, 'network')}, {line.num_failed} failed"
        ],
        hoverinfo="text",
    )


def _symbol(index: int) -> str:
    """A symbol that goes with each colour once: the two have equal periods, so the second round shifts by one."""
    return SYMBOLS[(index + index // len(CYCLE)) % len(SYMBOLS)]


def _note(table: CalibrationTable) -> str:
    return (
        f"{counted(table.num_networks, 'network')} of {table.space}, seed {table.seed}; reference: "
        f"{table.reference}. Intervals "
        f"are of 90 %, by resampling the networks. The best tenth is {counted(table.num_top, 'network')}; its "
        "precision is the "
        "share of an estimator's best tenth that truly belongs to it. Device-seconds are processor time on a CPU."
    )


def _lines(table: CalibrationTable) -> Markup:
    """The table below its figure."""
    columns = ("estimator", "networks", "tau", "rho", "tau, best tenth", "precision, best tenth", "device-seconds")
    rows = [
        (
            line.name,
            str(line.num_networks),
            *(each.words() for each in (line.tau, line.rho, line.top_tau, line.precision)),
            f"{line.device_seconds:.3g}",
        )
        for line in table.lines
    ]
    return markup_table("Figures with intervals of 90 %", columns, rows, numeric=range(1, len(columns)))
