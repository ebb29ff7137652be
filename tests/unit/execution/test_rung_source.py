"""Asynchronous successive halving around any strategy: who is promoted, when, from what, and what is forgotten."""

from __future__ import annotations

import pytest
from tiny_search import Counting, Halt, Instant, Memory, checkpoint_of, numbered_problem

from naslab.execution.events import Ended, Event, TrialFinished, ignore
from naslab.execution.search import run_candidates
from naslab.execution.search_source import RungSource
from naslab.execution.source import StrategySource
from naslab.study.outcome import Candidate, Estimate, Failure, Outcome
from naslab.study.rungs import Rungs

RUNGS = Rungs((1, 3, 9))


def answer(candidate: Candidate) -> Estimate:
    """Later networks are better, and longer training is better."""
    network = candidate.genome.genes[0].option
    accuracy = network + candidate.fidelity.epochs / 10
    return Estimate(measured={"accuracy": accuracy}, weights_sha256=checkpoint_of(candidate))


def search(ledger: Memory, strategy: Counting, executor: Instant, trials: int = 18, forgotten=None, on_event=ignore):
    problem = numbered_problem()
    networks = StrategySource(strategy, problem, RUNGS.fidelity(0), 7, trials)
    forget = ignore if forgotten is None else forgotten.append
    source = RungSource(networks, RUNGS, problem.objectives[:1], forget)
    run_candidates("numbered", ledger, executor, source, on_event)  # type: ignore[arg-type]


def by_rung(outcomes: list[Outcome]) -> list[list[int]]:
    """The networks at each rung, in the order finished."""
    found: list[list[int]] = [[], [], []]
    for outcome in outcomes:
        rung = RUNGS.rung_of(outcome.candidate.fidelity)
        assert rung is not None
        found[rung].append(outcome.candidate.genome.genes[0].option)
    return found


def test_the_best_third_of_each_rung_goes_on() -> None:
    ledger = Memory()
    search(ledger, Counting(), Instant(num_slots=1, answer=answer), trials=18)
    first, second, third = by_rung(ledger.outcomes("numbered"))
    assert first == list(range(18))
    assert len(second) >= 6
    assert len(third) >= 2
    assert 17 in second
    assert set(third) <= set(second) <= set(first)
    # asynchronous: a promotion is made as soon as it is due, so the first networks were promoted among few
    assert second[0] == 2


def test_a_promotion_is_a_trial_of_its_own_that_starts_from_the_checkpoint() -> None:
    ledger = Memory()
    search(ledger, Counting(), Instant(num_slots=1, answer=answer), trials=6)
    outcomes = {outcome.candidate.trial: outcome.candidate for outcome in ledger.outcomes("numbered")}
    promoted = [each for each in outcomes.values() if each.origin.get("operator") == "promote"]
    assert promoted
    for candidate in promoted:
        before = outcomes[candidate.origin["from"]]
        assert candidate.start_from == checkpoint_of(before)
        assert (candidate.arch_id, candidate.seed, candidate.genome) == (before.arch_id, before.seed, before.genome)
        assert RUNGS.rung_of(candidate.fidelity) == (RUNGS.rung_of(before.fidelity) or 0) + 1


@pytest.mark.parametrize("trials", [1, 2, 3, 5])
def test_some_network_reaches_the_last_rung_however_few_there_are(trials: int) -> None:
    ledger = Memory()
    search(ledger, Counting(), Instant(answer=answer), trials=trials)
    found = by_rung(ledger.outcomes("numbered"))
    assert sorted(found[0]) == list(range(trials))
    assert len(found[2]) >= 1


def test_a_strategy_is_told_of_the_first_rung_unless_it_learns_across() -> None:
    for learns in (False, True):
        strategy = Counting(learns_across_fidelities=learns)
        ledger = Memory()
        search(ledger, strategy, Instant(num_slots=1, answer=answer), trials=9)
        outcomes = ledger.outcomes("numbered")
        wanted = [each for each in outcomes if learns or RUNGS.rung_of(each.candidate.fidelity) == 0]
        assert strategy.told == [each.candidate.trial for each in wanted]


@pytest.mark.parametrize("after", [1, 5, 9, 14, 20])
def test_a_search_that_was_cut_decides_as_one_that_was_not(after: int) -> None:
    """One slot, so that outcomes come in one order; the driver dies after some of them."""
    ledger = Memory()
    search(ledger, Counting(), Instant(num_slots=1, answer=answer))
    expected = [outcome.candidate for outcome in ledger.outcomes("numbered")]
    ledger = Memory()
    with pytest.raises(InterruptedError):
        search(ledger, Counting(), Instant(num_slots=1, answer=answer), on_event=Halt(after))
    search(ledger, Counting(), Instant(num_slots=1, answer=answer))
    assert [outcome.candidate for outcome in ledger.outcomes("numbered")] == expected


def test_a_promotion_in_flight_runs_again_from_the_same_checkpoint() -> None:
    ledger = Memory()
    with pytest.raises(InterruptedError):
        search(ledger, Counting(), Instant(num_slots=2, answer=answer), on_event=Halt(5))
    left = ledger.in_flight("numbered")
    executor = Instant(num_slots=2, answer=answer)
    search(ledger, Counting(), executor)
    done = {outcome.candidate.trial: outcome.candidate for outcome in ledger.outcomes("numbered")}
    assert left
    assert set(executor.submitted[: len(left)]) == {each.trial for each in left}
    assert all(done[each.trial] == each for each in left)
    assert len({(each.arch_id, each.fidelity) for each in done.values()}) == len(done), "nothing was trained twice"


def test_more_trials_make_more_promotions() -> None:
    ledger = Memory()
    search(ledger, Counting(), Instant(num_slots=1, answer=answer), trials=9)
    before = by_rung(ledger.outcomes("numbered"))
    search(ledger, Counting(), Instant(num_slots=1, answer=answer), trials=18)
    after = by_rung(ledger.outcomes("numbered"))
    assert (len(before[0]), len(after[0])) == (9, 18)
    assert len(after[1]) > len(before[1])


def test_a_failure_is_never_promoted_and_the_search_goes_on() -> None:
    def falter(candidate: Candidate) -> Estimate:
        if candidate.genome.genes[0].option % 3 == 2:
            return Estimate(failure=Failure("timed_out", "took longer than 1 seconds"))
        return answer(candidate)

    events: list[Event] = []
    ledger = Memory()
    search(ledger, Counting(), Instant(num_slots=1, answer=falter), on_event=events.append)
    found = by_rung(ledger.outcomes("numbered"))
    assert len(found[0]) == 18
    assert not any(network % 3 == 2 for network in found[1])
    assert isinstance(events[-1], Ended)
    assert events[-1].failed == 6


def test_a_promotion_that_fails_is_not_tried_again() -> None:
    def falter(candidate: Candidate) -> Estimate:
        if candidate.fidelity.epochs == 3:
            return Estimate(failure=Failure("worker_died", "killed by SIGKILL"))
        return answer(candidate)

    ledger = Memory()
    search(ledger, Counting(), Instant(num_slots=1, answer=falter))
    found = by_rung(ledger.outcomes("numbered"))
    assert len(found[1]) == len(set(found[1])) >= 6
    assert found[2] == []


def test_checkpoints_are_forgotten_once_nothing_can_start_from_them() -> None:
    forgotten: list[str] = []
    ledger = Memory()
    search(ledger, Counting(), Instant(num_slots=2, answer=answer), forgotten=forgotten)
    outcomes = ledger.outcomes("numbered")
    started_from = {each.candidate.start_from for each in outcomes} - {""}
    assert set(forgotten) == started_from
    kept = {each.estimate.weights_sha256 for each in outcomes} - set(forgotten)
    assert {each.estimate.weights_sha256 for each in outcomes if each.candidate.fidelity.epochs == 9} <= kept


def test_totals_count_networks_and_the_promotions_so_far() -> None:
    events: list[Event] = []
    ledger = Memory()
    search(ledger, Counting(), Instant(num_slots=1, answer=answer), trials=9, on_event=events.append)
    finished = [event for event in events if isinstance(event, TrialFinished)]
    assert finished[0].total == 9
    assert finished[-1].number == finished[-1].total == len(finished) > 9
