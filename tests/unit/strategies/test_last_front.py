"""NSGA-II and NSGA-III told many outcomes: the population that telling each with all of them would leave."""

from __future__ import annotations

import numpy as np
import pytest

from naslab.pareto import Losses
from naslab.space import Genome, load_space
from naslab.strategies import nsga2, nsga3
from naslab.strategies.last_front import next_to_join
from naslab.strategies.nsga2 import NSGA2
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

    def is_counted(losses: Losses, first: int, front: Losses | None) -> int:
        skipped.append(next_to_join(losses, first, front) - first)
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
