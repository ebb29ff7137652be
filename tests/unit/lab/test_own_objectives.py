"""Searches by a user's own training that reports two metrics: rungs and early stopping, also when they go on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from own_searches import own_folder, search

import naslab
from naslab.errors import SpecError
from naslab.execution.promotion import best_to_promote
from naslab.study.outcome import Outcome

TWO = ("f1:max", "loss:min")
EPOCHS = 12


def evaluate(network: Any, trial: naslab.Trial) -> dict[str, float]:
    """Curves by power laws, which end by the network: half of them far from the rest in both metrics."""
    end = trial.cost.params / 2000 % 1
    top, floor = (0.9, 0.2 + 0.1 * end) if end < 0.5 else (0.3, 1.8)
    found = {}
    for epoch in range(1, trial.epochs + 1):
        found = {"f1": top + 0.02 * end - 0.2 / epoch**1.5, "loss": floor + 0.5 / epoch**1.5}
        trial.report(epoch, **found)
        if trial.should_stop():
            break
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with own_folder(tmp_path, monkeypatch) as made:
        yield made


def stopped(outcomes: tuple[Outcome, ...]) -> list[Outcome]:
    return [each for each in outcomes if "stopped" in each.estimate.notes]


def test_trainings_that_are_hopeless_in_both_are_stopped_and_the_front_stays(folder: Path) -> None:
    whole = search(evaluate, trials=20, objectives=TWO, epochs=EPOCHS, study="whole")
    early = search(evaluate, trials=20, objectives=TWO, epochs=EPOCHS, stop_early=0.9)
    ended = stopped(early.outcomes)
    assert len(ended) >= 5
    assert all(each.value("f1") < 0.4 for each in ended)
    assert all(len(each.estimate.curve) < EPOCHS for each in ended)
    assert not stopped(early.outcomes[:5])  # nothing is known yet of how they range

    def front(study: naslab.StudyView) -> set[str]:
        return {each.arch_id for each in naslab.pareto_front(study).front}

    assert front(early) == front(whole)
    note = ended[0].estimate.notes["stopped"]
    assert sorted(note["objectives"]) == ["f1", "loss"]
    assert ended[0].candidate.to_beat is not None
    assert note["to_beat"] in ended[0].candidate.to_beat.points


def test_a_study_that_goes_on_stops_by_what_it_had_measured(folder: Path) -> None:
    asked: dict[str, Any] = {"objectives": TWO, "epochs": EPOCHS, "stop_early": 0.9}
    at_once = search(evaluate, trials=16, study="at_once", **asked)
    search(evaluate, trials=9, **asked)
    resumed = search(evaluate, trials=16, **asked)

    def told(study: naslab.StudyView) -> list[Any]:
        return [(each.candidate.arch_id, each.candidate.to_beat, len(each.estimate.curve)) for each in study.outcomes]

    assert told(resumed) == told(at_once)
    assert stopped(resumed.outcomes[9:])


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_rung_promotes_what_no_other_dominates_first(folder: Path, is_resumed: bool) -> None:
    asked: dict[str, Any] = {"objectives": TWO, "rungs": (1, 3, 9)}
    if is_resumed:
        search(evaluate, trials=7, **asked)
    study = search(evaluate, trials=18, **asked)
    at = {epochs: [each for each in study.outcomes if each.candidate.fidelity.epochs == epochs] for epochs in (1, 3, 9)}
    assert [len(each) for each in at.values()] == [18, *(len(at[each]) for each in (3, 9))]
    assert 6 <= len(at[3]) < 18
    assert at[9]
    best = best_to_promote(at[1], study.problem.objectives)[:6]
    assert {each.candidate.arch_id for each in best} <= {each.candidate.arch_id for each in at[3]}
    for each in (*at[3], *at[9]):
        assert each.candidate.origin["operator"] == "promote"
        assert math.isfinite(each.value("f1"))
        assert math.isfinite(each.value("loss"))
        assert each.estimate.curve[-1].epoch == each.candidate.fidelity.epochs


def test_what_is_not_reported_by_epochs_stops_nothing_and_what_cannot_be_is_refused(folder: Path) -> None:
    def silent(network: Any, trial: naslab.Trial) -> dict[str, float]:
        for epoch in range(1, trial.epochs + 1):
            trial.report(epoch, f1=0.5)
            assert not trial.should_stop()
        return {"f1": 1 / (1 + trial.number), "loss": trial.number}

    study = search(silent, trials=10, objectives=TWO, epochs=EPOCHS, stop_early=0.9)
    assert all(each.is_complete for each in study.outcomes)
    with pytest.raises(SpecError, match="beside costs known before training, got f1, latency_ms"):
        search(silent, objectives=("f1:max", "latency_ms"), stop_early=0.9, study="other")
