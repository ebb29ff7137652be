"""Trainings paused after every epoch: the budget, what goes on from what, and that a cut search goes on as it would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from tiny_search import Answer, Counting, Halt, Instant, Memory, checkpoint_of, numbered_problem

from naslab.execution.deterministic_source import DeterministicSource
from naslab.execution.events import Ended, Event, ignore
from naslab.execution.executor import EpochDone, Finished
from naslab.execution.pause_source import PauseSource
from naslab.execution.search import run_candidates
from naslab.execution.source import StrategySource
from naslab.study.outcome import Candidate, Estimate, Failure, Outcome
from naslab.study.rungs import Rungs

EPOCHS = 4
RUNGS = Rungs.every_epoch(EPOCHS)


class Drawing(Counting):
    """Draws what goes on, or that a network is begun: a function of its seed and of how much it was told."""

    def __init__(self, size: int = 1000, seed: int = 0) -> None:
        super().__init__(size, learns_across_fidelities=True)
        self._seed = seed

    def next_paused(self, paused: Sequence[str], may_begin: bool) -> str | None:
        assert paused or may_begin
        options = [*sorted(paused), *([None] if may_begin else [])]
        rng = np.random.default_rng([self._seed, len(self.told), len(self.seen), len(options)])
        return options[int(rng.integers(len(options)))]


class InOrder(Instant):
    """Answers the oldest candidate first."""

    def wait(self, timeout: float) -> list[Finished | EpochDone]:
        self.running.reverse()
        done = super().wait(timeout)
        self.running.reverse()
        return done


def answer(candidate: Candidate) -> Estimate:
    accuracy = candidate.genome.genes[0].option + candidate.fidelity.epochs / 10
    return Estimate(measured={"accuracy": accuracy}, weights_sha256=checkpoint_of(candidate))


def search(
    ledger: Memory,
    trials: int = 5,
    slots: int = 1,
    seed: int = 0,
    size: int = 1000,
    answer: Answer = answer,
    forgotten: list[str] | None = None,
    on_event=ignore,
    is_deterministic: bool = False,
    executor: type[Instant] = Instant,
) -> list[Outcome]:
    problem, strategy = numbered_problem(), Drawing(size, seed)
    networks = StrategySource(strategy, problem, RUNGS.fidelity(0), 7, trials * EPOCHS)
    forget = ignore if forgotten is None else forgotten.append
    source = PauseSource(networks, strategy, RUNGS, problem.objectives[:1], trials, forget)
    whole = DeterministicSource(source) if is_deterministic else source
    run_candidates("numbered", ledger, executor(slots, answer), whole, on_event)  # type: ignore[arg-type]
    return ledger.outcomes("numbered")


def curves(outcomes: Sequence[Outcome]) -> dict[str, list[Candidate]]:
    """The trainings of each network, in the order of trials."""
    found = defaultdict(list)
    for outcome in sorted(outcomes, key=lambda each: each.candidate.trial):
        found[outcome.candidate.arch_id].append(outcome.candidate)
    return found


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("trials", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_the_epochs_of_so_many_trainings_are_spent_and_no_network_is_trained_twice(
    seed: int, trials: int, slots: int
) -> None:
    outcomes = search(Memory(), trials, slots, seed)
    left = trials * EPOCHS - len(outcomes)
    assert 0 <= left < EPOCHS, "what is left is too little to train a network in"
    reached = [[each.fidelity for each in curve] for curve in curves(outcomes).values()]
    assert all(each == [RUNGS.fidelity(rung) for rung in range(len(each))] for each in reached)
    assert max(map(len, reached)) == EPOCHS, "some network gets to the end"


def test_a_training_goes_on_from_its_own_checkpoint_in_a_trial_of_its_own() -> None:
    for curve in curves(search(Memory(), slots=2)).values():
        assert curve[0].start_from == ""
        for before, after in pairwise(curve):
            assert after.start_from == checkpoint_of(before)
            assert after.origin == {"operator": "promote", "from": before.trial}
            assert (after.seed, after.genome) == (before.seed, before.genome)


@pytest.mark.parametrize("after", [1, 3, 8, 13, 19])
@pytest.mark.parametrize("is_deterministic", [False, True])
def test_a_search_that_was_cut_decides_as_one_that_was_not(after: int, is_deterministic: bool) -> None:
    expected = search(Memory(), is_deterministic=is_deterministic)
    ledger = Memory()
    with pytest.raises(InterruptedError):
        search(ledger, on_event=Halt(after), is_deterministic=is_deterministic)
    found = search(ledger, is_deterministic=is_deterministic)
    assert [each.candidate for each in found] == [each.candidate for each in expected]


def test_what_was_in_flight_runs_again_and_is_counted_once() -> None:
    ledger = Memory()
    with pytest.raises(InterruptedError):
        search(ledger, slots=3, on_event=Halt(9), executor=InOrder)
    left = ledger.in_flight("numbered")
    assert any(each.start_from for each in left), "some training was to go on"
    done = {each.candidate.trial: each.candidate for each in search(ledger, slots=3)}
    assert all(done[each.trial] == each for each in left)
    assert 0 <= 5 * EPOCHS - len(done) < EPOCHS
    assert len({(each.arch_id, each.fidelity) for each in done.values()}) == len(done)


def test_more_trials_go_on_with_what_was_paused() -> None:
    ledger = Memory()
    before = len(search(ledger, trials=2))
    outcomes = search(ledger, trials=6)
    assert before <= 2 * EPOCHS < len(outcomes) <= 6 * EPOCHS
    assert all(len(curve) <= EPOCHS for curve in curves(outcomes).values())


def test_failures_are_counted_and_not_trained_on() -> None:
    def falter(candidate: Candidate) -> Estimate:
        if candidate.genome.genes[0].option % 2 and candidate.fidelity.epochs == 2:
            return Estimate(failure=Failure("timed_out", "took longer than 1 seconds"))
        return answer(candidate)

    events: list[Event] = []
    outcomes = search(Memory(), trials=8, answer=falter, on_event=events.append)
    failed = [each.candidate for each in outcomes if not each.is_complete]
    assert failed
    assert all(curves(outcomes)[each.arch_id][-1] == each for each in failed)
    assert events[-1] == Ended(len(outcomes), len(failed))
    assert len(outcomes) <= 8 * EPOCHS


def test_networks_that_break_a_measured_limit_take_no_epoch() -> None:
    def refuse(candidate: Candidate) -> Estimate:
        if candidate.genome.genes[0].option % 2:
            return Estimate(failure=Failure("infeasible", "latency 3 ms, at most 2"))
        return answer(candidate)

    outcomes = search(Memory(), answer=refuse)
    trained = [each for each in outcomes if not each.is_infeasible]
    assert len(trained) < len(outcomes)
    assert 0 <= 5 * EPOCHS - len(trained) < EPOCHS


def test_a_space_that_is_used_up_is_trained_to_the_end() -> None:
    outcomes = search(Memory(), trials=9, size=2)
    assert sorted(map(len, curves(outcomes).values())) == [EPOCHS, EPOCHS]


def test_checkpoints_are_forgotten_once_nothing_can_start_from_them() -> None:
    forgotten: list[str] = []
    outcomes = search(Memory(), slots=2, forgotten=forgotten)
    assert sorted(forgotten) == sorted({each.candidate.start_from for each in outcomes} - {""})
