"""One row a metric: every row works as objective, limit, column, label and axis, and so does one from outside."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from fake_estimators import Measuring
from tiny_search import Instant
from typer.testing import CliRunner

from naslab.analysis.front import front
from naslab.analysis.reference import reference_of_outcomes
from naslab.analysis.study import StudyView, read_study
from naslab.arch.cost import Cost
from naslab.cli.main import app
from naslab.cli.pareto import print_front
from naslab.cli.progress import outcome_line
from naslab.errors import SpecError, StudyError, UnknownNameError
from naslab.estimators.estimator import Workbench
from naslab.execution.search import run_search
from naslab.figures.front import front_figure
from naslab.figures.style import metric_axis, metric_words
from naslab.lab.problems import make_problem
from naslab.lab.reading import pareto_front, write_report
from naslab.ledger import Ledger, StudyRecord
from naslab.ledger.tables import RESULTS_VIEW, measurements
from naslab.metrics import (
    ACCURACY,
    COST_METRICS,
    COUNTED_METRICS,
    LATENCY,
    MACS,
    OWN_METRICS,
    TIMING,
    Metric,
    declare_metric,
    described_values,
    find_metric,
    in_words,
    measured_rows,
    metrics,
    shown_as,
    withdraw_metric,
)
from naslab.space import load_space
from naslab.strategies.registry import make_strategy
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Outcome
from naslab.study.problem import Limit, Objective, Problem
from naslab.study.recipe import Recipe

from synthetic_study import network, outcome  # isort: skip

every_row = pytest.mark.parametrize("row", OWN_METRICS, ids=lambda row: row.name)
ROBUSTNESS = Metric(
    name="robustness",
    maximise=True,
    measured_by="a test",
    label="robustness to noise",
    unit="nats",
    digits=".3f",
    standard_error="robustness_sem",
)
"""Somebody's own: negative, without bounds, with a standard error."""
NUM_BLOCKS = Metric(
    name="num_blocks",
    maximise=False,
    stage="description",
    measured_by="a test",
    read=lambda arch, cost: sum(stage.repeats for stage in arch.stages),
    words="{} blocks",
    digits=",.0f",
    is_whole=True,
    least=0.0,
)
"""Somebody's own, of the description."""


@pytest.fixture
def declared() -> Iterator[None]:
    for row in (ROBUSTNESS, NUM_BLOCKS):
        declare_metric(row)
    yield
    for row in (ROBUSTNESS, NUM_BLOCKS):
        withdraw_metric(row.name)


@pytest.fixture
def study(declared: None, tmp_path: Path) -> StudyView:
    """A search for the two metrics of somebody's own, within a limit on one of them, in `studies.db`."""
    objectives = (Objective.named("robustness"), Objective.named("num_blocks"))
    limits = (Limit.parse("num_blocks<=6"),)
    problem = Problem(load_space("digits_demo"), objectives, DataChoice("digits"), Recipe(), limits)
    estimator = Measuring("robustness", "robustness_sem")
    bench = Workbench(device="cpu", worker="here", threads=1, report=lambda _: None)
    with Ledger.open(tmp_path / "studies.db") as ledger:
        plain = msgspec.json.decode(msgspec.json.encode(problem))
        ledger.create_study(StudyRecord(name="own", problem=plain, strategy="evolution", epochs=1, seed=0, trials=16))
        executor = Instant(answer=lambda candidate: estimator.estimate(candidate, bench))
        run_search("own", ledger, make_strategy("evolution", problem, 0), executor, problem, 1, 0, 16)
        return read_study(ledger, "own")


def outcomes() -> list[Outcome]:
    """Networks of different costs, with every measured metric of naslab."""
    networks = [network([(0, width, 1), (1, 1, depth), (2, 2, 0)]) for width in range(4) for depth in range(3)]
    return [
        outcome(trial, arch, 60.0 + trial, measured={"latency_ms": 20.0 - trial, "latency_ms_iqr": 0.1})
        for trial, arch in enumerate(networks)
    ]


@every_row
def test_it_can_be_an_objective_in_its_own_direction(row: Metric) -> None:
    assert Objective.named(row.name) == Objective(row.name, row.maximise)
    assert Objective.named(f"{row.name}:{'max' if row.maximise else 'min'}") == Objective.named(row.name)
    with pytest.raises(SpecError, match=f"{row.name} is made {'large' if row.maximise else 'small'}"):
        Objective.named(f"{row.name}:{'min' if row.maximise else 'max'}")
    problem = make_problem("digits_demo", None, (row.name,), (), None)
    assert [goal.metric for goal in problem.objectives] == [row.name]
    assert problem.measured_by(row.measured_by) == (row.name,)


@every_row
def test_a_limit_bounds_what_is_known_before_training_and_nothing_else(row: Metric) -> None:
    if row.stage == "after training":
        with pytest.raises(SpecError, match=f"{row.name} is known after training, so that it limits the front"):
            Limit.parse(f"{row.name}<=5")
        return
    if row.stage == "before training":
        limit = Limit.parse(f"{row.name}<=5")
        assert (limit.is_described, limit.holds(5.0), limit.holds(5.1), limit.holds(math.nan)) == (
            False,
            True,
            False,
            False,
        )
        return
    found = outcomes()[3].candidate
    value = getattr(found.cost, row.name)
    for bound, is_met in ((value, True), (value - 1, False)):
        limit = Limit.parse(f"{row.name}<={bound}")
        assert (limit.excess(found.arch, found.cost) <= 0) == is_met
    assert Limit.parse(f"{row.name}>={2 * value}").excess(found.arch, found.cost) == 0.5


@every_row
def test_help_names_it_and_says_where_a_limit_may_bound_it(row: Metric) -> None:
    shown = CliRunner().invoke(app, ["search", "--help"], env={"COLUMNS": "400", "TERM": "dumb"}).output
    [objectives] = [line for line in shown.splitlines() if "--objectives " in line]
    [limit] = [line for line in shown.splitlines() if "--limit " in line and "Example" not in line]
    assert row.name in objectives
    assert (row.name in limit) == row.is_limitable
    assert row.name in CliRunner().invoke(app, ["pareto", "--help"], env={"COLUMNS": "400", "TERM": "dumb"}).output


@every_row
def test_it_is_printed(row: Metric, capsys: pytest.CaptureFixture[str]) -> None:
    assert row.sentence(12.5) == metric_words(row.name, 12.5)
    assert row.number(12.5) in row.sentence(12.5)
    assert row.summary
    assert metric_words(row.name, math.nan) == f"{row.name} not measured"
    assert row.cell(math.nan) is None
    assert row.plain(math.inf) is None
    assert type(row.plain(7.0)) is (int if row.is_whole else float)
    table = front(outcomes(), (Objective.named(row.name),))
    best = (max if row.maximise else min)(each.value(row.name) for each in outcomes())
    assert [point.value(row.name) for point in table.front] == [best] * len(table.front)
    print_front(table, "the front")
    head, first, *_ = capsys.readouterr().out.splitlines()[1:]
    assert head.split()[1] == row.name
    assert first.split()[2] == {"accuracy": "71.00", "latency_ms": "9"}.get(row.name, f"{best:,.0f}")


@every_row
def test_it_is_labelled_and_drawn(row: Metric) -> None:
    axis = metric_axis(row.name, [1.0, 2.0])
    assert axis["title"] == {"text": row.title}
    assert (axis.get("type") == "log") == row.is_log
    assert row.unit in row.title
    assert row.per in row.title
    other = MACS if row == ACCURACY else ACCURACY
    made = front_figure(front(outcomes(), (Objective.named(other.name), Objective.named(row.name))), x=row.name)
    drawn = [value for trace in made.data for value in trace.x]
    assert sorted(drawn) == sorted(each.value(row.name) for each in outcomes())
    assert made.layout.xaxis.title.text == row.title
    bars = made.data[1].error_x.array
    assert (bars is not None) == bool(row.standard_error)


@every_row
def test_the_view_of_the_ledger_has_a_column_of_it(row: Metric) -> None:
    told = f"trials.{row.name}" if row.is_described else f"{row.name}.value AS {row.name}"
    assert told in RESULTS_VIEW


def test_costs_are_the_rows_of_the_description() -> None:
    assert set(COST_METRICS) == set(Cost.__struct_fields__)
    assert set(COUNTED_METRICS) <= set(COST_METRICS)
    found = outcomes()[5].candidate
    assert described_values(found.arch, found.cost) == msgspec.structs.asdict(found.cost)


def test_a_measurement_is_told_with_what_is_measured_beside_it() -> None:
    assert ACCURACY.measured(90.0, 0.5) == {"accuracy": 90.0, "accuracy_sem": 0.5}
    assert LATENCY.measured(3.0, 0.2) == {"latency_ms": 3.0, "latency_ms_iqr": 0.2}
    assert MACS.measured(3.0) == {"macs": 3.0}
    assert measured_rows({"latency_ms": 3.0, "accuracy": 90.0, "macs": 1.0, "f1": 2.0}) == (ACCURACY, LATENCY)


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown metric 'latency' \\(did you mean 'latency_ms'\\?\\)"):
        find_metric("latency")
    with pytest.raises(UnknownNameError, match="unknown objective 'acuracy' \\(did you mean 'accuracy'\\?\\)"):
        Objective.named("acuracy")
    with pytest.raises(UnknownNameError, match="unknown metric from outside 'macs'"):
        withdraw_metric("macs")


@pytest.mark.parametrize("text", ["f1:", "f1:up", ":max", "a b:max", "f1:max:min"])
def test_a_direction_is_max_or_min(text: str) -> None:
    with pytest.raises(SpecError, match="must look like 'f1:max' or 'f1:min', got"):
        Objective.named(text)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": "top 1"}, "letters, digits and underscores, got 'top 1'"),
        ({"stage": "description"}, "and that needs one; f1 has the stage 'description'"),
        ({"read": lambda arch, cost: 1.0}, "and that needs one; f1 has the stage 'after training'"),
        ({"least": 1.0, "most": 1.0}, "must be below most, got 1 and 1"),
        ({"words": "f1"}, "must hold {} once, for the value, got 'f1'"),
        ({"name": "macs"}, "'macs' is taken by the metric macs"),
        ({"name": "images"}, "'images' is taken by the metric images"),
        ({"name": "accuracy_sem"}, "'accuracy_sem' is taken by the metric accuracy"),
        ({"standard_error": "latency_ms_iqr"}, "'latency_ms_iqr' is taken by the metric latency_ms"),
    ],
)
def test_a_row_that_contradicts_itself_or_another_is_refused(changes: dict[str, object], rule: str) -> None:
    with pytest.raises(SpecError) as error:
        declare_metric(Metric(**{"name": "f1", "maximise": True, **changes}))  # type: ignore[arg-type]
    assert rule in str(error.value)
    assert metrics() == OWN_METRICS


def test_a_row_may_be_declared_again_but_not_changed(declared: None) -> None:
    assert declare_metric(ROBUSTNESS) is ROBUSTNESS
    with pytest.raises(SpecError, match="'robustness' is taken by the metric robustness"):
        declare_metric(msgspec.structs.replace(ROBUSTNESS, maximise=False))


def test_searches_refuse_what_none_of_their_estimators_measures(declared: None) -> None:
    with pytest.raises(StudyError, match="no estimator of a search measures the objective robustness"):
        make_problem("digits_demo", None, ("robustness",), (), None)
    with pytest.raises(UnknownNameError, match="unknown objective 'f1'"):
        make_problem("digits_demo", None, ("f1:max",), (), None)
    assert make_problem("digits_demo", None, ("num_blocks",), ("num_blocks<=6",), None).measured_by(TIMING) == ()


def test_a_metric_from_outside_is_searched_for_and_limited(study: StudyView) -> None:
    assert len(study.outcomes) == 16
    blocks = [sum(stage.repeats for stage in each.candidate.arch.stages) for each in study.outcomes]
    assert max(blocks) <= 6
    assert len(set(blocks)) > 1
    assert [each.value("num_blocks") for each in study.outcomes] == blocks
    table = pareto_front(study)
    best = max(study.outcomes, key=lambda each: (each.value("robustness"), -each.value("num_blocks")))
    assert best.candidate.trial in {point.trial for point in table.front}
    least = min(each.value("robustness") for each in study.outcomes)
    assert table.reference.values[0] < least < 0
    assert table.reference.ideals == (best.value("robustness"), 0.0)
    assert 0 < table.hypervolume_share < 1
    assert table.rows()["front"][0]["num_blocks"] in blocks


def test_a_metric_from_outside_is_in_the_ledger(study: StudyView, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "studies.db") as connection:
        rows = connection.execute(
            f"SELECT trial, value FROM {measurements.name} WHERE metric = 'robustness' ORDER BY trial"
        ).fetchall()
    by_trial = sorted(study.outcomes, key=lambda each: each.candidate.trial)
    assert rows == [(each.candidate.trial, each.estimate.measured["robustness"]) for each in by_trial]


@pytest.mark.slow
def test_a_metric_from_outside_is_printed_and_drawn(study: StudyView, tmp_path: Path) -> None:
    picture, ledger = tmp_path / "front.html", str(tmp_path / "studies.db")
    asked = ["pareto", "own", "--x", "num_blocks", "--y", "robustness", "--ledger", ledger, "--out", str(picture)]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    assert "robustness  num_blocks  accuracy" in shown.output
    best = pareto_front(study).front[-1]
    assert f"{best.value('robustness'):.3f}" in shown.output
    text = picture.read_text(encoding="utf-8")
    assert "robustness to noise (nats)" in text
    assert f"robustness {best.value('robustness'):.3f} ± 0.010 nats" in text
    made = front_figure(pareto_front(study))
    assert made.layout.yaxis.title.text == "robustness to noise (nats)"
    assert set(made.data[1].error_y.array) == {0.01}
    assert "robustness -0." in outcome_line(study.outcomes[0])
    write_report(study, tmp_path / "report.html", ledger)
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ">robustness</th>" in report
    assert f"{best.value('robustness'):,.4g}" in report


def test_what_nobody_declared_is_drawn_with_its_direction(study: StudyView, tmp_path: Path) -> None:
    """The same study read by a process that knows nothing of the metric: the study keeps its direction."""
    withdraw_metric("robustness")
    try:
        assert study.problem.objectives[0] == Objective("robustness", maximise=True)
        assert pareto_front(study).front == pareto_front(study, ("robustness:max", "num_blocks")).front
        assert pareto_front(study, ("robustness", "num_blocks")).front == pareto_front(study).front
        with pytest.raises(UnknownNameError, match="unknown objective 'sturdiness'"):
            pareto_front(study, ("sturdiness",))
        asked = ["pareto", "own", "--y", "robustness:max", "--ledger", str(tmp_path / "studies.db")]
        shown = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "front.html")])
        assert shown.exit_code == 0, shown.output
        assert shown_as("robustness").title in (tmp_path / "front.html").read_text(encoding="utf-8")
    finally:
        declare_metric(ROBUSTNESS)


@pytest.mark.parametrize("maximise", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_without_bounds_the_outcomes_lie_between_reference_and_ideal(maximise: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.choice([-5, 0, 5]), 1, 6)
    found = [
        outcome(trial, network([(0, trial % 4, trial % 3)] * 3), 50.0, measured={"gain": float(value)})
        for trial, value in enumerate(values)
    ]
    goal = Objective("gain", maximise)
    reference = reference_of_outcomes((goal,), found)
    worst, ideal = goal.loss(reference.values[0]), goal.loss(reference.ideals[0])
    losses = [goal.loss(float(value)) for value in values]
    assert worst > max(losses)
    assert ideal <= min(losses)
    assert ideal < worst


def test_names_in_words() -> None:
    assert in_words(["macs"]) == "macs"
    assert in_words(["a", "b"], "and") == "a and b"
