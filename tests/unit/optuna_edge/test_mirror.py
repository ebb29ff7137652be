"""A study mirrored into an Optuna storage, opened there with Optuna alone."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import optuna
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from naslab.analysis.study import StudyView
from naslab.cli.main import app
from naslab.errors import StudyError
from naslab.execution.source import make_candidate
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.optuna_edge import mirror_study
from naslab.space import load_space
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import EpochRecord, Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe

optuna.logging.set_verbosity(optuna.logging.WARNING)


def example_view(trials: int = 12, objectives: tuple[str, ...] = ("accuracy", "macs")) -> StudyView:
    """A search of a conditional space under a limit, whose every fifth trial diverges."""
    problem = Problem(
        space=load_space("mixed_cifar"),
        objectives=tuple(map(Objective.named, objectives)),
        data=DataChoice(name="cifar10"),
        recipe=Recipe(),
        limits=(Limit.parse("macs<=60e6"),),
    )
    strategy = make_strategy("random", problem, seed=1)
    outcomes = []
    for trial, proposal in enumerate(strategy.ask(trials)):
        arch = problem.space.decode(proposal.genome)
        candidate = make_candidate(arch, trial, 2, 0, "search", proposal.genome, proposal.origin)
        curve = tuple(EpochRecord(epoch, 1.0, 1.0, 40.0 + epoch, 1.0) for epoch in (1, 2))
        estimate = Estimate(measured={"accuracy": 10 * math.log10(candidate.cost.macs)}, curve=curve, wall_seconds=8.0)
        if trial % 5 == 4:
            estimate = Estimate(failure=Failure(reason="diverged", message="the loss is not a number"))
        outcomes.append(Outcome(candidate=candidate, estimate=estimate, finished=1.7e9 + 10 * trial))
    record = StudyRecord(
        name="mixed", problem=msgspec.to_builtins(problem), strategy="random", epochs=2, seed=0, trials=trials
    )
    return StudyView(record=record, problem=problem, outcomes=tuple(outcomes))


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
