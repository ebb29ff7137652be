"""Scoring beside trainings: what is scored before which trial, what a trial is proposed by, and what a run does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from fake_estimators import numbered_candidate
from tiny_search import Counting, Instant, good, numbered_problem, numbered_study

from naslab.estimators.estimator import Workbench
from naslab.estimators.several import Scorer, ScoresOf, TrialsAndScores
from naslab.execution.events import Event, PriorScored, TrialRetried, TrialStarted
from naslab.execution.executor import EpochDone, Finished
from naslab.execution.prior_source import PriorSource
from naslab.execution.scoring import SCORED_BY
from naslab.execution.search import run_candidates
from naslab.execution.source import StrategySource
from naslab.ledger.scores import Score, scores_of
from naslab.strategies.priors import Prior
from naslab.study.outcome import Candidate, Estimate, Failure, Fidelity, Outcome

POOL = [
    msgspec.structs.replace(
        numbered_candidate(50 + number), trial=-1 - number, role="pool", origin={SCORED_BY: ["one"]}
    )
    for number in range(10)
]


class Search:
    """Trials of the numbered space among those of the pool: the priors in use and the events told."""

    def __init__(self, trials: int = 20, known: int = 0) -> None:
        self.used: list[Prior] = []
        self.events: list[Event] = []
        scores = [Score("one", each.arch_id, float(-each.trial), None, 0.1, 1.0) for each in POOL[:known]]
        networks = StrategySource(Counting(), numbered_problem(), Fidelity(epochs=2), 0, trials)
        self.source = PriorSource(networks, POOL, ("one",), scores, self.used.append, self.events.append)

    @property
    def sizes(self) -> list[int]:
        return [len(prior.scores) for prior in self.used]


class OldestFirst(Instant):
    """An executor that counts how often a trial and a network of the pool are there at once."""

    num_mixed = 0

    def wait(self, timeout: float) -> list[Finished | EpochDone]:
        self.num_mixed += len({each.role for each in self.running}) == 2
        self.running.reverse()
        happened = super().wait(timeout)
        self.running.reverse()
        return happened


def scored(candidate: Candidate) -> Outcome:
    return Outcome(candidate=candidate, estimate=answer(candidate), finished=2.0)


def answer(candidate: Candidate) -> Estimate:
    return Estimate(measured={"one": float(-candidate.trial)}) if candidate.role == "pool" else good(candidate)


def trials_of(candidates: list[Candidate]) -> list[int]:
    return [each.trial for each in candidates]


def test_a_fifth_of_the_pool_is_scored_before_each_of_the_first_trials() -> None:
    search = Search()
    first = search.source.propose(3, 0)
    assert trials_of(first) == [-1, -2, -3]
    search.source.learn(scored(first[1]))
    assert trials_of(search.source.propose(1, 0)) == [-4]
    assert search.used == []
    search.source.learn(scored(first[0]))
    assert trials_of(search.source.propose(2, 0)) == [0, -5]
    assert search.sizes == [2]
    for each in POOL[2:5]:
        search.source.learn(scored(each))
    assert trials_of(search.source.propose(2, 1)) == [1, -6]
    assert search.sizes == [2, 4]
    assert search.events[-1] == PriorScored(5, 10, 0)


def test_a_trial_is_proposed_by_its_own_parts_of_the_pool_however_many_are_scored() -> None:
    search = Search(known=10)
    assert trials_of(search.source.propose(3, 0)) == [0, 1, 2]
    assert trials_of(search.source.propose(5, 3)) == [3, 4, 5, 6, 7]
    assert search.sizes == [2, 4, 6, 8, 10]
    assert search.used[0].scores[:, 0].tolist() == [1.0, 2.0]
    again = Search(known=10)
    again.source.propose(1, 3)
    assert again.sizes == [8]


def test_nothing_is_scored_for_trials_that_nobody_asked_for() -> None:
    search = Search(trials=1)
    for each in search.source.propose(2, 0):
        search.source.learn(scored(each))
    assert trials_of(search.source.propose(4, 0)) == [0]
    assert search.source.propose(4, 1) == []


def test_a_network_without_a_score_counts_as_scored() -> None:
    search = Search()
    first = search.source.propose(2, 0)
    failed = Estimate(failure=Failure("worker_died", "killed by SIGKILL"))
    search.source.learn(Outcome(candidate=first[0], estimate=failed))
    search.source.learn(scored(first[1]))
    assert trials_of(search.source.propose(1, 0)) == [0]
    assert [repr(float(each)) for each in search.used[0].scores[:, 0]] == ["nan", "2.0"]
    assert search.events[-1] == PriorScored(2, 10, 1)


def test_trainings_and_scores_run_side_by_side_and_only_trials_are_told(tmp_path: Path) -> None:
    search, executor = Search(trials=6), OldestFirst(num_slots=2, answer=answer)
    with numbered_study(tmp_path) as ledger:
        run_candidates("numbered", ledger, executor, search.source, search.events.append)
        assert sorted(each.candidate.trial for each in ledger.outcomes("numbered")) == list(range(6))
        assert {each.arch_id for each in scores_of(ledger, "numbered")} == {each.arch_id for each in POOL}
        assert ledger.in_flight("numbered") == []
    assert executor.num_mixed > 0
    started = [each.candidate.trial for each in search.events if isinstance(each, TrialStarted)]
    assert started == list(range(6))


@pytest.mark.parametrize(("deaths", "score"), [(1, 1.0), (2, None)])
def test_a_network_whose_worker_dies_is_scored_once_more(tmp_path: Path, deaths: int, score: float | None) -> None:
    search, asked = Search(trials=6), 0

    def deadly(candidate: Candidate) -> Estimate:
        nonlocal asked
        asked += candidate.trial == -1
        if candidate.trial == -1 and asked <= deaths:
            return Estimate(failure=Failure("worker_died", "killed by SIGKILL"))
        return answer(candidate)

    with numbered_study(tmp_path) as ledger:
        run_candidates("numbered", ledger, Instant(answer=deadly), search.source, search.events.append)
        [found] = [each for each in scores_of(ledger, "numbered") if each.arch_id == POOL[0].arch_id]
        assert len(ledger.outcomes("numbered")) == 6
    assert asked == 2
    assert found.score == score
    assert not any(isinstance(each, TrialRetried) for each in search.events)


def test_a_worker_scores_the_pool_and_trains_the_trials() -> None:
    class Training:
        def prepare(self, bench: Workbench) -> None:
            bench.cache["trains"] = True

        def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
            return Estimate(measured={"accuracy": 50.0})

    class Scoring(Training):
        def prepare(self, bench: Workbench) -> None:
            bench.cache["scores"] = True

        def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
            return Estimate(measured={"naswot": 3.0})

    both = TrialsAndScores(Training(), ScoresOf((Scorer("one", Scoring(), "naswot"),)))
    bench = Workbench(device="cpu", cache={})
    both.prepare(bench)
    assert bench.cache == {"trains": True, "scores": True}
    assert both.estimate(numbered_candidate(0), bench).measured == {"accuracy": 50.0}
    assert both.estimate(POOL[0], bench).measured == {"one": 3.0}
