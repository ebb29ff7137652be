"""A study mirrored into an Optuna storage, opened there with Optuna alone."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import optuna
import pytest
from mixed_study import example_view
from optuna.trial import TrialState
from typer.testing import CliRunner

from naslab.cli.main import app
from naslab.errors import StudyError
from naslab.ledger.ledger import Ledger
from naslab.optuna_edge import mirror_study

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_optuna_opens_the_mirror_with_its_constraints_failures_and_front(tmp_path: Path) -> None:
    view = example_view()
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    mirrored = mirror_study(view, storage)
    assert (mirrored.study, mirrored.num_added, mirrored.num_trials) == ("mixed", 12, 12)
    study = optuna.load_study(study_name="mixed", storage=storage)
    assert [trial.state == TrialState.FAIL for trial in study.trials] == [number % 5 == 4 for number in range(12)]
    assert study.metric_names == ["accuracy", "macs"]
    first, outcome = study.trials[0], view.outcomes[0]
    assert first.values == [outcome.value("accuracy"), outcome.value("macs")]
    assert first.constraints == {"macs<=6e+07": pytest.approx(outcome.candidate.cost.macs / 60e6 - 1)}
    assert all(value <= 0 for trial in study.trials for value in trial.constraints.values())
    assert first.user_attrs["arch_id"] == outcome.candidate.arch_id
    assert first.duration is not None
    assert first.duration.total_seconds() == 8.0
    assert study.trials[4].user_attrs["failure"] == "diverged"
    assert len(first.params) == len(outcome.candidate.genome.genes)
    assert {trial.user_attrs["macs"] for trial in study.best_trials} <= {
        each.candidate.cost.macs for each in view.outcomes
    }
    figure = optuna.visualization.plot_pareto_front(study)
    drawn = sum(len(trace.x) for trace in figure.data)
    assert drawn == 10
    assert figure.layout.xaxis.title.text == "accuracy"


@pytest.mark.slow
def test_a_second_mirror_adds_what_is_new(tmp_path: Path) -> None:
    view = example_view()
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    mirror_study(msgspec.structs.replace(view, outcomes=view.outcomes[:7]), storage)
    assert mirror_study(view, storage).num_added == 5
    assert mirror_study(view, storage).num_added == 0
    numbers = [
        trial.user_attrs["naslab_trial"] for trial in optuna.load_study(study_name="mixed", storage=storage).trials
    ]
    assert numbers == list(range(12))


def test_one_objective_keeps_its_learning_curves() -> None:
    storage = optuna.storages.InMemoryStorage()
    mirror_study(example_view(5, ("accuracy",)), storage)
    study = optuna.load_study(study_name="mixed", storage=storage)
    assert study.trials[0].intermediate_values == {1: 41.0, 2: 42.0}
    assert len(optuna.visualization.plot_intermediate_values(study).data) == 4
    assert len(optuna.visualization.plot_optimization_history(study).data[0].x) == 4


def test_another_study_of_that_name_is_left_alone() -> None:
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="mixed").add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StudyError, match="another study 'mixed', which is no mirror of this one"):
        mirror_study(example_view(), storage)
    assert len(optuna.load_study(study_name="mixed", storage=storage).trials) == 1


def test_the_command_mirrors_a_ledger(tmp_path: Path) -> None:
    view = example_view(4)
    ledger = tmp_path / "naslab.db"
    with Ledger.open(ledger) as opened:
        opened.create_study(view.record)
        for outcome in view.outcomes:
            opened.start(view.record.name, [outcome.candidate])
            opened.finish(view.record.name, outcome)
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    shown = CliRunner().invoke(app, ["mirror", "mixed", "--storage", storage, "--ledger", str(ledger), "--json"])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout) == {"study": "mixed", "added": 4, "trials": 4}
    assert len(optuna.load_study(study_name="mixed", storage=storage).trials) == 4


@pytest.mark.parametrize(
    "storage", ["postgresql://me:s3cret", "postgresql://me:s3cret%40host/db", "me:s3cret@host/db", "mysql://me:s3cret"]
)
def test_no_password_of_a_storage_is_shown(storage: str) -> None:
    with pytest.raises(StudyError, match="the storage") as error:
        mirror_study(example_view(2, ("accuracy",)), storage)
    assert "s3cret" not in str(error.value)
