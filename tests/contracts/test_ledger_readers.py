"""What readers see of every ledger while it is written: news, columns, drivers."""

from __future__ import annotations

import math
import os

import msgspec
import numpy as np
import pytest
from ledger_examples import diverged_outcome, example_candidate, example_outcome
from sqlalchemy import text

from naslab.errors import LedgerError
from naslab.ledger import Ledger, finished, news
from naslab.ledger.finished import finished_trials
from naslab.ledger.news import Cursor, News, read_candidates, read_news, read_outcomes, study_lines
from naslab.ledger.running import Epoch
from naslab.study.outcome import EpochRecord, Estimate, Failure, Fidelity


def test_news_are_what_was_written_since_a_cursor(ledger: Ledger, location: str) -> None:
    ledger.start("digits", [example_candidate(0), example_candidate(1)])
    ledger.finish("digits", diverged_outcome(example_candidate(1)))
    watched = Ledger.watch(location)
    first = read_news(watched, 1)
    [failed] = first.outcomes
    assert (failed.candidate.cost, failed.estimate.failure.reason) == (example_candidate(1).cost, "diverged")
    assert math.isnan(failed.value("accuracy"))
    assert [(trial, epoch) for trial, _, epoch, *_ in first.progress] == [(0, None)]
    assert read_news(watched, 1, first.cursor) == News([], [], first.cursor)
    ledger.add_epochs("digits", [Epoch(0, EpochRecord(1, 0.5, 0.6, 91.0, 3.0))])
    second = read_news(watched, 1, first.cursor)
    assert [trial for trial, _, epoch, *_ in second.progress if epoch] == [0]
    whole = example_outcome(example_candidate(0))
    ledger.finish("digits", whole)
    third = read_news(watched, 1, second.cursor, with_networks=True)
    assert [each.candidate for each in third.outcomes] == [whole.candidate]
    assert third.outcomes[0].estimate.measured == whole.estimate.measured
    assert read_outcomes(watched, 1, [0, 7]) == {0: whole}
    assert read_candidates(watched, 1, [1]) == {1: example_candidate(1)}
    watched.close()


@pytest.mark.parametrize("most_behind", [0, 3, 100])
def test_news_of_a_study_hold_none_of_another(
    ledger: Ledger, location: str, monkeypatch: pytest.MonkeyPatch, most_behind: int
) -> None:
    monkeypatch.setattr(news, "MOST_BEHIND", most_behind)
    ledger.create_study(msgspec.structs.replace(ledger.study("digits"), name="other"))
    studies = {1: "digits", 2: "other"}
    assert ledger.study_names() == list(studies.values())
    watched = Ledger.watch(location)
    cursors = {key: Cursor() for key in studies}
    seen: dict[int, list[int]] = {key: [] for key in studies}
    order = (1, 2, 2, 2, 2, 2, 1, 1, 2)
    for trial, key in enumerate(order):
        ledger.start(studies[key], [example_candidate(trial)])
        ledger.finish(studies[key], example_outcome(example_candidate(trial)))
        if trial in (0, 6, 8):
            for each in studies:
                found = read_news(watched, each, cursors[each])
                seen[each] += [outcome.candidate.trial for outcome in found.outcomes]
                cursors[each] = found.cursor
    assert seen == {key: [trial for trial, study in enumerate(order) if study == key] for key in studies}
    watched.close()


def test_columns_of_finished_trials_are_those_of_whole_outcomes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = [example_candidate(trial, "baseline" if trial == 4 else "search") for trial in range(8)]
    candidates[3] = msgspec.structs.replace(candidates[3], fidelity=Fidelity(epochs=1, schedule_epochs=9))
    candidates[5] = msgspec.structs.replace(candidates[5], origin={"operator": "restart"})
    ledger.start("digits", candidates)
    infeasible = Estimate(failure=Failure("infeasible", "too slow"))
    for trial in (5, 1, 0, 3, 2, 4, 6):
        done = example_outcome(candidates[trial]) if trial % 3 else diverged_outcome(candidates[trial])
        ledger.finish("digits", msgspec.structs.replace(done, estimate=infeasible) if trial == 2 else done)
    for role in (None, "search", "family"):
        whole = finished_trials(ledger, "digits", role)
        monkeypatch.setattr(finished, "MOST_WHOLE", 0)
        thin = finished_trials(ledger, "digits", role)
        monkeypatch.undo()
        for one, other in zip(whole.columns[:-1], thin.columns[:-1], strict=True):
            assert np.array_equal(one, other) or one is whole.columns.fidelity
        for fidelity in (Fidelity(epochs=2), Fidelity(epochs=1, schedule_epochs=9), Fidelity(epochs=1)):
            assert np.array_equal(whole.is_of(fidelity), thin.is_of(fidelity))
        numbers = whole.columns.trial.tolist()
        assert whole.reader.made(numbers) == thin.reader.made(numbers)
        assert "InMemory" in type(whole.reader).__name__ != type(thin.reader).__name__
        for metric in ("macs", "accuracy", "accuracy_sem"):
            value, told = whole.values(metric), thin.values(metric)
            assert np.array_equal(told[whole.is_complete], value[whole.is_complete], equal_nan=True)
        assert [each.candidate for each in thin] == [each.candidate for each in whole]
        assert [each.candidate for each in thin] == [each.candidate for each in thin]
        assert [each.candidate.trial for each in thin[1:3]] == numbers[1:3]
        if role is None:
            assert set(numbers) & thin.reader.made_by("restart") == {5} == whole.reader.made_by("restart")
            [only] = thin.of_networks([candidates[1].arch_id])
            assert (only.candidate, thin[1].candidate) == (candidates[1], candidates[1])
    change(ledger, "UPDATE trials SET identity = 0 WHERE trial = 1")
    monkeypatch.setattr(finished, "MOST_WHOLE", 0)
    assert type(finished_trials(ledger, "digits").reader).__name__ == "InMemory", "identities are told anew"


def change(ledger: Ledger, sql: str) -> None:
    with ledger._writing() as connection:
        connection.execute(text(sql))


def test_a_watched_ledger_tells_drivers_and_refuses_to_be_written(ledger: Ledger, location: str) -> None:
    watched = Ledger.watch(location)
    assert [(each.name, each.trials, each.driver) for each in study_lines(watched)] == [("digits", 16, "")]
    with ledger.claim("digits"):
        [line] = study_lines(watched)
        assert line.driver.startswith(f"naslab process {os.getpid()} on " if "://" in location else "process ")
    with pytest.raises(LedgerError):
        watched.set_trials("digits", 3)
    assert ledger.study("digits").trials == 16
    assert study_lines(watched)[0].driver == ""
    watched.close()
