"""How every figure looks: one template, a palette that colour-blind readers can tell apart, axes with units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from html import escape
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from naslab.metrics import shown_as

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
"""Okabe and Ito's colours (2008), told apart under every common colour blindness."""
Axes = Mapping[str, Mapping[str, object]]
"""Plotly's axes by name, `xaxis` and `yaxis`."""
Trace = dict[str, Any]
"""A trace of a figure as plotly's JSON has it."""
PlainFigure = dict[str, Any]
"""A figure as plotly's JSON has it: `data`, a list of traces, and `layout`, all of dicts, lists, numbers and text.

`go.Figure` makes one of it for people, and checks every value on the way, which takes tens of milliseconds; a page that
is drawn anew with every outcome takes it as it is.
"""
INK, MUTED, GRID = "#1b1f24", "#8a929c", "#e6e8eb"
VEIL = "rgba(255, 255, 255, 0.75)"
"""Behind words, so that what they cover does not strike them through."""
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#5b4a9e", "#7f7f00", "#a3002b", "#4d4d4d")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "triangle-down", "pentagon", "hexagon")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

HOVER_COLUMNS = 44
"""Lines of an architecture are folded here, so that they fit the screen of a phone."""


def template() -> go.layout.Template:
    """The plotly template of every figure: fonts, margins, axes, legend."""
    axis = {
        "showgrid": True,
        "gridcolor": GRID,
        "gridwidth": 1,
        "zeroline": False,
        "showline": True,
        "linecolor": MUTED,
        "ticks": "outside",
        "ticklen": 5,
        "tickcolor": MUTED,
        "automargin": True,
        "title": {"standoff": 10, "font": {"size": 14}},
        "tickfont": {"size": 13},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 14, "color": INK},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "colorway": list(CYCLE),
            "xaxis": axis,
            "yaxis": axis,
            "margin": {"l": 60, "r": 16, "t": 16, "b": 52},
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": 1.02,
                "yanchor": "bottom",
                "font": {"size": 13},
                "itemsizing": "constant",
            },
            "hoverlabel": {
                "align": "left",
                "bgcolor": "white",
                "bordercolor": MUTED,
                "font": {"size": 13, "color": INK},
            },
            "hovermode": "closest",
            "title": {"x": 0, "xanchor": "left", "font": {"size": 17}},
        }
    )


def figure(traces: Sequence[go.Scatter | go.Bar], title: str, **axes: Mapping[str, object]) -> go.Figure:
    """A figure of `traces` in the style of naslab, called `title`; `axes` are plotly's `xaxis`, `yaxis`, ... .

    The title is escaped: it may hold names of users.
    """
    return go.Figure(data=list(traces), layout={"template": template(), "title": {"text": escape(title)}, **axes})


@cache
def plain_template() -> dict[str, Any]:
    """`template` as plotly's JSON has it; all figures share it, so it is not to be changed."""
    return dict(template().to_plotly_json())


def plain_figure(traces: Sequence[Trace], title: str, **layout: object) -> PlainFigure:
    """A figure of plain `traces` in the style of naslab, called `title`; `layout` is plotly's, axes and all.

    The title is escaped: it may hold names of users. Values of a trace or of the layout that are `None` are left out.

    >>> made = plain_figure([{"type": "bar", "x": [1], "y": [2], "name": None}], "R & D", showlegend=False)
    >>> made["data"], made["layout"]["title"]
    ([{'type': 'bar', 'x': [1], 'y': [2]}], {'text': 'R &amp; D'})
    >>> go.Figure(made).data[0].y
    (2,)
    """
    whole = {"template": plain_template(), "title": {"text": escape(title)}, **layout}
    return {"data": [_given(each) for each in traces], "layout": _given(whole)}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def metric_axis(metric: str, values: Iterable[float | None] = ()) -> dict[str, object]:
    """Plotly's axis of a `metric`, by name, titled with its unit: logarithmic with unit prefixes where `Metric.is_log`.

    Over one or two decades of `values` the ticks are at 1, 2 and 5, over more at powers of ten; plotly's own would
    print over each other.
    """
    row = shown_as(metric)
    title = {"text": row.title}
    if row.is_log:
        known = [value for value in values if value]
        decades = math.log10(max(known) / min(known)) if known else 0.0
        axis: dict[str, object] = {
            "title": title,
            "type": "log",
            "tickformat": "~s",
            "minor": {"ticks": "outside", "ticklen": 3},
        }
        if decades < 0.8:
            return axis | {"nticks": 10}
        return axis | {"dtick": "D2" if decades <= 2.5 else 1}
    return {"title": title}


def note_at(
    axes: Axes, x: float, y: float, text: str, place: str, size: int = 12, color: str = INK, aside: int = 5
) -> dict[str, object]:
    """Plotly's annotation of `text`, HTML, beside a point of `axes` at `x` and `y`.

    `place` is the side as traces of plotly call it (`top left`); `size` is that of the letters,
    `color` theirs, `aside` how far beside the point they begin; sizes are in pixels.
    """
    up, side = place.split()
    return {
        **{name: _on_axis(axes[f"{name}axis"], value) for name, value in (("x", x), ("y", y))},
        "text": text,
        "showarrow": False,
        "font": {"size": size, "color": color},
        "bgcolor": VEIL,
        "borderpad": 0,
        "xanchor": "right" if side == "left" else "left",
        "yanchor": "bottom" if up == "top" else "top",
        "xshift": -aside if side == "left" else aside,
        "yshift": aside - 1 if up == "top" else 1 - aside,
    }


def _on_axis(axis: Mapping[str, object], value: float) -> float:
    """Where annotations stand on an axis: at logarithms where that is logarithmic."""
    return math.log10(value) if axis.get("type") == "log" and value > 0 else value


def metric_words(metric: str, value: float, error: float | None = None) -> str:
    """A metric's value for people; `error` is one standard error.

    >>> metric_words("accuracy", 97.254, 0.81), metric_words("macs", 1234567)
    ('accuracy 97.25 ± 0.81 %', '1,234,567 macs')
    """
    return shown_as(metric).sentence(value, error)


def hover(label: str, lines: Sequence[str], stages: Sequence[str]) -> str:
    """The HTML under the pointer at a point: its `label`, a line for each of `lines`, and the `stages` numbered.

    All are escaped; long stages are folded at `HOVER_COLUMNS`.
    """
    body = [escape(line) for line in lines]
    return "<br>".join([f"<b>{escape(label)}</b>", *body, "", *_folded(tuple(stages))])


@lru_cache(maxsize=8192)
def _folded(stages: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of an architecture, escaped; a picture of a study that runs is drawn again and again."""
    return tuple(
        escape(part)
        for number, stage in enumerate(stages, start=1)
        for part in wrap(f"{number}. {stage}", HOVER_COLUMNS, subsequent_indent="\u2003", break_long_words=False)
    )
