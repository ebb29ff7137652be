"""Groups of studies side by side: their fronts, and their hypervolumes over candidates and over seconds."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from naslab.atomic_write import atomic_write
from naslab.bench.standing import Curve
from naslab.bench.study_groups import GroupStanding, StudyComparison
from naslab.figures.compare import DASHES, curve_lines
from naslab.figures.front import hovers_of
from naslab.figures.markup import element
from naslab.figures.page import figure_block, page
from naslab.figures.progress import time_unit
from naslab.figures.style import CYCLE, SYMBOLS, figure, metric_axis, metric_words
from naslab.metrics import MACS

SHARE = {"title": {"text": "hypervolume (share of its box)"}, "tickformat": ".0%", "rangemode": "tozero"}


def write_study_comparison(found: StudyComparison, title: str, path: Path) -> None:
    """Write one self-contained HTML page called `title`: the fronts of the groups in `found` and their hypervolumes.

    Raises `WriteError` where the file cannot be written.
    """
    note = " ".join((reference_words(found), *(f"Note: {each}." for each in found.notes)))
    blocks = (
        figure_block(fronts_figure(found), "fronts", note, height=560, level="h2"),
        figure_block(candidates_figure(found), "candidates", curve_words(found), height=480, level="h2"),
        figure_block(seconds_figure(found), "seconds", curve_words(found), height=480, level="h2"),
    )
    atomic_write(path, page(title, element("main", element("h1", title), *blocks)))


def reference_words(found: StudyComparison) -> str:
    """Where the hypervolumes of `found` are measured from, as a sentence below its fronts."""
    corner = ", ".join(
        f"{metric_words(goal.metric, value)} ({rule})"
        for goal, value, rule in zip(found.objectives, found.reference.values, found.reference.rules, strict=True)
    )
    return f"Hypervolumes are measured from {corner}."


def curve_words(found: StudyComparison) -> str:
    """What the lines of `found` over candidates and over time are, as a sentence or two below them."""
    held = "From its last candidate on a study is drawn with what it had reached."
    if all(len(each.studies) == 1 for each in found.groups):
        return held
    seeds = ", ".join(f"{each.label}: {len(each.studies)}" for each in found.groups)
    return f"Lines are means over the studies of a group ({seeds}), bands a standard error each way. {held}"


def fronts_figure(found: StudyComparison) -> go.Figure:
    """The front of every study in the first and the last objective, a colour and a symbol for each group."""
    up = found.objectives[0].metric
    along = found.objectives[-1].metric if len(found.objectives) > 1 else MACS.name
    traces = [each for index, group in enumerate(found.groups) for each in _front_lines(group, index, along, up)]
    axes = {
        name: metric_axis(metric, [value for trace in traces for value in trace[name[0]]])
        for name, metric in (("xaxis", along), ("yaxis", up))
    }
    return figure(traces, f"Pareto fronts in {along} and {up}", **axes)


def candidates_figure(found: StudyComparison) -> go.Figure:
    """The hypervolume of each group over finished candidates, a mean and a band over its studies."""
    curves = {each.label: each.over_candidates for each in found.groups}
    axis = {"title": {"text": "finished candidates"}, "rangemode": "tozero"}
    return figure(curve_lines(curves, None, unit="candidates"), "Hypervolume over candidates", xaxis=axis, yaxis=SHARE)


def seconds_figure(found: StudyComparison) -> go.Figure:
    """The hypervolume of each group over the time spent searching, a mean and a band over its studies."""
    unit, seconds = time_unit(found.moments[-1])
    curves = {each.label: _stepped(each.over_seconds) for each in found.groups}
    moments = np.repeat(np.array(found.moments) / seconds, 2)[1:].tolist()
    lines = curve_lines(curves, None, moments, unit)
    axis = {"title": {"text": f"time searching ({unit}, pauses left out)"}, "rangemode": "tozero"}
    return figure(lines, "Hypervolume over time", xaxis=axis, yaxis=SHARE)


def _stepped(curve: Curve) -> Curve:
    """The corners of a curve whose values hold until the next moment."""
    mean, low, high = (np.repeat(values, 2)[:-1].tolist() for values in (curve.mean, curve.low, curve.high))
    return Curve(mean=mean, low=low, high=high)


def _front_lines(group: GroupStanding, index: int, along: str, up: str) -> list[go.Scatter]:
    """A line through the front of each study of a group; the legend names the group once.

    Dashes let one front be seen beneath another.
    """
    dash = DASHES[index % len(DASHES)]
    color, symbol = CYCLE[index % len(CYCLE)], SYMBOLS[index % len(SYMBOLS)]
    traces = []
    for number, (study, table) in enumerate(zip(group.studies, group.fronts, strict=True)):
        points = sorted(table.front, key=lambda point: point.value(along))
        traces.append(
            go.Scatter(
                x=[point.value(along) for point in points],
                y=[point.value(up) for point in points],
                name=escape(group.label),
                legendgroup=group.label,
                showlegend=number == 0,
                mode="lines+markers",
                line={"shape": "hv", "color": color, "dash": dash, "width": 1.5},
                marker={"color": color, "symbol": symbol, "size": 11 - 3 * min(index, 2)},
                hovertext=[f"<b>{escape(study)}</b><br>{words}" for words in hovers_of(points)],
                hoverinfo="text",
            )
        )
    return traces
