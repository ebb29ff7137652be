"""No strategy proposes a network twice where many genomes make one, and each says so when there are no more."""

from __future__ import annotations

import pytest

from naslab.arch import arch_id, cost
from naslab.errors import SpaceExhaustedError
from naslab.lab.problems import make_problem
from naslab.space import SearchSpace, choice
from naslab.strategies.registry import make_strategy, strategy_names

STAGE = {
    "block": {"type": "residual", "se": {"ratio": choice(0.03125, 0.0625, 0.125)}},
    "width": choice(8, 16),
}
SPACE = SearchSpace({"input": [1, 8, 8], "num_classes": 10, "stages": [STAGE, STAGE]})


def test_36_genomes_are_9_networks() -> None:
    assert SPACE.size() == 36
    assert len({arch_id(SPACE.decode(genome)) for genome in SPACE.enumerate()}) == 9


@pytest.mark.parametrize("name", strategy_names())
def test_every_network_is_proposed_once(name: str) -> None:
    objectives = ("accuracy",) if name == "cmaes" else ("accuracy", "macs")
    problem = make_problem(SPACE, "digits", objectives, (), None, None)
    strategy = make_strategy(name, problem, 0)
    asked = strategy.ask(20)
    assert len({arch_id(SPACE.decode(each.genome)) for each in asked}) == len(asked) == 9
    with pytest.raises(SpaceExhaustedError, match=r"^all 9 networks that the space's 36 genomes make"):
        strategy.ask(1)


def test_a_limit_leaves_fewer() -> None:
    spent = {arch_id(arch): cost(arch).macs for arch in map(SPACE.decode, SPACE.enumerate())}
    limit = sorted(spent.values())[4]
    fitting = sum(macs <= limit for macs in spent.values())
    problem = make_problem(SPACE, "digits", ("accuracy", "macs"), (f"macs<={limit}",), None, None)
    strategy = make_strategy("random", problem, 0)
    assert len(strategy.ask(20)) == fitting < 9
    with pytest.raises(SpaceExhaustedError, match=f"^all {fitting} networks"):
        strategy.ask(1)
