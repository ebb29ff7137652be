"""NSGA-II and NSGA-III told many outcomes: the population that telling each with all of them would leave."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from naslab.pareto import Losses, crowding_of_fronts, non_dominated_ranks
from naslab.space import Genome, load_space
from naslab.strategies import nsga2, nsga3
from naslab.strategies.last_front import Passes, next_to_join
from naslab.strategies.nsga2 import NSGA2, is_most_crowded
from naslab.strategies.nsga3 import NSGA3
from naslab.strategies.outcome_history import Observation, OutcomeHistory


def told(count: int, objectives: int, digits: int) -> OutcomeHistory:
    """Outcomes that become better, some failed, with many ties where there are few `digits`."""
    rng = np.random.default_rng(0)
    history = OutcomeHistory(objectives)
    for trial in range(count):
        losses = np.round(rng.random(objectives) * (0.5 + 1 / (1 + trial / 50)), digits)
        history.told.append(
            Observation(Genome(), str(trial), None if trial % 19 == 5 else tuple(losses.tolist()), {}, trial)
        )
        history.seen.add(str(trial))
        history._known.add(str(trial))
    return history


@pytest.mark.parametrize("digits", [1, 6])
@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_what_cannot_join_changes_nothing(
    name: str, objectives: int, digits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, history, alive, skipped = load_space("digits_demo"), told(200, objectives, digits), [], []

    def is_counted(losses: Losses, first: int, passes: Passes | None) -> int:
        skipped.append(next_to_join(losses, first, passes) - first)
        return first + skipped[-1]

    for module in (nsga2, nsga3):
        monkeypatch.setattr(module, "next_to_join", is_counted)
    for is_plain in (False, True):
        if is_plain:
            for module in (nsga2, nsga3):
                monkeypatch.setattr(module, "next_to_join", lambda _, first, __: first)
        strategy = NSGA2(space) if name == "nsga2" else NSGA3(space, objectives)
        next(strategy.drafts(history, np.random.default_rng(0)))
        alive.append([history.told[place].trial for place in strategy._alive])
    assert alive[0] == alive[1]
    assert sum(skipped) > (50 if digits == 6 else 5)


def traded_off(count: int) -> OutcomeHistory:
    """Outcomes beside an arc: most are as good as a population's, and crowd it."""
    rng = np.random.default_rng(3)
    history = OutcomeHistory(2)
    for trial in range(count):
        angle, radius = rng.uniform(0, np.pi / 2), 1 - abs(rng.normal(0, 0.05))
        losses = (1 - radius * float(np.cos(angle)), 1 - radius * float(np.sin(angle)))
        history.told.append(Observation(Genome(), str(trial), losses, {}, trial))
        history.seen.add(str(trial))
        history._known.add(str(trial))
    return history


def test_newcomers_that_would_leave_nsga2_at_once_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy, history, changed = NSGA2(load_space("digits_demo")), traded_off(600), []
    join = NSGA2._join

    def watched(self: NSGA2, losses: Losses, joined: NDArray[np.intp]) -> None:
        before, is_known = self._alive, self._passes is not None
        join(self, losses, joined)
        changed.append(self._alive != before or not is_known)

    monkeypatch.setattr(NSGA2, "_join", watched)
    next(strategy.drafts(history, np.random.default_rng(0)))
    assert len(changed) > 100
    assert all(changed)


def test_newcomers_that_would_leave_nsga3_at_once_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy, history, left = NSGA3(load_space("digits_demo"), 2), traded_off(600), []
    leaving = NSGA3._leaving

    def watched(self: NSGA3, losses: Losses) -> int:
        left.append(leaving(self, losses))
        return left[-1]

    monkeypatch.setattr(NSGA3, "_leaving", watched)
    next(strategy.drafts(history, np.random.default_rng(0)))
    assert len(left) > 50
    assert max(left[1:]) < 20  # the newcomer is the last one


def test_the_most_crowded_of_a_front_is_the_one_with_the_least_distance() -> None:
    rng = np.random.default_rng(1)
    angles = np.sort(rng.uniform(0, np.pi / 2, 4))
    front = 1 - np.stack([np.cos(angles), np.sin(angles)], axis=1)
    front = front[np.argsort(-crowding_of_fronts(front, np.zeros(4, dtype=np.int64)), kind="stable")]
    angles = rng.uniform(0, np.pi / 2, 300)
    group = 1 - np.stack([np.cos(angles), np.sin(angles)], axis=1)
    expected = []
    for point in group:
        joined = np.vstack((front, point))
        assert non_dominated_ranks(joined).max() == 0
        order = np.argsort(-crowding_of_fronts(joined, np.zeros(5, dtype=np.int64)), kind="stable")
        expected.append(order.tolist() == list(range(5)))
    assert is_most_crowded(front, group).tolist() == expected
    assert 20 < sum(expected) < 280
