"""How a study takes its strategy: by name, left to naslab, or as a sampler of Optuna."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from in_process import workers_in_process
from optuna.samplers import RandomSampler

from naslab.analysis.study import StudyView
from naslab.execution.events import Event, StrategyChosen
from naslab.lab import search as lab
from naslab.strategies.choosing import choose_strategy


@pytest.fixture(scope="module", autouse=True)
def own_process() -> Iterator[None]:
    with workers_in_process():
        yield


@pytest.mark.slow
def test_auto_says_what_it_took_and_a_study_keeps_it(tmp_path: Path) -> None:
    events: list[Event] = []
    ledger = tmp_path / "naslab.db"

    def run(trials: int) -> StudyView:
        return lab.search(
            "digits_demo", strategy="auto", trials=trials, epochs=1, workers=1, ledger=ledger, on_event=events.append
        )

    view = run(1)
    expected = choose_strategy(view.problem, 1)
    assert (view.record.name, view.record.strategy) == ("digits_demo-auto-0", expected.name)
    assert StrategyChosen(expected.name, expected.reason) in events
    events.clear()
    assert len(run(2).outcomes) == 2
    assert StrategyChosen(expected.name, "the study was begun with it") in events


def test_a_sampler_of_optuna_is_a_strategy(tmp_path: Path) -> None:
    view = lab.search(
        "digits_demo", strategy=RandomSampler(), trials=2, epochs=1, workers=1, ledger=tmp_path / "naslab.db"
    )
    assert view.record.strategy == "optuna.RandomSampler"
    assert [outcome.candidate.origin["operator"] for outcome in view.outcomes] == ["RandomSampler"] * 2
