"""Which outcomes a surrogate learns from, and when it is fitted again."""

from __future__ import annotations

import numpy as np
import pytest

from naslab.pareto import non_dominated_ranks
from naslab.space import Genome
from naslab.strategies.outcome_history import Observation, ToldColumns
from naslab.strategies.surrogate import best_rows, instructive, last_refit, may_be_best, told_losses


def told(*losses: tuple[float, ...] | None) -> ToldColumns:
    return ToldColumns.of([Observation(Genome(), str(index), each) for index, each in enumerate(losses)])


def test_failures_count_as_the_upper_quartile() -> None:
    assert told_losses(told((1.0, 5.0), None, (3.0, 2.0))).tolist() == [[1.0, 5.0], [2.5, 4.25], [3.0, 2.0]]


def test_what_adds_no_hypervolume_is_no_worse_than_worthless() -> None:
    losses = told_losses(told((1.0, 5.0), None, (3.0, 2.0)), np.array([2.0, np.nan]))
    assert losses.tolist() == [[1.0, 5.0], [2.0, 4.25], [2.0, 2.0]]
    assert told_losses(told((1.0,), (3.0,)), np.array([2.0])).tolist() == [[1.0], [3.0]]


def test_few_outcomes_are_all_instructive() -> None:
    assert instructive(np.zeros((7, 1)), 10).tolist() == list(range(7))


def test_of_many_the_best_half_and_a_spread_are_kept() -> None:
    losses = np.arange(1000.0)[::-1, None]
    kept = instructive(losses, 100)
    assert len(set(kept.tolist())) == 100
    assert set(range(950, 1000)) <= set(kept.tolist())
    assert kept[0] == 0


@pytest.mark.parametrize("decimals", [0, 8])
@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("number", [1, 20, 150])
def test_the_best_of_many_are_those_front_by_front(number: int, objectives: int, decimals: int) -> None:
    rng = np.random.default_rng(objectives)
    spread = rng.normal(size=(2_000, objectives))
    losses = np.round(spread - 2 * spread.mean(axis=1, keepdims=True), decimals)  # traded against each other
    order = np.lexsort((np.arange(len(losses)), non_dominated_ranks(losses)))
    assert best_rows(losses, number).tolist() == order[:number].tolist()
    assert objectives == 1 or len(may_be_best(losses, number)) < len(losses) / 2 or number == 150
    assert len(may_be_best(losses[:100], 100)) == 100


def test_refits_are_a_function_of_the_number_and_thin_out() -> None:
    refits = [last_refit(number) for number in range(1, 2001)]
    assert all(refit <= number for number, refit in enumerate(refits, start=1))
    assert refits == sorted(refits)
    assert len(set(refits)) < 80
