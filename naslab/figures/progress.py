"""How a search went: best accuracy above, hypervolume below, over candidates or over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import plotly.graph_objects as go

from naslab.analysis.progress import ProgressTable
from naslab.figures.style import BLUE, GREEN, PlainFigure, Trace, plain_figure
from naslab.metrics import shown_as


def progress_figure(table: ProgressTable, over: Literal["candidates", "time"] = "candidates") -> go.Figure:
    """The figure of `plain_progress_figure`, of the same arguments, for people: plotly shows and saves it."""
    return go.Figure(plain_progress_figure(table, over))


def plain_progress_figure(table: ProgressTable, over: Literal["candidates", "time"] = "candidates") -> PlainFigure:
    """Best accuracy (%) and hypervolume (% of its box) in two panels over one x axis.

    The axis counts finished candidates or, with `over="time"`, the time searching without pauses. Markers are
    candidates that made a value grow.
    """
    if over == "candidates":
        x = [float(number) for number in table.numbers or range(1, len(table.trials) + 1)]
        x_title = "finished candidates"
    else:
        unit, seconds = time_unit(table.search_seconds[-1])
        x = [each / seconds for each in table.search_seconds]
        x_title = f"time searching ({unit}, pauses left out)"
    best = [None if math.isnan(value) else value for value in table.best_accuracy]
    row = shown_as(table.metric, maximise=True)
    best_name = f"best {row.name}"
    shares = [100 * share for share in table.hypervolume_share]
    words = [f"trial {trial}" for trial in table.trials]
    traces = [
        _steps(
            x,
            best,
            words,
            table.has_better_accuracy,
            best_name,
            BLUE,
            "y",
            f"%{{text}}: {best_name} so far %{{y:{row.digits}}} {row.unit}".rstrip(),
        ),
        _steps(
            x, shares, words, table.has_more_hypervolume, "hypervolume", GREEN, "y2", "%{text}: hypervolume %{y:.2f} %"
        ),
    ]
    return plain_figure(
        traces,
        f"{best_name.capitalize()} and hypervolume over {over}",
        xaxis={"title": {"text": x_title}, "anchor": "y2", "rangemode": "tozero"},
        yaxis={"title": {"text": f"best {row.column}"}, "domain": [0.55, 1.0]},
        yaxis2={"title": {"text": "hypervolume (%)"}, "domain": [0.0, 0.45], "anchor": "x"},
        showlegend=False,
    )


def time_unit(longest: float) -> tuple[str, float]:
    """The unit that suits times up to `longest` seconds, and its seconds.

    >>> time_unit(90), time_unit(900), time_unit(90_000)
    (('s', 1.0), ('min', 60.0), ('h', 3600.0))
    """
    if longest < 300:
        return "s", 1.0
    return ("min", 60.0) if longest < 4 * 3600 else ("h", 3600.0)


def _steps(
    x: Sequence[float],
    y: Sequence[float | None],
    words: Sequence[str],
    grew: Sequence[bool],
    name: str,
    color: str,
    axis: str,
    shown: str,
) -> Trace:
    return {
        "type": "scatter",
        "x": list(x),
        "y": list(y),
        "name": name,
        "text": list(words),
        "mode": "lines+markers",
        "line": {"shape": "hv", "color": color, "width": 2},
        "marker": {"size": [6 if each else 0 for each in grew], "color": color, "opacity": 1},
        "yaxis": axis,
        "hovertemplate": shown + "<extra></extra>",
    }
