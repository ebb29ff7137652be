"""Whether a search converged, in words, and the networks that a surrogate would try next."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from naslab.analysis.convergence import HALF_WIDTH, Convergence, Foreseen
from naslab.analysis.front import FrontTable
from naslab.errors import counted
from naslab.figures.markup import Markup, element, join, table
from naslab.figures.page import figure_block
from naslab.figures.section import Section
from naslab.figures.style import BLUE, PURPLE, figure, metric_axis
from naslab.metrics import Metric, shown_as
from naslab.study.problem import Objective

MOST_LISTED = 5
MOST_DRAWN = 24


def converged_section(found: Convergence | None, front: FrontTable) -> Section | None:
    """The answer in words, the front that the surrogate predicts beside the `front` reached, and what it tries next.

    `None` where too few trials finished.
    """
    if found is None:
        return None
    parts = [element("p", found.words)]
    if found.foreseen:
        note = (
            f"Predicted: the {counted(min(MOST_DRAWN, len(found.foreseen)), 'network')} not tried yet that the "
            "surrogate expects "
            "to gain most, with intervals that hold 90 % of measurements by it."
        )
        if found.lower:
            note += f" All of it is of networks {found.fidelity_words}; those trained for longer are not drawn here."
        drawn = predicted_figure(found.foreseen, found.lower or front, found.fidelity_words)
        parts.append(figure_block(drawn, "predicted-figure", note))
        parts.append(_proposals(found.foreseen, front.objectives, found.fidelity_words))
    return Section("converged", "Did it converge?", join(parts))


def predicted_figure(foreseen: Sequence[Foreseen], front: FrontTable, fidelity: str = "") -> go.Figure:
    """The front of a study of two objectives, and the `foreseen` networks with what a surrogate predicts of them.

    Both are at the `fidelity`, in words as `after 1 epoch`, where that is to be said.
    """
    up, along = front.objectives
    shown = foreseen[:MOST_DRAWN]
    values = {goal.metric: [goal.loss(float(each.means[index])) for each in shown] for index, goal in _both(front)}
    bars = {
        goal.metric: {"type": "data", "array": [HALF_WIDTH * float(each.deviations[index]) for each in shown]}
        for index, goal in _both(front)
        if any(each.deviations[index] > 0 for each in shown)
    }
    reached = sorted(front.front, key=lambda point: point.value(along.metric))
    traces = [
        go.Scatter(
            x=[point.value(along.metric) for point in reached],
            y=[point.value(up.metric) for point in reached],
            name=f"front so far {fidelity}".rstrip(),
            mode="lines+markers",
            line={"shape": "vh" if along.maximise else "hv", "color": BLUE, "width": 2},
            marker={"color": BLUE, "size": 8},
            hovertext=[point.label for point in reached],
            hoverinfo="text",
            customdata=[point.trial for point in reached],
        ),
        go.Scatter(
            x=values[along.metric],
            y=values[up.metric],
            name=f"predicted {fidelity}".rstrip() + ", not tried",
            mode="markers",
            marker={"color": PURPLE, "size": 9, "symbol": "x"},
            error_y={**bars[up.metric], "thickness": 1} if up.metric in bars else None,
            error_x={**bars[along.metric], "thickness": 1} if along.metric in bars else None,
            hovertext=[_words(each, front.objectives) for each in shown],
            hoverinfo="text",
        ),
    ]
    axes = {
        name: metric_axis(metric, [value for trace in traces for value in trace[name[0]]])
        for name, metric in (("xaxis", along.metric), ("yaxis", up.metric))
    }
    return figure(traces, "What the surrogate expects of networks not tried", **axes)


def _both(front: FrontTable) -> list[tuple[int, Objective]]:
    return list(enumerate(front.objectives))


def _words(each: Foreseen, goals: Sequence[Objective]) -> str:
    told = (_predicted(goal, each, index) for index, goal in enumerate(goals))
    return "<br>".join(row.sentence(value, spread) for row, value, spread in told)


def _predicted(goal: Objective, each: Foreseen, index: int) -> tuple[Metric, float, float | None]:
    """The metric of a prediction, its value and its interval; what is known before training has none."""
    row, value = shown_as(goal.metric, goal.maximise), goal.loss(float(each.means[index]))
    spread = HALF_WIDTH * float(each.deviations[index])
    return row, value, spread if spread > 0 else None


def _proposals(foreseen: Sequence[Foreseen], goals: Sequence[Objective], fidelity: str) -> Markup:
    rows = [
        [
            str(number),
            f"{100 * each.gain:.2g}",
            *(row.number(value, spread) for row, value, spread in told),
        ]
        for number, each in enumerate(foreseen[:MOST_LISTED], start=1)
        for told in [[_predicted(goal, each, index) for index, goal in enumerate(goals)]]
    ]
    heads = (f"predicted {shown_as(goal.metric, goal.maximise).column}" for goal in goals)
    columns = ["proposal", "expected gain (points)", *heads]
    caption = f"What the surrogate would try next, ± for 90 %{', ' * bool(fidelity)}{fidelity}"
    return table(caption, columns, rows, numeric=(1, 2, 3), is_stacked=True)
