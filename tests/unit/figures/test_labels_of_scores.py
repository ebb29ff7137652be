"""Every figure and table names the metric that it shows: a study of another task has no accuracy in any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_studies import made_problem, made_study, naslab

from naslab.analysis.ranking import score_goal
from naslab.figures.curves import curves_figure
from naslab.figures.family import family_figure
from naslab.figures.page import figure_json
from naslab.figures.progress import progress_figure
from naslab.figures.report import ReportTables, report_body, report_tables
from naslab.figures.rungs import rungs_figure, rungs_section
from naslab.lab.reading import open_study
from naslab.ledger import Ledger
from naslab.study.outcome import Candidate, EpochRecord, Fidelity
from naslab.study.problem import Objective
from naslab.study.rungs import Rungs


def error_of(candidate: Candidate) -> dict[str, float]:
    """A root mean squared error that falls with the macs."""
    return {"rmse": 1e6 / candidate.cost.macs, "r2": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of numbers with rungs, a baseline and a family, as a search by `rmse` leaves it."""
    made = tmp_path_factory.mktemp("numbers")
    with Ledger.open(made / "l.db") as ledger:
        problem = made_problem(("rmse", "macs"))
        made_study(ledger, "numbers", trials=6, measured=error_of, problem=problem, rungs=Rungs((1, 3)))
        first = ledger.outcomes("numbers")
        curve = (EpochRecord(1, 1.0, 1.0, 50.0, 1.0, {"rmse": 4.0, "r2": 0.5}),)
        extra: list[tuple[str, Any, dict[str, Any]]] = [
            *(("search", each, {"operator": "promote", "from": each.candidate.trial}) for each in first[:4]),
            ("baseline", first[4], {"zoo": "lenet5"}),
            ("family", first[5], {"phi": 1.0, "base_trial": 5}),
        ]
        for number, (role, outcome, origin) in enumerate(extra, start=6):
            candidate = msgspec.structs.replace(
                outcome.candidate, trial=number, role=role, origin=origin, fidelity=Fidelity(epochs=3)
            )
            estimate = msgspec.structs.replace(outcome.estimate, curve=curve)
            ledger.start("numbers", [candidate])
            ledger.finish("numbers", msgspec.structs.replace(outcome, candidate=candidate, estimate=estimate))
    return made


@pytest.fixture(scope="module")
def tables(folder: Path) -> ReportTables:
    return report_tables(open_study("numbers", folder / "l.db"))


def test_a_study_is_ranked_by_its_own_objective(folder: Path) -> None:
    view = open_study("numbers", folder / "l.db")
    assert score_goal(view.record) == Objective("rmse", False)
    with_both = made_problem(("macro_f1", "accuracy", "macs"))
    record = msgspec.structs.replace(view.record, problem=msgspec.to_builtins(with_both))
    assert score_goal(record) == Objective("accuracy", True)
    of_costs = made_problem(("latency_ms", "macs"))
    record = msgspec.structs.replace(view.record, problem=msgspec.to_builtins(of_costs))
    assert score_goal(record) == Objective("accuracy", True)


def test_no_figure_says_accuracy(tables: ReportTables) -> None:
    assert tables.rungs is not None
    figures = {
        "progress": progress_figure(tables.progress),
        "curves": curves_figure(tables.curves),
        "rungs": rungs_figure(tables.rungs),
        "family": family_figure(tables.family),
    }
    for name, figure in figures.items():
        text = figure_json(figure)
        told = text.decode() if isinstance(text, bytes) else str(text)
        assert "accuracy" not in told, name
        assert "rmse" in told or "root mean squared error" in told, name
    assert figures["curves"].data[0].y == (4.0,)
    assert figures["rungs"].layout.yaxis.title.text == "root mean squared error"
    section = rungs_section(tables.rungs)
    assert section is not None
    assert "by rmse (tau" in section.body


def test_the_best_error_is_the_smallest(tables: ReportTables, folder: Path) -> None:
    best = list(tables.progress.best_accuracy[-4:])
    assert best == sorted(best, reverse=True)
    assert best[-1] == min(point.value("rmse") for point in tables.front.points)
    listed = naslab(folder, "studies", "--json").value[0]
    outcomes = open_study("numbers", folder / "l.db").outcomes
    assert listed["best"] == {"metric": "rmse", "value": min(each.value("rmse") for each in outcomes)}
    assert "root mean squared error" in naslab(folder, "studies").out


def test_the_report_and_the_front_name_it(folder: Path, tables: ReportTables) -> None:
    text = str(report_body(tables, "l.db"))
    assert "best rmse" in text
    place = text.find("accuracy")
    assert place < 0, text[max(0, place - 200) : place + 200]
    shown = naslab(folder, "pareto", "numbers")
    assert "rmse against macs" in shown.out
    assert "accuracy" not in shown.out
