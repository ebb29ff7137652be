"""A user's training function: what it is given, what it may return, and what becomes of its errors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_estimators import numbered_candidate

import naslab
from naslab.estimators.estimator import Workbench
from naslab.estimators.own_training import OwnTraining
from naslab.estimators.trial import ReturnedError, Trial, numbers
from naslab.study.outcome import EpochRecord, Estimate
from naslab.study.problem import Objective

GOALS = (Objective.named("f1:max"), Objective.named("macs"))


def estimated(function: Any, bench: Workbench | None = None, **asked: Any) -> Estimate:
    training = OwnTraining(function, "mine:evaluate", asked.pop("objectives", GOALS), **asked)
    return training.estimate(numbered_candidate(7), bench or Workbench(device="cpu"))


def test_the_function_gets_a_plain_module_and_all_of_the_trial(tmp_path: Path) -> None:
    seen: list[Any] = []

    def evaluate(network: torch.nn.Module, trial: naslab.Trial) -> dict[str, float]:
        seen.extend((network(torch.zeros(2, 1, 8, 8)).shape, trial.number, trial.seed, trial.device, trial.epochs))
        seen.extend((trial.schedule_epochs, trial.cost.params, trial.arch == numbered_candidate(7).arch))
        (trial.folder / "last.pt").write_text("weights")
        return {"f1": 0.5}

    assert estimated(evaluate, folder=str(tmp_path)).failure is None
    params = sum(each.numel() for each in naslab.build(numbered_candidate(7).arch).parameters())
    assert seen == [(2, 2), 7, 0, "cpu", 2, 2, params, True]
    assert [path.name for path in tmp_path.glob("*/*")] == ["last.pt"]


def test_equal_seeds_train_alike_though_the_function_seeds_nothing() -> None:
    def evaluate(network: torch.nn.Module, trial: naslab.Trial) -> dict[str, float]:
        first = next(network.parameters()).detach().sum()
        return {"f1": float(first + torch.rand(())) + np.random.rand()}

    assert estimated(evaluate).measured == estimated(evaluate).measured


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), np.array(0.25), torch.tensor(0.25), torch.tensor([[0.25]])])
def test_numbers_of_every_kind_are_taken(value: Any) -> None:
    assert estimated(lambda network, trial: {"f1": value, "extra": 3}).measured == {"f1": 0.25, "extra": 3.0}
    assert estimated(lambda network, trial: value).measured == {"f1": 0.25}


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ({"loss": 1.0}, "mine:evaluate returned no f1: it returned loss"),
        ({}, "returned no f1: it returned an empty dict"),
        ({"f1": math.nan}, "f1 is nan"),
        ({"f1": torch.tensor(float("inf"))}, "f1 is inf"),
        ({"f1": "0.5"}, "f1 must be a number, got str '0.5'"),
        ({"f1": True}, "f1 must be a number, got bool True"),
        ({"f1": 1j}, "f1 must be a number, got complex 1j"),
        ({"f1": torch.zeros(3)}, "f1 must be a number, got Tensor"),
        ({"f1": 0.5, "loss": math.nan}, "loss is nan"),
        ({"f1": 0.5, "macs": 3}, "returned macs, which the network's description tells: leave it out"),
        ({"f1": 0.5, 3: 4}, "must return numbers by names such as f1, got 3"),
        (None, "must return a dict of numbers with f1, got nothing"),
        ([0.5, 0.6], "f1 must be a number, got list [0.5, 0.6]"),
    ],
)
def test_what_is_no_number_is_a_failure_with_its_reason(returned: Any, told: str) -> None:
    failure = estimated(lambda network, trial: returned).failure
    assert failure.reason == "invalid"
    assert told in failure.message


def test_a_traceback_is_the_users_part_alone() -> None:
    def helper() -> None:
        raise ValueError("no good")

    def evaluate(network: Any, trial: Any) -> None:
        helper()

    failure = estimated(evaluate).failure
    assert (failure.reason, failure.message) == ("error", "ValueError: no good")
    lines = [line for line in failure.traceback.splitlines() if line.startswith("  File")]
    assert [line.rpartition(" ")[2] for line in lines] == ["evaluate", "helper"]


def test_a_function_that_ends_its_program_fails_as_any_other() -> None:
    def evaluate(network: torch.nn.Module, trial: naslab.Trial) -> None:
        raise SystemExit(3)

    failure = estimated(evaluate).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("error", "SystemExit: 3")
    assert "raise SystemExit(3)" in failure.traceback


def test_lines_of_libraries_and_of_python_are_left_out_of_it_and_of_its_cause() -> None:
    import json

    def evaluate(network: Any, trial: Any) -> None:
        try:
            json.loads("{")
        except ValueError:
            torch.nn.Linear(3, 2)(torch.zeros(1, 4))

    failure = estimated(evaluate).failure
    assert "shapes cannot be multiplied" in failure.message
    lines = [line for line in failure.traceback.splitlines() if line.startswith("  File")]
    assert [line.rpartition(" ")[2] for line in lines] == ["evaluate", "evaluate"]
    assert "JSONDecodeError" in failure.traceback


def test_passwords_are_left_out_of_it() -> None:
    def evaluate(network: Any, trial: Any) -> None:
        raise ValueError("postgresql://me:secret@host/db is gone")

    failure = estimated(evaluate).failure
    assert "secret" not in failure.message + failure.traceback


def test_lack_of_memory_is_told_apart() -> None:
    def evaluate(network: Any, trial: Any) -> None:
        raise MemoryError

    assert estimated(evaluate).failure.reason == "out_of_memory"


def test_epochs_are_passed_on_and_kept_with_their_numbers() -> None:
    passed: list[EpochRecord] = []

    def evaluate(network: Any, trial: naslab.Trial) -> float:
        trial.report(1, f1=0.2, train_loss=2.0)
        trial.report(2, f1=torch.tensor(0.5), accuracy=40)
        return 0.5

    estimate = estimated(evaluate, Workbench(device="cpu", report=passed.append))
    assert list(estimate.curve) == passed
    assert [each.values for each in passed] == [{"f1": 0.2}, {"f1": 0.5}]
    assert passed[0].train_loss == 2.0
    assert passed[1].validation_accuracy == 40.0
    assert estimated(lambda network, trial: trial.report(1, f1="high")).failure.message.startswith(
        "f1 must be a number"
    )


def test_latency_is_measured_before_training_where_it_is_an_objective() -> None:
    goals = (Objective.named("f1:max"), Objective.named("latency_ms"))
    measured = estimated(lambda network, trial: 0.5, objectives=goals).measured
    assert measured["f1"] == 0.5
    assert measured["latency_ms"] > 0
    assert estimated(lambda network, trial: {"f1": 0.5, "latency_ms": 3}, objectives=goals).measured["latency_ms"] == 3


def test_without_a_folder_the_trial_says_so() -> None:
    trial = Trial(numbered_candidate(0), numbered_candidate(0).arch, "cpu")
    with pytest.raises(ReturnedError, match="keeps no checkpoints"):
        _ = trial.folder
    assert not trial.should_stop()
    with pytest.raises(ReturnedError, match="returned no f1, f2"):
        numbers({}, ["f1", "f2"], [], "mine:evaluate")


def test_a_hopeless_training_is_told_to_stop() -> None:
    import msgspec

    from naslab.study.outcome import Fidelity

    def evaluate(network: Any, trial: naslab.Trial) -> dict[str, float]:
        for epoch in range(1, trial.epochs + 1):
            trial.report(epoch, accuracy=20.0 + 1e-3 * epoch)
            if trial.should_stop():
                break
        return {"accuracy": 20.0}

    goals = (Objective.named("accuracy"), Objective.named("macs"))
    candidate = msgspec.structs.replace(numbered_candidate(7), fidelity=Fidelity(epochs=20), accuracy_to_beat=95.0)
    training = OwnTraining(evaluate, "mine:evaluate", goals, stop_early=0.9)
    stopped = training.estimate(candidate, Workbench(device="cpu"))
    assert len(stopped.curve) < 20
    assert stopped.notes["stopped"]["after_epochs"] == len(stopped.curve)
    whole = msgspec.structs.replace(training, stop_early=None).estimate(candidate, Workbench(device="cpu"))
    assert len(whole.curve) == 20
    assert "stopped" not in whole.notes
