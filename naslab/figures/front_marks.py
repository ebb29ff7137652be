"""What is written on a front: numbers of trials, rings of what cannot be told apart, what to take, and limit lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from naslab.analysis.choice import ChoiceTable, short_number
from naslab.analysis.front import FrontPoint
from naslab.figures.style import BLUE, MUTED, ORANGE, Axes, Trace, note_at
from naslab.metrics import shown_as
from naslab.study.problem import Limit

Hovers = Callable[[Sequence[FrontPoint]], list[str]]

ROOM_ALONG, ROOM_UP = 0.05, 0.05
"""Numbers nearer to each other than these parts of the axes are not both written."""
RIGHT_PART = 0.6
"""Beyond this part of an axis words stand to the left of a point."""


def ring_trace(points: Sequence[FrontPoint], choices: ChoiceTable, hovers_of: Hovers) -> Trace:
    """Rings around those of `points` that `choices` do not tell apart from the best; `hovers_of` gives their words."""
    alike = [point for point in points if point.trial in choices.alike]
    ring = {"color": BLUE, "size": 10, "symbol": "circle-open", "line": {"width": 1.5}}
    return _rings(alike, choices, hovers_of) | {"name": "not told apart from the best", "marker": ring}


def take_trace(points: Sequence[FrontPoint], choices: ChoiceTable, hovers_of: Hovers) -> Trace:
    """Wide rings around those of the front's `points` that `choices` take; `hovers_of` gives their words."""
    ring = {"color": ORANGE, "size": 20, "symbol": "circle-open", "line": {"width": 3}}
    rings = _rings(_taken(points, choices), choices, hovers_of)
    return rings | {"name": "take this one", "marker": ring, "cliponaxis": False}


def _rings(points: Sequence[FrontPoint], choices: ChoiceTable, hovers_of: Hovers) -> Trace:
    return {
        "type": "scatter",
        "x": [point.value(choices.along) for point in points],
        "y": [point.value(choices.up) for point in points],
        "mode": "markers",
        "hovertext": hovers_of(points),
        "hoverinfo": "text",
        "customdata": [point.trial for point in points],
    }


def take_notes(
    points: Sequence[FrontPoint], choices: ChoiceTable, axes: Axes, drawn: Sequence[float]
) -> list[dict[str, Any]]:
    """Plotly's annotations of the front's `points` that `choices` take: the trial and the reasons, below the front.

    `axes` are those that the points are drawn on, `drawn` all values along: words stand to the right of a point, where
    there is room, and to the left of one in the right part.
    """
    reasons = _reasons(choices)
    low, high = (_scaled(pick(drawn), choices.along) for pick in (min, max))
    right = low + RIGHT_PART * (high - low)
    notes = []
    for point in _taken(points, choices):
        place = "bottom left" if _placed(point, choices.along) > right else "bottom right"
        words = f"{_number(point)}: {escape(reasons[point.trial])}"
        notes.append(note_at(axes, point.value(choices.along), point.value(choices.up), words, place, aside=9))
    return notes


def number_notes(
    points: Sequence[FrontPoint], x: str, y: str, choices: ChoiceTable | None, axes: Axes
) -> list[dict[str, Any]]:
    """Plotly's annotations with the numbers of the front's trials above their `points`, as far as there is room.

    The points are drawn in the metrics `x` and `y` on `axes`. Those that `choices` take are written with their reasons
    already.
    """
    taken = {each.trial for each in choices.takes} if choices else set()
    chosen = _with_room([point for point in points if point.trial not in taken], x, y)
    return [note_at(axes, point.value(x), point.value(y), _number(point), "top left", 11, MUTED) for point in chosen]


def bound_lines(limits: Sequence[Limit], preferences: Sequence[Limit], along: str, axes: Axes) -> dict[str, Any]:
    """Plotly's shapes and annotations of bounds: `limits` as dashed lines, `preferences` as dotted ones.

    Bounds of the metric `along` are upright; `axes` tell which of the two is logarithmic.
    """
    shapes, notes = [], []
    styles = [*((each, "limit", "dash") for each in limits), *((each, "preferred", "dot") for each in preferences)]
    for limit, word, dash in styles:
        bound, sign = (limit.most, "≤") if limit.most < math.inf else (limit.least, "≥")
        own, other = ("x", "y") if limit.metric == along else ("y", "x")
        is_log = axes[f"{own}axis"].get("type") == "log"
        if is_log and bound <= 0:
            continue
        line = {"dash": dash, "color": MUTED, "width": 1.5}
        shapes.append({"type": "line", f"{own}0": bound, f"{own}1": bound, "line": line, "layer": "below"})
        shapes[-1] |= {f"{other}ref": f"{other} domain", f"{other}0": 0, f"{other}1": 1}
        place = {own: math.log10(bound) if is_log else bound, f"{other}ref": f"{other} domain", f"{other}": 0}
        text = escape(f"{word}: {limit.metric} {sign} {short_number(bound)}")
        side = {"xanchor": "right", "yanchor": "bottom"} if own == "x" else {"xanchor": "left", "yanchor": "bottom"}
        notes.append({**place, **side, "text": text, "showarrow": False, "font": {"size": 12, "color": MUTED}})
        if own == "x":
            notes[-1]["textangle"] = -90
    return {"shapes": shapes, "annotations": notes}


def _reasons(choices: ChoiceTable) -> dict[int, str]:
    """Why each trial is taken, in few letters: of several budgets the smallest and the largest."""
    found: dict[int, list[str]] = {}
    for each in choices.takes:
        found.setdefault(each.trial, []).append(each.reason)
    words = {}
    for trial, reasons in found.items():
        budgets = [each for each in reasons if each.startswith("≤")]
        spans = [f"{budgets[-1]} to {budgets[0][1:]}"] if len(budgets) > 1 else budgets
        words[trial] = ", ".join([*(each for each in reasons if each not in budgets), *spans])
    return words


def _number(point: FrontPoint) -> str:
    return escape(point.label.removeprefix("trial "))


def _taken(points: Sequence[FrontPoint], choices: ChoiceTable) -> list[FrontPoint]:
    taken = {each.trial for each in choices.takes}
    return [point for point in points if point.trial in taken]


def _with_room(points: Sequence[FrontPoint], x: str, y: str) -> list[FrontPoint]:
    """Those of `points` that lie apart from those chosen before them, by parts of the range of all."""
    kept: list[tuple[float, float, FrontPoint]] = []
    places = [(_placed(point, x), _placed(point, y), point) for point in points]
    spans = [max(column) - min(column) or 1.0 for column in zip(*((a, b) for a, b, _ in places), strict=True)]
    for a, b, point in places:
        is_free = all(abs(a - c) > ROOM_ALONG * spans[0] or abs(b - d) > ROOM_UP * spans[1] for c, d, _ in kept)
        if is_free:
            kept.append((a, b, point))
    return [point for _, _, point in kept]


def _placed(point: FrontPoint, metric: str) -> float:
    """Where a point stands along an axis, up to scale."""
    return _scaled(point.value(metric), metric)


def _scaled(value: float, metric: str) -> float:
    """A value as it lies along the axis of `metric`, up to scale."""
    return math.log(value) if shown_as(metric).is_log and value > 0 else value
