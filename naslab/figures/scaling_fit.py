"""The loss surface of a fit: error over the triangle of ways to spend a budget on depth, width and resolution."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from naslab.analysis.scaling_fit import CompoundFit, ScaledPoint
from naslab.errors import counted
from naslab.figures.style import INK, figure
from naslab.scaling.grid import shares, words

AXES = {"a": "depth", "b": "width", "c": "resolution"}
COLOURS = "Cividis"
"""Even in lightness, and readable under every common colour blindness."""


def surface_figure(fit: CompoundFit) -> go.Figure:
    """Every point of `fit` coloured by its mean error (%), the quadratic through them behind, a star on the best.

    The corners of the triangle are the whole budget spent on depth, on width, and on resolution.
    """
    errors = [point.error for point in fit.points]
    colours = {"colorscale": COLOURS, "reversescale": True, "cmin": min(errors), "cmax": max(errors)}
    traces = [_surface(fit, colours)] if fit.surface is not None else []
    traces += [_points(fit, colours), _best(fit.best)]
    title = f"Ways to spend {fit.ratio:g} x the macs of {fit.model}: error on {fit.dataset}"
    made = figure(traces, title)
    axes = {
        f"{letter}axis": {"title": {"text": f"{name} share"}, "tickformat": ".0%", "nticks": 5}
        for letter, name in AXES.items()
    }
    return made.update_layout(ternary={"sum": 1, **axes}, margin={"l": 40, "r": 24, "t": 48, "b": 48})


def _surface(fit: CompoundFit, colours: dict[str, object]) -> go.Scatterternary:
    surface = fit.surface
    assert surface is not None
    return go.Scatterternary(
        a=surface.depth,
        b=surface.width,
        c=surface.resolution,
        name="quadratic through the points",
        mode="markers",
        cliponaxis=False,
        marker={**colours, "color": surface.error, "size": 15, "symbol": "hexagon", "opacity": 0.45},
        hovertext=[f"about {error:.2f} % error" for error in surface.error],
        hoverinfo="text",
    )


def _points(fit: CompoundFit, colours: dict[str, object]) -> go.Scatterternary:
    depth, width, resolution = zip(*(shares(point.compound) for point in fit.points), strict=True)
    bar = {"title": {"text": "error (%)"}, "thickness": 14, "len": 0.8}
    return go.Scatterternary(
        a=depth,
        b=width,
        c=resolution,
        name="trained networks",
        mode="markers",
        cliponaxis=False,
        marker={
            **colours,
            "color": [point.error for point in fit.points],
            "size": 14,
            "line": {"color": "white", "width": 1.5},
            "colorbar": bar,
        },
        hovertext=[hover_of(point) for point in fit.points],
        hoverinfo="text",
    )


def _best(point: ScaledPoint) -> go.Scatterternary:
    depth, width, resolution = shares(point.compound)
    return go.Scatterternary(
        a=[depth],
        b=[width],
        c=[resolution],
        name=f"best: {words(point.compound)}",
        mode="markers",
        cliponaxis=False,
        marker={"symbol": "star-open", "size": 24, "color": INK, "line": {"width": 2}},
        hoverinfo="skip",
    )


def hover_of(point: ScaledPoint) -> str:
    """The HTML under the pointer at a point: its coefficients, its error (%) and its costs."""
    spread = "" if len(point.errors) < 2 else f" ± {point.sem:.2f}"
    compound = point.compound
    lines = (
        f"<b>depth {compound.alpha:g}, width {compound.beta:g}, resolution {compound.gamma:g}</b>",
        f"error {point.error:.2f}{spread} % over {counted(len(point.errors), 'seed')}",
        f"{point.macs:,} macs, {point.macs_ratio:.3f} x the baseline",
        escape(f"{point.params:,} params, {point.activations:,} activations"),
    )
    return "<br>".join(lines)
