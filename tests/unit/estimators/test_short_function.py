"""naslab's short training as a function is the estimator of the same name, number for number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from fake_estimators import numbered_candidate

import naslab
from naslab.arch import ArchSpec, ConvBlock, Stage
from naslab.estimators.estimator import Workbench
from naslab.estimators.own_training import OwnTraining
from naslab.estimators.short_training import ShortTraining
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate, Fidelity
from naslab.study.problem import Objective
from naslab.study.recipe import default_recipe

DATA = DataChoice(name="digits", max_images=300)
RECIPE = default_recipe("digits")
GOALS = tuple(map(Objective.named, ("accuracy", "macs")))
ARCH = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=8, stride=2),), num_classes=10)


def candidate(fidelity: Fidelity, **changed: Any) -> Candidate:
    return msgspec.structs.replace(numbered_candidate(3), arch=ARCH, fidelity=fidelity, seed=4, **changed)


def by_function(fidelity: Fidelity, bench: Workbench, folder: str | None = None) -> Estimate:
    own = OwnTraining(naslab.short_training, "naslab:short_training", GOALS, folder, data=DATA, recipe=RECIPE)
    return own.estimate(candidate(fidelity), bench)


def numbers(estimate: Estimate) -> list[Any]:
    assert estimate.failure is None, estimate.failure
    curve = [(each.epoch, each.train_loss, each.validation_loss, each.validation_accuracy) for each in estimate.curve]
    return [estimate.measured, curve]


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return Workbench(device="cpu")


def test_it_measures_what_the_estimator_does(bench: Workbench) -> None:
    torch.rand(7)  # whatever ran before
    whole = Fidelity(epochs=2, images=100)
    built_in = ShortTraining(data=DATA, recipe=RECIPE).estimate(candidate(whole), bench)
    assert numbers(by_function(whole, bench)) == numbers(built_in)
    assert built_in.measured["accuracy"] > 0


def test_on_a_higher_rung_it_goes_on_as_the_estimator_does(bench: Workbench, tmp_path: Path) -> None:
    below, above = Fidelity(epochs=1, schedule_epochs=2), Fidelity(epochs=2)
    whole = numbers(ShortTraining(data=DATA, recipe=RECIPE).estimate(candidate(above), bench))
    by_function(below, bench, str(tmp_path))
    seen: list[int] = []
    bench.report = lambda epoch: seen.append(epoch.epoch)
    assert numbers(by_function(above, bench, str(tmp_path))) == whole
    assert seen == [1, 2]
    [newest] = tmp_path.glob("*/newest")
    newest.write_text("0" * 64, encoding="utf-8")  # a checkpoint that is gone costs its epochs alone
    assert numbers(by_function(above, bench, str(tmp_path))) == whole


def test_the_epochs_below_are_not_trained_again(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from naslab.training import loop

    trained: list[int] = []
    epoch_of = loop._Run.epoch

    def noted(run: Any, epoch: int, *given: Any) -> float:
        trained.append(epoch)
        return epoch_of(run, epoch, *given)

    monkeypatch.setattr(loop._Run, "epoch", noted)
    by_function(Fidelity(epochs=1, schedule_epochs=2), bench, str(tmp_path))
    by_function(Fidelity(epochs=2), bench, str(tmp_path))
    assert trained == [0, 1]


def test_a_study_without_data_says_what_is_missing(bench: Workbench) -> None:
    own = OwnTraining(naslab.short_training, "naslab:short_training", GOALS)
    failure = own.estimate(candidate(Fidelity()), bench).failure
    assert failure is not None
    assert "name a data set, as --dataset digits" in failure.message


@pytest.mark.parametrize("is_same", [True, False])
def test_the_network_is_left_trained(bench: Workbench, is_same: bool) -> None:
    seen: list[torch.nn.Module] = []

    def evaluate(network: torch.nn.Module, trial: naslab.Trial) -> dict[str, float]:
        seen.append(network)
        return naslab.short_training(network, trial) if is_same else {"accuracy": 0.0}

    own = OwnTraining(evaluate, "mine:evaluate", GOALS, data=DATA, recipe=RECIPE)
    own.estimate(candidate(Fidelity(epochs=1, images=50)), bench)
    fresh = naslab.build(ARCH, seed=4).state_dict()
    changed = [name for name, value in seen[0].state_dict().items() if not torch.equal(value, fresh[name])]
    assert bool(changed) == is_same
