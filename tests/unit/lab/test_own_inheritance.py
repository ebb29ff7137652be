"""Searches by a user's own training whose children begin with the weights of their parents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from own_searches import own_folder, search

import naslab
from naslab.errors import StudyError
from naslab.ledger.ledger import Ledger

MARK = 0.123


def evaluate(network: torch.nn.Module, trial: naslab.Trial) -> dict[str, float]:
    """Leave a mark in every weight; the share of weights that had one when the network came is the score."""
    parameters = list(network.parameters())
    had = sum(int((each.abs() == MARK).sum()) for each in parameters) / sum(each.numel() for each in parameters)
    with torch.no_grad():
        for each in parameters:
            each.fill_(MARK)
    trial.report(1, f1=had)
    return {"f1": had, "inherited": float(trial.is_inherited)}


def rebuilt(network: torch.nn.Module, trial: naslab.Trial) -> dict[str, float]:
    network.added = torch.nn.Linear(2, 2)
    return {"f1": float(trial.is_inherited)}


class OwnEstimator:
    """One of the user's that builds its networks itself."""

    def prepare(self, bench: Any) -> None: ...

    def estimate(self, candidate: Any, bench: Any) -> Any: ...


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with own_folder(tmp_path, monkeypatch) as made:
        yield made


def climbed(function: Any = evaluate, trials: int = 8, **asked: Any) -> list[Any]:
    return list(search(function, trials=trials, strategy="local", inherit=True, **asked).outcomes)


def test_children_are_given_networks_with_the_weights_of_their_parents(folder: Path) -> None:
    outcomes = climbed()
    first, children = outcomes[0], [each for each in outcomes if each.candidate.start_from]
    assert (first.value("f1"), first.value("inherited")) == (0.0, 0.0)
    assert len(children) >= 5
    for each in children:
        assert each.value("f1") > 0.2
        assert each.value("inherited") == 1.0
        assert each.estimate.notes["inherited"]["from"] == each.candidate.origin["inherits"]
        assert each.estimate.notes["inherited"]["ancestor_epochs"] >= 1
    with Ledger.open("own.db") as ledger:
        store = ledger.checkpoints("own")
        assert all(store.get(each.estimate.weights_sha256) for each in outcomes)


def test_a_study_that_goes_on_inherits_from_what_is_kept(folder: Path) -> None:
    before = climbed(trials=4)
    after = climbed(trials=8)
    kept = {each.estimate.weights_sha256 for each in before}
    late = [each for each in after[4:] if each.candidate.start_from in kept]
    assert late
    assert all(each.value("f1") > 0.2 for each in late)


def test_a_parent_whose_weights_are_gone_is_done_without_and_noted(folder: Path) -> None:
    for each in climbed(trials=4):
        with Ledger.open("own.db") as ledger:
            ledger.checkpoints("own").discard(each.estimate.weights_sha256)
    late = climbed(trials=6)[4:]
    alone = [each for each in late if "from_scratch" in each.estimate.notes]
    assert alone
    assert all((each.value("f1"), each.value("inherited")) == (0.0, 0.0) for each in alone)


def test_a_network_that_the_function_changed_is_no_parent(folder: Path) -> None:
    outcomes = climbed(rebuilt)
    assert not any(each.estimate.weights_sha256 or each.candidate.start_from for each in outcomes)
    assert all("no longer has the tensors" in each.estimate.notes["no_checkpoint"] for each in outcomes)


def test_on_a_higher_rung_the_network_has_what_it_was_left_with(folder: Path) -> None:
    outcomes = climbed(trials=6, rungs=(1, 2), epochs=None)
    promoted = [each for each in outcomes if each.candidate.origin["operator"] == "promote"]
    assert promoted
    assert all(each.value("f1") == 1.0 for each in promoted)


def test_without_inherit_nothing_is_kept(folder: Path) -> None:
    outcomes = search(evaluate, trials=4, strategy="local").outcomes
    assert all((each.value("f1"), each.estimate.weights_sha256) == (0.0, "") for each in outcomes)


@pytest.mark.parametrize("given", [OwnEstimator, OwnEstimator()])
def test_an_estimator_that_builds_its_networks_is_refused_before_the_first_trial(folder: Path, given: Any) -> None:
    told = r":OwnEstimator' builds its networks itself, .*: leave inherit out, or give a function evaluate"
    with pytest.raises(StudyError, match=told):
        climbed(given)
    assert not (folder / "own.db").exists()
