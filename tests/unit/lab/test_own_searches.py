"""Searches by a user's own training: names, records, changed code, and the failures of the first trials."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from own_searches import SPACE, own_folder, search

import naslab
from naslab.errors import NaslabError, StudyError, UnknownNameError
from naslab.execution.executor import EpochDone
from naslab.outside import OutsideError
from naslab.study.outcome import Outcome

CODE = """
def evaluate(network, trial):
    trial.report(1, f1=0.1)
    return {"f1": score(trial), "loss": 2.0}


def score(trial):
    return trial.cost.params / 1e6
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Files that change twice within a second, to the same size, would be taken for what was compiled before.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with own_folder(tmp_path, monkeypatch) as made:
        (made / "own_code.py").write_text(CODE, encoding="utf-8")
        yield made


def rewrite(folder: Path, old: str, new: str) -> None:
    text = (folder / "own_code.py").read_text(encoding="utf-8")
    assert old in text
    (folder / "own_code.py").write_text(text.replace(old, new) + "\n", encoding="utf-8")
    sys.modules.pop("own_code", None)


def test_a_function_by_name_searches_a_space_that_no_data_set_fits(folder: Path) -> None:
    study = search("own_code:evaluate", trials=4)
    assert [each.value("f1") for each in study.outcomes] == [each.value("params") / 1e6 for each in study.outcomes]
    assert study.problem.space.template["input"] == SPACE.template["input"]
    assert list(study.record.made_with) == ["own_code.evaluate", "own_code.score"]
    front = naslab.pareto_front(study)
    assert [goal.metric for goal in front.objectives] == ["f1", "macs"]


def test_the_study_is_read_where_the_code_cannot_be_imported(folder: Path, tmp_path: Path) -> None:
    search("own_code:evaluate")
    (folder / "own_code.py").unlink()
    study = naslab.open_study("own", "own.db")
    assert naslab.pareto_front(study, ("f1", "loss:min")).front
    assert naslab.front_figure(study).layout.yaxis.title.text == "f1"
    naslab.write_report(study, "report.html")
    report = Path("report.html").read_text(encoding="utf-8")
    assert "ranked by own_code:evaluate" in report
    assert "data of its own" in report


def test_a_function_itself_and_one_number_do_too(folder: Path) -> None:
    def evaluate(network: Any, trial: naslab.Trial) -> float:
        return float(trial.number)

    study = search(evaluate, objectives=None)
    assert [goal.metric for goal in study.problem.objectives] == ["score", "macs"]
    assert [each.value("score") for each in study.outcomes] == [0.0, 1.0, 2.0]
    assert study.record.estimator.endswith(":test_a_function_itself_and_one_number_do_too.evaluate")


def test_changed_code_is_refused_until_it_is_accepted(folder: Path) -> None:
    search("own_code:evaluate", trials=2)
    rewrite(folder, "1e6", "1e7")
    with pytest.raises(StudyError, match=r"has changed: own_code.score changed; undo that, .*\(--accept-changes\)"):
        search("own_code:evaluate", trials=3)
    study = search("own_code:evaluate", trials=3, accept_changes=True)
    [change] = study.record.changes
    assert (change.changed, change.num_outcomes) == (("own_code.score changed",), 2)
    assert study.outcomes[2].value("f1") == study.outcomes[2].value("params") / 1e7
    assert search("own_code:evaluate", trials=4).record.changes == (change,)


def test_comments_change_nothing(folder: Path) -> None:
    search("own_code:evaluate", trials=2)
    rewrite(folder, "    return {", "    # the numbers\n    return {")
    assert len(search("own_code:evaluate", trials=3).outcomes) == 3


def test_three_equal_failures_end_the_run_and_mended_code_goes_on(folder: Path) -> None:
    rewrite(folder, "trial.cost.params", "trial.coast.params")
    told = r"the first 3 trials failed alike: AttributeError: .*own_code.py, line 8, in score\); mend that"
    with pytest.raises(StudyError, match=told):
        search("own_code:evaluate", trials=9)
    assert [each.estimate.failure.reason for each in naslab.open_study("own", "own.db").outcomes] == ["error"] * 3
    rewrite(folder, "trial.coast.params", "trial.cost.params")
    study = search("own_code:evaluate", trials=5)
    assert [each.is_complete for each in study.outcomes] == [False, False, False, True, True]
    assert study.record.changes[0].num_outcomes == 3


def test_three_trials_that_are_all_there_are_say_so_and_that_none_is_complete(folder: Path) -> None:
    rewrite(folder, "trial.cost.params", "trial.coast.params")
    with pytest.raises(StudyError, match="mend that and run it again with more trials: these count"):
        search("own_code:evaluate", trials=3)
    study = search("own_code:evaluate", trials=3)
    told = r"none of the study's 3 trials is complete \(3 error\); the first says: AttributeError"
    with pytest.raises(StudyError, match=told):
        naslab.pareto_front(study)
    assert "none of the study&#x27;s 3 trials is complete" in study._repr_html_()


def test_failures_that_differ_or_come_later_do_not(folder: Path) -> None:
    rewrite(folder, "    trial.report", "    if trial.number != 0: raise ValueError('no')\n    trial.report")
    assert [each.is_complete for each in search("own_code:evaluate", trials=5).outcomes] == [True] + 4 * [False]
    rewrite(
        folder, "if trial.number != 0: raise ValueError('no')", "return {'f1': [], 'f2': []}[f'f{trial.number % 2}']"
    )
    assert len(search("own_code:evaluate", trials=5, study="other").outcomes) == 5


def test_a_traceback_is_shown_once_for_each_place_and_then_told_by_its_message(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from naslab.cli.progress import Display

    fails = "    if trial.number: raise ValueError(f'no luck {trial.number}')\n    trial.report"
    rewrite(folder, "    trial.report", fails)
    with Display() as display:
        search("own_code:evaluate", trials=5, on_event=display.show)
    told = capsys.readouterr().err
    assert told.count("Traceback") == 1
    assert told.count("own_code.py") == 1
    assert all(f"no luck {number}  (" in told for number in range(1, 5))


def test_rungs_train_on_what_the_function_left_in_its_folder(folder: Path) -> None:
    code = "def evaluate(network, trial):\n    file = trial.folder / 'epochs'\n"
    code += "    before = int(file.read_text()) if file.exists() else 0\n    file.write_text(str(trial.epochs))\n"
    code += "    return {'f1': trial.number, 'before': before, 'schedule': trial.schedule_epochs}\n"
    (folder / "own_code.py").write_text(code, encoding="utf-8")
    study = search("own_code:evaluate", trials=4, rungs=(1, 3))
    told = [(each.candidate.fidelity.epochs, each.value("before"), each.value("schedule")) for each in study.outcomes]
    assert sorted(told) == [*4 * [(1, 0.0, 3.0)], (3, 1.0, 3.0)]


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"estimator": "own_code:evalute"}, OutsideError, "did you mean 'evaluate'"),
        ({"estimator": "own_cod:evaluate"}, OutsideError, "there is no module 'own_cod'"),
        ({"estimator": "own_code"}, UnknownNameError, "unknown estimator 'own_code'"),
        ({"estimator": "own_code:score"}, OutsideError, r"must take \(network, trial\), but takes \(trial\)"),
        ({"estimator": 3}, NaslabError, "or a training function of your own"),
        ({"objectives": ("f1", "macs")}, NaslabError, "f1:max or f1:min"),
        ({"objectives": ("macs", "params")}, StudyError, "none of the objectives is measured"),
    ],
)
def test_what_does_not_fit_is_said_before_the_first_trial(
    folder: Path, asked: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        search(**{"estimator": "own_code:evaluate", **asked})
    assert not (folder / "own.db").exists()


def test_epochs_of_ones_own_are_shown_live(folder: Path) -> None:
    from naslab.cli.progress import Display
    from naslab.execution.events import EpochEnded

    study = search("own_code:evaluate", trials=1)
    outcome: Outcome = study.outcomes[0]
    display = Display()
    display.show(EpochEnded(outcome.candidate, outcome.estimate.curve[0]))
    assert "f1 0.1" in display._status()
    assert EpochDone(outcome.candidate, outcome.estimate.curve[0]).epoch.values == {"f1": 0.1}


def test_what_needs_the_data_of_such_a_study_says_so(folder: Path) -> None:
    from naslab.errors import DataError
    from naslab.lab.families import train_family
    from naslab.lab.models import find_model
    from naslab.lab.training import data_of

    study = search("own_code:evaluate", trials=1)
    with pytest.raises(StudyError, match="is trained by own_code:evaluate, which brings its own data"):
        train_family(study, [], "own.db")
    with pytest.raises(DataError, match="say what to train own:0 on, as --dataset digits"):
        data_of(find_model("own:0", "own.db"), None, "own.db")
