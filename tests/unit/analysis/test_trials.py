"""The trials of a study as rows, as a frame and as CSV."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from own_searches import own_folder, search
from typer.testing import CliRunner

import naslab
from naslab.cli.main import app
from naslab.errors import SpecError, StudyError, UnknownNameError


def evaluate(network: Any, trial: naslab.Trial) -> dict[str, float]:
    if trial.number == 2:
        raise ValueError("no")
    return {"f1": trial.number / 10, "loss": 1.0}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[naslab.StudyView]:
    """Six trials; its ledger is read by these tests and not written."""
    with pytest.MonkeyPatch.context() as patch, own_folder(tmp_path_factory.mktemp("trials"), patch):
        yield search(evaluate, trials=6, strategy="evolution")


def test_a_frame_has_metrics_choices_cost_and_states(study: naslab.StudyView) -> None:
    frame = naslab.open_study("own", "own.db").frame()
    assert list(frame.trial) == list(range(6))
    assert list(frame.state) == ["complete", "complete", "error", "complete", "complete", "complete"]
    assert list(frame.f1.dropna()) == [0.0, 0.1, 0.3, 0.4, 0.5]
    assert list(frame.macs) == [each.candidate.cost.macs for each in study.outcomes]
    assert set(frame["stages[0].width"]) <= {"4", "8", "12"}
    assert frame.wall_seconds.min() >= 0


def test_a_frame_has_times_parents_and_what_failures_said(study: naslab.StudyView) -> None:
    frame = naslab.open_study("own", "own.db").frame()
    spent = frame.finished - frame.started - frame.wall_seconds
    assert spent.abs().max() < 1e-3
    assert list(frame.started) == [each.finished - each.estimate.wall_seconds for each in study.outcomes]
    failure = study.outcomes[2].estimate.failure
    assert failure is not None
    assert list(frame.failure.dropna()) == [failure.message]
    told = [each.candidate.origin.get("parents") for each in study.outcomes]
    assert [parents if isinstance(parents, list) else None for parents in frame.parents] == told
    assert list(frame.params) == [each.candidate.cost.params for each in study.outcomes]


def test_without_pandas_it_says_what_to_install(study: naslab.StudyView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(StudyError, match=r"pip install 'naslab\[pandas\]'"):
        study.frame()


def test_the_csv_holds_every_trial(study: naslab.StudyView) -> None:
    said = CliRunner().invoke(app, ["table", "own", "--ledger", "own.db", "--csv"])
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    assert [row["f1"] for row in rows] == ["0.0", "0.1", "", "0.3", "0.4", "0.5"]
    assert "loss" in rows[0]
    shown = CliRunner().invoke(app, ["table", "own", "--ledger", "own.db"]).stdout
    assert "f1" in shown
    assert "stages[0]" not in shown


def test_limits_on_results_bound_the_front_and_its_hypervolume(study: naslab.StudyView) -> None:
    whole, within = naslab.pareto_front(study), naslab.pareto_front(study, limits=("f1>=0.2", "macs<=5M"))
    assert {point.trial for point in within.points} == {3, 4, 5}
    assert within.hypervolume <= whole.hypervolume
    assert within.reference == whole.reference
    asked = ["pareto", "own", "--ledger", "own.db", "--y", "f1", "--limit", "f1>=0.45", "--json"]
    assert '"trial": 5' in CliRunner().invoke(app, asked).stdout


@pytest.mark.parametrize(
    ("limit", "error", "told"),
    [
        ("f1>=0.9", StudyError, "no trial of the study meets f1>=0.9: its trials have f1 from 0 to 0.5"),
        ("f2>=0.9", UnknownNameError, "unknown metric of a limit 'f2'"),
        ("flops<=5M", SpecError, r"what is counted here is macs, .* 50e6 flops are macs<=25e6"),
        ("macs<=5X", SpecError, "must look like 'macs<=50e6'"),
    ],
)
def test_limits_that_lead_nowhere_are_said(
    study: naslab.StudyView, limit: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        naslab.pareto_front(study, limits=(limit,))
