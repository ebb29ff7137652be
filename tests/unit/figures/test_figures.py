"""Figures draw what their tables hold: traces, points, words on hovering."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import plotly.graph_objects as go
import pytest
import synthetic_study as synthetic

import naslab
from naslab.analysis.choice import choices_of
from naslab.analysis.curves import learning_curves
from naslab.analysis.family import FamilyTable, family
from naslab.analysis.front import FrontTable, front
from naslab.analysis.preferences import preferences
from naslab.analysis.progress import progress
from naslab.analysis.reference import reference_point
from naslab.analysis.zoo import zoo_table
from naslab.errors import NaslabError
from naslab.figures import (
    curves_figure,
    family_figure,
    front_figure,
    preferences_figure,
    progress_figure,
    write_figure,
    zoo_figure,
)
from naslab.figures.front import plain_front_figure
from naslab.figures.page import figure_block, figure_json
from naslab.figures.progress import plain_progress_figure
from naslab.figures.report import report_body, report_tables
from naslab.figures.style import plain_figure
from naslab.study.problem import Limit, Objective

VIEW = synthetic.study()


def table_of(*metrics: str) -> FrontTable:
    goals = tuple(Objective.named(metric) for metric in metrics)
    return front(VIEW.outcomes, goals, reference_point(VIEW.problem, VIEW.outcomes, goals))


def figures_in(body: str) -> list[Any]:
    """The figures of a page, as they are drawn."""
    return [json.loads(each) for each in re.findall(r"<script [^>]*data-figure=[^>]*>(.*?)</script>", body)]


def traces(figure: go.Figure) -> dict[str, go.Scatter]:
    return {trace.name: trace for trace in figure.data}


@pytest.mark.parametrize("metrics", [("accuracy", "macs"), ("accuracy",), ("accuracy", "macs", "params")])
def test_plain_figures_are_what_plotly_makes_of_them(metrics: tuple[str, ...]) -> None:
    table, course = table_of(*metrics), report_tables(VIEW).progress
    known, scaled = family(VIEW.baselines), family(VIEW.family)
    limits = [Limit.parse("macs<=2e6"), Limit("accuracy", least=50.0)]
    choices = choices_of(table, limits)
    assert choices is None or choices.takes
    plain = [plain_front_figure(table, None, None, known, scaled, choices, limits), plain_front_figure(table)]
    plain += [plain_progress_figure(course, over) for over in ("candidates", "time")]
    for each in plain:
        assert json.loads(figure_json(go.Figure(each))) == json.loads(msgspec.json.encode(each))
        body = figure_block(each, "one")
        assert figures_in(body) == figures_in(figure_block(go.Figure(each), "one"))
        assert each["layout"]["title"]["text"] not in body.partition("<script")[2]
        assert "template" in each["layout"]


def test_a_number_that_is_none_is_drawn_nowhere() -> None:
    body = figure_block(plain_figure([{"type": "bar", "x": [1.0, 2.0], "y": [math.nan, math.inf]}], "One"), "one")
    assert '"y":[null,null]' in body


def test_numbers_of_numpy_are_numbers_of_a_page() -> None:
    trace = {"type": "bar", "x": np.arange(2), "y": [np.float64(0.5), np.int64(2)]}
    assert '"x":[0,1],"y":[0.5,2]' in figure_block(plain_figure([trace], "One"), "one")


def test_limits_are_lines_with_their_bounds() -> None:
    drawn = front_figure(table_of("accuracy", "macs"), limits=[Limit.parse("macs<=2e6")])
    assert [each.type for each in drawn.layout.shapes] == ["line"]
    assert "limit: macs \u2264 2M" in [each.text for each in drawn.layout.annotations]


def test_preferences_are_lines_of_another_kind() -> None:
    bounds = {"limits": [Limit.parse("macs<=2e6")], "preferences": [Limit("accuracy", least=90.0)]}
    drawn = front_figure(table_of("accuracy", "macs"), **bounds)
    assert [(each.line.dash, each.xref) for each in drawn.layout.shapes] == [("dash", None), ("dot", "x domain")]
    assert [each.y0 for each in drawn.layout.shapes] == [0, 90]
    assert "preferred: accuracy \u2265 90" in [each.text for each in drawn.layout.annotations]


def test_preferences_of_a_study_are_drawn() -> None:
    problem = msgspec.structs.replace(VIEW.problem, preferences=(Limit("accuracy", least=90.0),))
    view = msgspec.structs.replace(VIEW, problem=problem)
    assert "preferred: accuracy \u2265 90" in report_body(report_tables(view), "a.db")
    assert any("preferred" in each.text for each in naslab.front_figure(view).layout.annotations)


def test_a_figure_is_as_high_as_it_says(tmp_path: Path) -> None:
    for asked, expected in ((700, 700), (None, 620)):
        write_figure(go.Figure(layout={"height": asked, "title": {"text": "One"}}), tmp_path / "one.html")
        assert f'style="height:{expected}px"' in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_every_candidate_is_a_dot_and_the_front_a_step_line() -> None:
    table = table_of("accuracy", "macs")
    drawn = traces(front_figure(table))
    assert set(drawn) == {"dominated candidates", "Pareto front"}
    assert len(drawn["dominated candidates"].x) == len(table.dominated)
    line = drawn["Pareto front"]
    assert list(line.x) == [point.value("macs") for point in table.front]
    assert list(line.y) == [point.value("accuracy") for point in table.front]
    assert (line.mode, line.line.shape) == ("lines+markers", "hv")
    assert list(line.error_y.array) == [point.value("accuracy_sem") for point in table.front]


def test_macs_are_on_a_log_axis_that_says_what_they_are() -> None:
    layout = front_figure(table_of("accuracy", "macs")).layout
    assert (layout.xaxis.type, layout.xaxis.title.text) == ("log", "macs (multiply-accumulates)")
    assert layout.yaxis.title.text == "validation accuracy (%)"


def test_hovering_tells_the_architecture_one_line_a_stage() -> None:
    table = table_of("accuracy", "macs")
    shown = traces(front_figure(table))["Pareto front"].hovertext
    for point, words in zip(table.front, shown, strict=True):
        assert words.startswith(f"<b>{point.label}</b>")
        assert f"{point.value('macs'):,.0f} macs" in words
        network = words.partition("<br><br>")[2]
        unfolded = network.replace("<br>\u2003", " ").split("<br>")
        assert unfolded == [f"{number}. {stage}" for number, stage in enumerate(point.stages, start=1)]
        assert max(map(len, network.split("<br>"))) <= 44


def test_baselines_and_family_stand_beside_the_front() -> None:
    table = table_of("accuracy", "macs")
    drawn = traces(front_figure(table, baselines=family(VIEW.baselines), family=family(VIEW.family)))
    assert list(drawn["zoo networks, same recipe"].text) == ["mobilenet_v1", "resnet20_cifar"]
    assert len(drawn["rescaled family"].x) == 4
    assert drawn["rescaled family"].marker.symbol == "diamond"


def test_networks_that_were_not_measured_are_not_drawn() -> None:
    failed = family([synthetic.outcome(0, synthetic.network([(0, 0, 0)] * 3), None, origin={"phi": 1.0})])
    drawn = traces(front_figure(table_of("accuracy", "macs"), family=failed))
    assert list(drawn["rescaled family"].x) == []
    assert list(family_figure(failed).data[0].x) == []


def test_a_front_of_three_objectives_has_no_step_line_in_a_plane() -> None:
    figure = front_figure(table_of("accuracy", "macs", "params"), x="macs", y="accuracy")
    assert traces(figure)["Pareto front"].mode == "markers"
    assert figure.layout.title.text == "Pareto front of accuracy and macs and params, seen in macs and accuracy"


def test_a_front_of_one_objective_is_shown_against_macs() -> None:
    figure = front_figure(table_of("accuracy"))
    assert figure.layout.xaxis.title.text == "macs (multiply-accumulates)"
    assert len(traces(figure)["Pareto front"].x) == len(table_of("accuracy").front)


def test_steps_go_the_other_way_where_more_is_better_along_x() -> None:
    figure = front_figure(table_of("macs", "accuracy"))
    line = traces(figure)["Pareto front"]
    assert figure.layout.yaxis.type == "log"
    assert line.line.shape == "vh"
    assert list(line.x) == sorted(line.x)
    assert line.error_x.array is not None
    assert line.error_y.array is None


def test_progress_draws_every_outcome_in_both_panels() -> None:
    table = progress(VIEW.outcomes, reference_point(VIEW.problem), VIEW.runs)
    for over, title in (("candidates", "finished candidates"), ("time", "time searching (s, pauses left out)")):
        figure = progress_figure(table, over)  # type: ignore[arg-type]
        assert figure.layout.xaxis.title.text == title
        assert [len(trace.x) for trace in figure.data] == [60, 60]
    marked = traces(figure)["hypervolume"].marker.size
    assert sum(size > 0 for size in marked) == sum(table.has_more_hypervolume)


def test_long_searches_are_drawn_in_hours() -> None:
    outcomes = [
        synthetic.outcome(trial, synthetic.network([(2, 0, 0)] * 3), 80.0, finished=1e4 * trial) for trial in range(4)
    ]
    figure = progress_figure(progress(outcomes, reference_point(VIEW.problem)), "time")
    assert figure.layout.xaxis.title.text == "time searching (h, pauses left out)"
    assert figure.data[0].x[-1] == pytest.approx((3e4 + 1.5) / 3600)


def test_one_learning_curve_a_network() -> None:
    table = learning_curves(VIEW.outcomes, {point.trial for point in table_of("accuracy", "macs").front})
    figure = curves_figure(table)
    assert [trace.name for trace in figure.data] == [curve.label for curve in table.curves]
    assert [list(trace.x) for trace in figure.data] == [[1, 2, 3, 4]] * len(table.curves)
    assert not curves_figure(learning_curves(VIEW.outcomes)).layout.showlegend


def test_preferences_have_two_bars_an_option() -> None:
    trials = {point.trial for point in table_of("accuracy", "macs").front}
    table = preferences(VIEW.outcomes, trials, VIEW.problem.space.holes())
    figure = preferences_figure(table, most=6)
    strongest = table.strongest(6)[::-1]
    assert [trace.name for trace in figure.data] == ["all candidates", "front"]
    assert list(figure.data[1].x) == [100 * each.share_on_front for each in strongest]
    assert f"front: {strongest[0].num_taken_on_front} of {len(trials)}" in figure.data[1].hovertext[0]


def test_the_family_is_joined_from_the_cheapest_to_the_costliest() -> None:
    table = family(VIEW.family)
    line = family_figure(table).data[0]
    assert list(line.text) == ["phi 0", "phi 1", "phi 2", "phi 3"]
    assert list(line.x) == sorted(line.x)
    assert list(family_figure(table, x="params").data[0].x) == [member.value("params") for member in table.members]
    assert list(family_figure(FamilyTable(())).data[0].x) == []


def test_the_zoo_chart_has_a_bubble_for_every_published_accuracy_on_imagenet() -> None:
    rows = zoo_table()
    figure = zoo_figure(rows)
    published = [row for row in rows if row.top1 is not None and row.num_classes == 1000]
    assert sum(len(trace.x) for trace in figure.data) == len(published)
    assert {trace.name for trace in figure.data} == {row.family for row in published}
    places = {(x, y) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True)}
    assert places == {(row.top1_macs, row.top1) for row in published}
    assert {trace.marker.sizemode for trace in figure.data} == {"area"}
    looks = [(trace.marker.color, trace.marker.line.color, trace.line.dash) for trace in figure.data]
    assert len(set(looks)) == len(looks)


def test_names_cannot_bring_markup_into_a_hover() -> None:
    hostile = synthetic.outcome(0, synthetic.network([(0, 0, 0)] * 3), 90.0, origin={"zoo": "<img src=x>"})
    figure = front_figure(table_of("accuracy", "macs"), baselines=family([hostile]))
    trace = traces(figure)["zoo networks, same recipe"]
    assert "<img" not in trace.hovertext[0]
    assert trace.text[0] == "&lt;img src=x&gt;"


def test_a_figure_is_written_as_html_or_json(tmp_path: Path) -> None:
    figure = front_figure(table_of("accuracy", "macs"))
    write_figure(figure, tmp_path / "new" / "front.html")
    write_figure(figure, tmp_path / "front.json")
    text = (tmp_path / "new" / "front.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "Pareto front of accuracy and macs</h1>" in text
    read = go.Figure(json.loads((tmp_path / "front.json").read_text(encoding="utf-8")))
    assert read.layout.title.text == figure.layout.title.text
    assert len(read.data) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["front.json", "new"]


def test_drawing_leaves_the_figure_as_it_was(tmp_path: Path) -> None:
    figure = preferences_figure(preferences(VIEW.outcomes, {0}, VIEW.problem.space.holes()))
    before = figure.to_json()
    write_figure(figure, tmp_path / "figure.html")
    assert figure.to_json() == before


@pytest.mark.parametrize("name", ["front.pdf", "front"])
def test_other_endings_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(NaslabError, match=r"ends in \.html or \.json"):
        write_figure(go.Figure(), tmp_path / name)


def test_a_place_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NaslabError, match="cannot write"):
        write_figure(go.Figure(), tmp_path / "file" / "front.json")
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(NaslabError, match="cannot write"):
        write_figure(go.Figure(), tmp_path / "taken.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.json"]


def test_networks_without_a_latency_leave_a_gap(tmp_path: Path) -> None:
    table = table_of("accuracy", "macs")
    figure = front_figure(table, x="latency_ms")
    assert set(traces(figure)["dominated candidates"].x) == {None}
    write_figure(figure, tmp_path / "figure.json")
    assert "NaN" not in (tmp_path / "figure.json").read_text(encoding="utf-8")
    assert msgspec.json.decode((tmp_path / "figure.json").read_bytes())["data"]
