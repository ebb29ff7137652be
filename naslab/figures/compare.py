"""How searches of a table went: regret and hypervolume over evaluations, a line for each strategy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from naslab.atomic_write import atomic_write
from naslab.bench.compare import Comparison
from naslab.bench.standing import Curve
from naslab.figures.markup import element
from naslab.figures.page import figure_block, page
from naslab.figures.style import CYCLE, figure

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
REGRET_NOTE = "A line ends where the best of the table is found with every seed."
HYPERVOLUME_NOTE = "Shares of the hypervolume of the whole table's front, up to the reference point"


def write_curves(found: Comparison, title: str, path: Path) -> None:
    """Write one self-contained HTML page called `title`: regret, and the hypervolume where objectives are several.

    Raises `WriteError` where the file cannot be written.
    """
    seeds = ", ".join(str(each) for each in sorted({each.seeds for each in found.strategies.values()}))
    band = "Of one seed." if seeds == "1" else f"Means over seeds ({seeds}), bands of a standard error each way."
    blocks = [figure_block(regret_figure(found), "regret", f"{band} {REGRET_NOTE}", height=560, level="h2")]
    if any(each.hypervolume is not None for each in found.curves.values()):
        point = ", ".join(f"{metric} {value:.6g}" for metric, value in found.reference.items())
        note = f"{band} {HYPERVOLUME_NOTE} ({point})."
        blocks.append(figure_block(hypervolume_figure(found), "hypervolume", note, height=560, level="h2"))
    atomic_write(path, page(title, element("main", element("h1", title), *blocks)))


def regret_figure(found: Comparison) -> go.Figure:
    """How far the best found is from the best of the table, in the first objective, on a log axis.

    Lines are means over seeds, bands one standard error each way. The axis reaches down to half the smallest mean: the
    lower edge of a band may come near 0 by chance.
    """
    curves = {name: each.regret for name, each in found.curves.items()}
    above = [value for curve in curves.values() for value in curve.mean if value > 0]
    floor = min(above, default=1e-3) / 2
    metric = next(iter(found.reference))
    return figure(
        curve_lines(curves, floor),
        f"Regret of {metric} over evaluations",
        xaxis=_evaluations(),
        yaxis={"title": {"text": f"regret ({metric})"}, "type": "log", **_ticks(above)},
    )


def hypervolume_figure(found: Comparison) -> go.Figure:
    """The share of the hypervolume of the whole table's front that was found; lines and bands as for the regret."""
    curves = {name: each.hypervolume for name, each in found.curves.items() if each.hypervolume is not None}
    return figure(
        curve_lines(curves, None),
        "Hypervolume over evaluations",
        xaxis=_evaluations(),
        yaxis={"title": {"text": "share of the front's hypervolume"}, "tickformat": ".0%"},
    )


def growth_figure(curves: dict[str, Curve], title: str, figure_title: str) -> go.Figure:
    """A figure called `figure_title` of `curves` over evaluations, by name, on a linear axis that is called `title`."""
    return figure(curve_lines(curves, None), figure_title, xaxis=_evaluations(), yaxis={"title": {"text": title}})


def _ticks(values: list[float]) -> dict[str, object]:
    """Ticks at 1, 2 and 5 over a few decades, at powers of ten over more."""
    decades = math.log10(max(values) / min(values)) if values else 0.0
    return {"dtick": "D2" if decades <= 2.5 else 1, "tickformat": "~g", "minor": {"ticks": "outside", "ticklen": 3}}


def _evaluations() -> dict[str, object]:
    return {"title": {"text": "evaluations"}, "rangemode": "tozero"}


def curve_lines(
    curves: dict[str, Curve], floor: float | None, xs: Sequence[float] = (), unit: str = "evaluations"
) -> list[go.Scatter]:
    """A band and a line for each of `curves`; bands are cut at the `floor` of a log axis, lines end below it.

    `xs` are where the values are, in `unit`, by default after 1, 2, ... evaluations.
    """
    traces = []
    for index, (name, curve) in enumerate(curves.items()):
        color, dash = CYCLE[index % len(CYCLE)], DASHES[index % len(DASHES)]
        count = sum(floor is None or value > 0 for value in curve.mean)
        steps = list(xs[:count]) if xs else [float(step) for step in range(1, count + 1)]
        traces += [
            _band(name, curve, steps, floor, color),
            go.Scatter(
                x=steps,
                y=curve.mean[:count],
                name=escape(name),
                legendgroup=name,
                mode="lines",
                line={"color": color, "dash": dash, "width": 2},
                hovertemplate=f"%{{x}} {unit}: %{{y:.4g}}",
            ),
        ]
    return traces


def _band(name: str, curve: Curve, steps: list[float], floor: float | None, color: str) -> go.Scatter:
    """An outline: along the upper edge and back along the lower."""
    count = len(steps)
    low = [value if floor is None else max(value, floor) for value in curve.low[:count]]
    red, green, blue = hex_to_rgb(color)
    return go.Scatter(
        x=steps + steps[::-1],
        y=curve.high[:count] + low[::-1],
        name=escape(name),
        legendgroup=name,
        showlegend=False,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=f"rgba({red}, {green}, {blue}, 0.15)",
        hoverinfo="skip",
    )
