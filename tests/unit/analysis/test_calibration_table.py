"""The table of a calibration, from outcomes alone: matching, failures, errors."""

from __future__ import annotations

import json
import math

import msgspec
import pytest

from naslab.analysis.calibration import Estimated, calibration
from naslab.arch import ArchSpec, ConvBlock, Stage, arch_id, cost
from naslab.errors import StudyError
from naslab.figures.calibration import calibration_figure, write_calibration
from naslab.study.outcome import Candidate, Estimate, Failure, Fidelity, Outcome


def outcome(number: int, value: float | None, metric: str = "accuracy", seconds: float = 2.0) -> Outcome:
    arch = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=1 + number),), num_classes=2)
    candidate = Candidate(trial=number, arch=arch, arch_id=arch_id(arch), cost=cost(arch), fidelity=Fidelity(), seed=0)
    failure = Failure("diverged", "the loss is nan") if value is None else None
    notes = {"device_seconds": seconds, "prepare_seconds": 7.0}
    measured = {} if value is None else {metric: value}
    return Outcome(candidate=candidate, estimate=Estimate(measured=measured, failure=failure, notes=notes))


TRUTH = Estimated("table", "accuracy", [outcome(number, 50.0 + number) for number in range(20)])


def table_of(*estimated: Estimated):
    return calibration("toys", "digits", 0, TRUTH, estimated)


def test_networks_are_matched_by_identity_and_failures_counted():
    scores = [outcome(number, -float(number) if number % 5 else None, "doubt") for number in reversed(range(20))]
    table = table_of(Estimated("upside down", "doubt", scores))
    (line,) = table.lines
    assert (line.num_networks, line.num_failed) == (16, 4)
    assert line.tau.value == line.rho.value == -1.0
    assert line.device_seconds == 2.0
    assert line.prepare_seconds == 7.0
    assert table.num_top == 2
    assert math.isnan(line.top_tau.value)


def test_what_an_analytic_cost_says_needs_no_measurement():
    table = table_of(Estimated("params", "params", [outcome(number, 0.0) for number in range(20)]))
    assert table.lines[0].tau.value == 1.0


def test_a_constant_estimator_is_told_beside_the_others():
    flat = Estimated("flat", "accuracy", [outcome(number, 5.0) for number in range(20)])
    table = table_of(flat, TRUTH)
    assert "same value, 5" in table.lines[0].problem
    assert table.lines[1].tau.value == 1.0
    assert [trace.name for trace in calibration_figure(table).data] == ["table"]
    with pytest.raises(StudyError, match="flat: gives all 20 networks the same value"):
        table_of(flat)


def test_too_few_networks_and_constant_references_are_refused():
    few = Estimated("full", "accuracy", [outcome(number, None if number > 4 else 1.0) for number in range(20)])
    with pytest.raises(StudyError, match=r"at least 10 networks with a reference, got 5 .*the loss is nan"):
        calibration("toys", "digits", 0, few, [TRUTH])
    flat = Estimated("full", "accuracy", [outcome(number, 1.0) for number in range(20)])
    with pytest.raises(StudyError, match="same value for all 20"):
        calibration("toys", "digits", 0, flat, [TRUTH])


def test_fifteen_estimators_look_different():
    table = table_of(Estimated("estimator", "accuracy", TRUTH.outcomes))
    [line] = table.lines
    lines = tuple(msgspec.structs.replace(line, name=f"estimator {index}") for index in range(15))
    table = msgspec.structs.replace(table, lines=lines)
    looks = {(trace.marker.color, trace.marker.symbol) for trace in calibration_figure(table).data}
    assert len(looks) == 15


def test_the_table_is_json_and_the_figure_shows_it(tmp_path):
    noisy = [outcome(number, float(number ^ 3), "score", 0.001 * (1 + number)) for number in range(20)]
    table = table_of(Estimated("a <b>", "score", noisy), TRUTH)
    rows = json.loads(json.dumps(table.rows()))
    assert rows["estimators"][0]["tau"]["value"] == table.lines[0].tau.value
    point = calibration_figure(table).data[0]
    assert point.x[0] == pytest.approx(table.lines[0].device_seconds)
    assert point.y[0] + point.error_y.array[0] == pytest.approx(table.lines[0].tau.high)
    assert point.y[0] - point.error_y.arrayminus[0] == pytest.approx(table.lines[0].tau.low)
    write_calibration([table], tmp_path / "page.html", "Trust")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt;" in text
    assert "<b>" not in text.split("<table")[1].split("</table>")[0]
