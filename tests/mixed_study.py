"""A made-up study of a conditional space."""

from __future__ import annotations

import math

import msgspec

from naslab.analysis.study import StudyView
from naslab.execution.source import make_candidate
from naslab.ledger.record import StudyRecord
from naslab.space import load_space
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import EpochRecord, Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe


def example_view(trials: int = 12, objectives: tuple[str, ...] = ("accuracy", "macs")) -> StudyView:
    """A search of a conditional space under a limit, whose every fifth trial diverges."""
    problem = Problem(
        space=load_space("mixed_cifar"),
        objectives=tuple(map(Objective.named, objectives)),
        data=DataChoice(name="cifar10"),
        recipe=Recipe(),
        limits=(Limit.parse("macs<=60e6"),),
    )
    strategy = make_strategy("random", problem, seed=1)
    outcomes = []
    for trial, proposal in enumerate(strategy.ask(trials)):
        arch = problem.space.decode(proposal.genome)
        candidate = make_candidate(arch, trial, 2, 0, "search", proposal.genome, proposal.origin)
        curve = tuple(EpochRecord(epoch, 1.0, 1.0, 40.0 + epoch, 1.0) for epoch in (1, 2))
        estimate = Estimate(measured={"accuracy": 10 * math.log10(candidate.cost.macs)}, curve=curve, wall_seconds=8.0)
        if trial % 5 == 4:
            estimate = Estimate(failure=Failure(reason="diverged", message="the loss is not a number"))
        outcomes.append(Outcome(candidate=candidate, estimate=estimate, finished=1.7e9 + 10 * trial))
    record = StudyRecord(
        name="mixed", problem=msgspec.to_builtins(problem), strategy="random", epochs=2, seed=0, trials=trials
    )
    return StudyView(record=record, problem=problem, outcomes=tuple(outcomes))
