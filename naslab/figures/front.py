"""The Pareto front: every candidate a dot with its architecture, the front a step line, other networks beside it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from html import escape

import plotly.graph_objects as go

from naslab.analysis.choice import ChoiceTable
from naslab.analysis.family import FamilyTable, MeasuredMember
from naslab.analysis.front import FrontPoint, FrontTable
from naslab.figures.front_marks import limit_lines, number_notes, ring_trace, take_notes, take_trace
from naslab.figures.style import BLUE, INK, MUTED, VERMILION, PlainFigure, Trace, hover, metric_axis, plain_figure
from naslab.metrics import ACCURACY, MACS, SHOWN_METRICS, Metric, measured_rows, score_rows, shown_as
from naslab.study.problem import Limit, Objective

MOST_DOTS = 1000
"""Dominated networks that a figure draws; the front is always whole."""
Shown = FrontPoint | MeasuredMember


def front_figure(
    table: FrontTable,
    x: str | None = None,
    y: str | None = None,
    baselines: FamilyTable | None = None,
    family: FamilyTable | None = None,
    choices: ChoiceTable | None = None,
    limits: Sequence[Limit] = (),
) -> go.Figure:
    """The figure of `plain_front_figure` for people: plotly shows and saves it.

    The front of `table` in the metrics `x` and `y`, with `baselines`, `family`, `choices` and `limits` as told there.
    """
    return go.Figure(plain_front_figure(table, x, y, baselines, family, choices, limits))


def plain_front_figure(
    table: FrontTable,
    x: str | None = None,
    y: str | None = None,
    baselines: FamilyTable | None = None,
    family: FamilyTable | None = None,
    choices: ChoiceTable | None = None,
    limits: Sequence[Limit] = (),
) -> PlainFigure:
    """The front of `table` in two metrics, `x` and `y` by name; units are on the axes.

    By default the last objective is along x and the first along y (macs and accuracy). The step line is what the front
    attains at every x; it is drawn where the front is of exactly these two objectives. `baselines` and `family` are
    drawn with markers of their own and take no part in the front. The networks of the front have their trials' numbers
    beside them. With `choices` (`naslab.analysis.choices_of`) dominated networks that cannot be told apart from the
    best have a ring, and those to take a wide one with the reason; `limits` on the two metrics are lines.
    """
    goals = {each.metric: each for each in table.objectives}
    up = y or table.objectives[0].metric
    along = x or _other_metric(table.objectives, up)
    is_plane = set(goals) == {along, up}
    alike = choices.alike if choices is not None else frozenset()
    traces = [_dots(thinned(table.dominated), along, up)]
    traces.append(_front_trace(table.front, along, up, goals.get(along) if is_plane else None))
    has_choices = choices is not None and (choices.along, choices.up) == (along, up)
    if choices is not None and has_choices and choices.alike:
        traces.append(
            ring_trace([each for each in thinned(table.dominated) if each.trial in alike], choices, hovers_of)
        )
    if family is not None and family.members:
        traces.append(_family_trace(_drawable(family.members, along, up), along, up))
    if baselines is not None and baselines.members:
        shown = _values([*table.points, *baselines.members], along)
        traces.append(_baseline_trace(_drawable(baselines.members, along, up), along, up, _left_part(shown)))
    if choices is not None and has_choices and choices.takes:
        traces.append(take_trace(table.front, choices, hovers_of))
    names = " and ".join(each.metric for each in table.objectives)
    title = f"Pareto front of {names}" if is_plane else f"Pareto front of {names}, seen in {along} and {up}"
    axes = {
        name: metric_axis(metric, [value for trace in traces for value in trace[name[0]]])
        for name, metric in (("xaxis", along), ("yaxis", up))
    }
    bounds = [each for each in limits if each.metric in (along, up)]
    lines = limit_lines(bounds, along, axes)
    notes = list(lines["annotations"])
    if is_plane:
        notes += number_notes(table.front, along, up, choices if has_choices else None, axes)
    if choices is not None and has_choices:
        drawn = [value for trace in traces for value in trace["x"] if value is not None]
        notes += take_notes(table.front, choices, axes, drawn)
    marks = {"shapes": lines["shapes"] or None, "annotations": notes or None}
    return plain_figure(traces, title, **axes, **marks)


def thinned(points: Sequence[FrontPoint]) -> Sequence[FrontPoint]:
    """At most `MOST_DOTS` of the dominated `points`, evenly chosen: a page of ten thousand would open slowly."""
    return points if len(points) <= MOST_DOTS else points[:: -(-len(points) // MOST_DOTS)]


def hovers_of(points: Sequence[Shown]) -> list[str]:
    """What shows over each network of `points`: its metrics and its stages."""
    rows = {names: _rows_of(names) for names in {tuple(point.metrics) for point in points}}
    return [hover(each.label, _lines(each, rows[tuple(each.metrics)]), each.stages) for each in points]


def hover_lines(point: Shown) -> list[str]:
    """The metrics of a network in words, a line each."""
    return _lines(point, _rows_of(point.metrics))


def _lines(point: Shown, rows: Iterable[Metric]) -> list[str]:
    return [row.sentence(point.value(row.name), point.metrics.get(row.standard_error)) for row in rows]


def _rows_of(metrics: Collection[str]) -> Iterable[Metric]:
    """The metrics that a network with these `metrics` tells; the accuracy is one only of what was trained."""
    scores, measured = score_rows(metrics), measured_rows(metrics)
    rows = dict.fromkeys((*scores, *SHOWN_METRICS, *measured))
    if (scores or measured) and ACCURACY.name not in metrics:
        rows.pop(ACCURACY)
    return rows


def error_bars(points: Sequence[Shown], metric: str) -> dict[str, object] | None:
    """Plotly's error bars of a `metric`, one standard error either way; `None` for a metric that has none."""
    measured = shown_as(metric).standard_error
    return {"type": "data", "array": _values(points, measured), "thickness": 1.2, "width": 4} if measured else None


def metric_cell(row: Metric, point: Shown) -> str:
    """A metric of a network with its standard error, for a cell whose column says the unit."""
    value, error = point.value(row.name), point.metrics.get(row.standard_error)
    return row.number(value, error) if math.isfinite(value) else "not measured"


def _other_metric(objectives: Sequence[Objective], up: str) -> str:
    """What goes along x: the last objective that is not along y; macs for a study of one objective."""
    others = [each.metric for each in objectives if each.metric != up]
    return others[-1] if others else MACS.name


def _dots(points: Sequence[FrontPoint], x: str, y: str) -> Trace:
    return {
        "type": "scatter",
        "x": _values(points, x),
        "y": _values(points, y),
        "name": "dominated candidates",
        "mode": "markers",
        "marker": {"color": MUTED, "size": 7, "opacity": 0.65},
        "hovertext": hovers_of(points),
        "hoverinfo": "text",
        "customdata": [point.trial for point in points],
    }


def _front_trace(points: Sequence[FrontPoint], x: str, y: str, along: Objective | None) -> Trace:
    """The front, by x; a step line where it is a front of exactly the two metrics shown."""
    ordered = sorted(points, key=lambda point: point.value(x))
    is_line = along is not None
    return {
        "type": "scatter",
        "x": _values(ordered, x),
        "y": _values(ordered, y),
        "name": "Pareto front",
        "mode": "lines+markers" if is_line else "markers",
        "line": {"shape": "vh" if along is not None and along.maximise else "hv", "color": BLUE, "width": 2},
        "marker": {"color": BLUE, "size": 10, "line": {"color": "white", "width": 1}},
        "error_y": error_bars(ordered, y),
        "error_x": error_bars(ordered, x),
        "hovertext": hovers_of(ordered),
        "hoverinfo": "text",
        "customdata": [point.trial for point in ordered],
    }


def _family_trace(members: Sequence[MeasuredMember], x: str, y: str) -> Trace:
    return {
        "type": "scatter",
        "x": _values(members, x),
        "y": _values(members, y),
        "name": "rescaled family",
        "mode": "lines+markers",
        "line": {"color": VERMILION, "width": 2, "dash": "dot"},
        "marker": {"color": VERMILION, "size": 11, "symbol": "diamond", "line": {"color": "white", "width": 1}},
        "error_y": error_bars(members, y),
        "hovertext": hovers_of(members),
        "hoverinfo": "text",
    }


def _baseline_trace(members: Sequence[MeasuredMember], x: str, y: str, left: float) -> Trace:
    return {
        "type": "scatter",
        "x": _values(members, x),
        "y": _values(members, y),
        "name": "zoo networks, same recipe",
        "mode": "markers+text",
        "marker": {"color": INK, "size": 10, "symbol": "square-open", "line": {"width": 2}},
        "text": [escape(member.label) for member in members],
        "textposition": ["bottom left" if each.value(x) > left else "bottom right" for each in members],
        "textfont": {"size": 12},
        "error_y": error_bars(members, y),
        "hovertext": hovers_of(members),
        "hoverinfo": "text",
    }


def _left_part(values: Sequence[float | None]) -> float:
    """Where the first fifth of a log axis over positive values ends: there labels have no room to their left."""
    known = [value for value in values if value]
    return min(known) * (max(known) / min(known)) ** 0.2 if known else 0.0


def _drawable(members: Sequence[MeasuredMember], x: str, y: str) -> list[MeasuredMember]:
    return [each for each in members if math.isfinite(each.value(x)) and math.isfinite(each.value(y))]


def _values(points: Sequence[Shown], metric: str) -> list[float | None]:
    """A metric of the points; nothing where it was not measured."""
    return [value if math.isfinite(value) else None for value in (point.value(metric) for point in points)]
