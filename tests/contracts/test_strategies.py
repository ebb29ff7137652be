"""What every registered strategy must do, whatever it thinks."""

from __future__ import annotations

import importlib.util
import math
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from naslab.arch import ArchSpec, ConvBlock, MBConv, Skip, arch_id, cost
from naslab.errors import LimitError, SpaceExhaustedError, SpecError, UnknownNameError
from naslab.space import SearchSpace, choice, load_space
from naslab.space.genome import Genome
from naslab.strategies.registry import make_strategy, strategy_names
from naslab.strategies.strategy import Proposal, Strategy
from naslab.study.finished import FinishedTrials
from naslab.study.outcome import Candidate, Estimate, Failure, Fidelity, Outcome
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe

needs_cmaes = pytest.mark.skipif(importlib.util.find_spec("cmaes") is None, reason="the package cmaes is not installed")
SLOW_THINKERS = ("gp",)
MARKS = {"cmaes": [needs_cmaes], **{name: [pytest.mark.slow] for name in SLOW_THINKERS}}
NAMES = [pytest.param(name, marks=MARKS.get(name, [])) for name in strategy_names()]
FOR_ONE_OBJECTIVE = ("cmaes",)
every_strategy = pytest.mark.parametrize("name", NAMES)


@cache
def small_space() -> SearchSpace:
    """75 genomes, with a conditional choice, and aliases: a skip where nothing changes is no network of its own."""
    blocks = choice(MBConv(kernel=3), {"type": "conv", "kernel": choice(3, 5, 7)}, Skip())
    template = {
        "input": [1, 8, 8],
        "num_classes": 10,
        "stem": [{"block": ConvBlock(), "width": 8}],
        "stages": [
            {"block": blocks, "width": 8},
            {"block": blocks, "width": 8},
            {"block": ConvBlock(), "width": choice(8, 16, 24), "stride": 2},
        ],
    }
    return SearchSpace(template, "small")


def make_problem(
    objectives: tuple[str, ...] = ("accuracy",), limits: tuple[str, ...] = (), space: SearchSpace | None = None
) -> Problem:
    return Problem(
        space=space or small_space(),
        objectives=tuple(Objective.named(each) for each in objectives),
        data=DataChoice(name="digits"),
        recipe=Recipe(),
        limits=tuple(Limit.parse(each) for each in limits),
    )


def candidate_of(problem: Problem, proposal: Proposal, trial: int) -> Candidate:
    arch = problem.space.decode(proposal.genome)
    return Candidate(
        trial=trial,
        arch=arch,
        arch_id=arch_id(arch),
        cost=cost(arch),
        fidelity=Fidelity(),
        seed=trial,
        genome=proposal.genome,
        origin=proposal.origin,
    )


def trained(candidate: Candidate) -> Outcome:
    """A made-up accuracy and latency: more macs help, the rest is a hash of what the network costs."""
    luck = zlib.crc32(repr(candidate.cost).encode()) / 2**32
    measured = {"accuracy": 10 * math.log10(candidate.cost.macs) + 5 * luck, "latency_ms": 1 + luck}
    return Outcome(candidate=candidate, estimate=Estimate(measured=measured))


def failed(candidate: Candidate) -> Outcome:
    failure = Failure(reason="diverged", message="the loss is not a number")
    return Outcome(candidate=candidate, estimate=Estimate(failure=failure))


def turns_of(name: str) -> int:
    """Enough to think; Optuna's samplers begin to after ten outcomes."""
    return 12 if name in SLOW_THINKERS else 30


def objectives_of(name: str) -> tuple[str, ...]:
    """Two objectives, for strategies that take two."""
    return ("accuracy",) if name in FOR_ONE_OBJECTIVE else ("accuracy", "macs")


def drive(strategy: Strategy, problem: Problem, turns: int, first: int = 0) -> list[Outcome]:
    outcomes = []
    for trial in range(first, first + turns):
        outcome = trained(candidate_of(problem, strategy.ask(1)[0], trial))
        strategy.tell([outcome])
        outcomes.append(outcome)
    return outcomes


@every_strategy
@pytest.mark.parametrize(
    "objectives",
    [("accuracy",), ("accuracy", "macs"), ("accuracy", "latency_ms", "params")],
    ids=["one", "two", "three"],
)
def test_limits_are_met_and_no_network_comes_twice(name: str, objectives: tuple[str, ...]) -> None:
    problem = make_problem(objectives, ("macs<=300e3", "params>=2000"))
    if name in FOR_ONE_OBJECTIVE and len(objectives) > 1:
        with pytest.raises(SpecError, match=f"'{name}' takes one objective, got {len(objectives)}"):
            make_strategy(name, problem)
        return
    outcomes = drive(make_strategy(name, problem, seed=1), problem, min(14, turns_of(name) - 1))
    assert all(problem.is_feasible(outcome.candidate.arch, outcome.candidate.cost) for outcome in outcomes)
    assert len({outcome.candidate.arch_id for outcome in outcomes}) == len(outcomes)


@every_strategy
def test_a_space_is_searched_to_its_end_and_no_further(name: str) -> None:
    problem = make_problem(limits=("macs<=127e3",))
    networks = {
        arch_id(problem.space.decode(genome))
        for genome in problem.space.enumerate()
        if problem.is_feasible(arch := problem.space.decode(genome), cost(arch))
    }
    assert 8 < len(networks) < 20
    strategy = make_strategy(name, problem, seed=0)
    outcomes = drive(strategy, problem, len(networks) - 2)
    last = strategy.ask(5)
    assert len(last) == 2
    strategy.tell([trained(candidate_of(problem, each, 100 + place)) for place, each in enumerate(last)])
    found = {outcome.candidate.arch_id for outcome in outcomes} | {
        arch_id(problem.space.decode(proposal.genome)) for proposal in last
    }
    assert found == networks
    with pytest.raises(SpaceExhaustedError, match=rf"all {len(networks)} networks that the space's"):
        strategy.ask(1)


@every_strategy
def test_equal_seeds_agree_and_others_differ(name: str) -> None:
    problem = make_problem(objectives_of(name))
    runs = [
        [
            outcome.candidate.arch_id
            for outcome in drive(make_strategy(name, problem, seed), problem, min(20, turns_of(name) - 1))
        ]
        for seed in (3, 3, 4)
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@every_strategy
def test_a_replayed_ledger_goes_on_as_if_nothing_had_happened(name: str) -> None:
    problem = make_problem(objectives_of(name))
    strategy = make_strategy(name, problem, seed=5)
    flight: list[Candidate] = []
    told: list[Outcome] = []
    for trial in range(turns_of(name)):
        flight.append(candidate_of(problem, strategy.ask(1)[0], trial))
        if len(flight) == 4:
            candidate = flight.pop(trial % 3)  # results come out of order
            told.append(failed(candidate) if trial % 7 == 0 else trained(candidate))
            strategy.tell(told[-1:])
    expected = [each.genome for each in strategy.ask(3)]
    ways: dict[str, list[Sequence[Outcome] | FinishedTrials]] = {
        "at once": [told],
        "one by one": [[outcome] for outcome in told],
        "by columns": [FinishedTrials.of(told)],
    }
    for how, parts in ways.items():
        fresh = make_strategy(name, problem, seed=5)
        for part in parts:
            fresh.tell(part)
        fresh.adopt(flight)
        assert [each.genome for each in fresh.ask(3)] == expected, how


@every_strategy
def test_what_is_in_flight_is_not_proposed(name: str) -> None:
    problem = make_problem()
    before = [candidate_of(problem, each, trial) for trial, each in enumerate(make_strategy(name, problem).ask(6))]
    strategy = make_strategy(name, problem)
    strategy.adopt(before)
    asked = {arch_id(problem.space.decode(each.genome)) for each in strategy.ask(8)}
    assert len(asked) == 8
    assert asked.isdisjoint(candidate.arch_id for candidate in before)


@every_strategy
def test_failures_and_values_that_are_none_are_taken_as_worst(name: str) -> None:
    problem = make_problem(objectives_of(name))
    strategy = make_strategy(name, problem, seed=2)
    proposed: set[str] = set()
    for trial in range(turns_of(name)):
        candidate = candidate_of(problem, strategy.ask(1)[0], trial)
        proposed.add(candidate.arch_id)
        not_measured = Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": math.nan}))
        outcomes = [failed(candidate), not_measured, trained(candidate)]
        strategy.tell([outcomes[trial % 3 if trial > 11 else 0]])
    assert len(proposed) == turns_of(name)


@every_strategy
def test_networks_from_elsewhere_are_never_proposed(name: str) -> None:
    problem = make_problem(limits=("macs<=127e3",))
    strategy = make_strategy(name, problem)
    elsewhere = drive(make_strategy("random", problem, seed=9), problem, 8)
    strategy.tell(
        [
            Outcome(
                candidate=Candidate(
                    trial=place,
                    arch=each.candidate.arch,
                    arch_id=each.candidate.arch_id,
                    cost=each.candidate.cost,
                    fidelity=Fidelity(),
                    seed=0,
                    role="baseline",
                ),
                estimate=each.estimate,
            )
            for place, each in enumerate(elsewhere)
        ]
    )
    asked = drive(strategy, problem, 4)
    known = {outcome.candidate.arch_id for outcome in elsewhere}
    assert known.isdisjoint(outcome.candidate.arch_id for outcome in asked)


@every_strategy
def test_limits_that_nothing_meets_say_the_smallest_cost(name: str) -> None:
    problem = make_problem(limits=("macs<=10",))
    smallest = min(cost(problem.space.decode(genome)).macs for genome in problem.space.enumerate())
    with pytest.raises(LimitError) as error:
        make_strategy(name, problem).ask(1)
    assert str(error.value) == (
        f"limit macs<=10: the smallest cost found in the space is macs={smallest}; raise the limit"
    )


@every_strategy
def test_an_ask_in_a_large_space_with_a_tight_limit_is_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit leaves few networks: a redraw until one meets it would not come back. Four asks decode up to 4,100."""
    problem = make_problem(objectives_of(name), ("macs<=6e6",), load_space("mixed_cifar"))
    strategy = make_strategy(name, problem, seed=0)
    decoded: list[Genome] = []
    decode = SearchSpace.decode

    def counted(space: SearchSpace, genome: Genome) -> ArchSpec:
        decoded.append(genome)
        return decode(space, genome)

    monkeypatch.setattr(SearchSpace, "decode", counted)
    outcomes = drive(strategy, problem, 4)
    assert len(decoded) < 10_000
    assert all(problem.is_feasible(outcome.candidate.arch, outcome.candidate.cost) for outcome in outcomes)


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown strategy 'evolutoin' \\(did you mean 'evolution'\\?\\)"):
        make_strategy("evolutoin", make_problem())


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(SpecError, match="seed: must be at least 0, got -1"):
        make_strategy("random", make_problem(), seed=-1)


@pytest.mark.slow
def test_better_than_random_where_macs_help() -> None:
    """Evolution, local search and bayes find a better median network than random search at equal budget.

    Seeds are fixed, so there is no false alarm; accuracies rise with macs, so whatever learns at all is far ahead.
    Bayes, whose worst of 15 seeds is better than the median of random search, thinks long: five are enough.
    """
    problem = make_problem(space=load_space("yardstick"))
    best = {
        name: np.median(
            [
                max(outcome.value("accuracy") for outcome in drive(make_strategy(name, problem, seed), problem, 30))
                for seed in range(num_seeds)
            ]
        )
        for name, num_seeds in (("random", 15), ("evolution", 15), ("local", 15), ("bayes", 5))
    }
    assert best["evolution"] > best["random"]
    assert best["local"] > best["random"]
    assert best["bayes"] > best["random"]
