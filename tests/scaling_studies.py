"""Studies of scaled networks with made-up accuracies, to test fits and laws without training anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from naslab.analysis.study import StudyView
from naslab.arch import ArchSpec, ConvBlock, ResidualBlock, Stage
from naslab.execution.source import make_candidate
from naslab.lab.families import space_of_one
from naslab.lab.models import Model
from naslab.lab.scaling import trainings
from naslab.ledger.record import StudyRecord
from naslab.scaling import Compound, rescale
from naslab.scaling.grid import Grid, compound_grid
from naslab.study.outcome import Candidate, Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe
from naslab.zoo import model

SMALL = ArchSpec(
    input=(1, 8, 8),
    stem=(Stage(block=ConvBlock(), width=12),),
    stages=(
        Stage(block=ResidualBlock(), width=12, repeats=2),
        Stage(block=ResidualBlock(), width=20, repeats=2, stride=2),
    ),
    num_classes=10,
)
BASE = model("resnet20_cifar")
"""The network of the grids: large enough for many ways to double it."""
AccuracyOf = Callable[[Candidate], float | None]
"""The accuracy of a candidate in per cent; `None` fails it."""


def small_grid(num_points: int = 12) -> Grid:
    """A grid of ways to double ResNet-20."""
    return compound_grid(BASE, num_points=num_points)


def grid_view(accuracy_of: AccuracyOf, seeds: int = 3, grid: Grid | None = None) -> StudyView:
    """The study of a grid with these accuracies."""
    jobs = trainings(Model("resnet20_cifar", BASE), BASE, grid or small_grid(), "plain", 2, seeds)
    return view_of(jobs, accuracy_of)


def family_view(phis: Sequence[float], accuracy_of: AccuracyOf, seeds: int = 1) -> StudyView:
    """A study of the small network and its members at these phi, with several seeds."""
    jobs = []
    for seed in range(seeds):
        jobs.append(make_candidate(SMALL, 0, 2, seed, "search"))
        for phi in phis:
            member = rescale(SMALL, phi, Compound())
            jobs.append(make_candidate(member.arch, 0, 2, seed, "family", origin=member.origin))
    return view_of(jobs, accuracy_of)


def view_of(jobs: Sequence[Candidate], accuracy_of: AccuracyOf) -> StudyView:
    """The study that holds an outcome of every job."""
    outcomes = [outcome_of(msgspec.structs.replace(job, trial=trial), accuracy_of) for trial, job in enumerate(jobs)]
    problem = Problem(
        space=space_of_one(SMALL, "small"),
        objectives=(Objective.named("accuracy"), Objective.named("macs")),
        data=DataChoice(name="digits"),
        recipe=Recipe(),
    )
    record = StudyRecord(
        name="small-scaling", problem={}, strategy="given networks", epochs=2, seed=0, trials=len(jobs)
    )
    return StudyView(
        record=record,
        problem=problem,
        outcomes=tuple(each for each in outcomes if each.candidate.role == "search"),
        family=tuple(each for each in outcomes if each.candidate.role == "family"),
    )


def outcome_of(candidate: Candidate, accuracy_of: AccuracyOf) -> Outcome:
    """The outcome of a candidate."""
    accuracy = accuracy_of(candidate)
    if accuracy is None:
        return Outcome(candidate=candidate, estimate=Estimate(failure=Failure("diverged", "loss is NaN")))
    return Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": accuracy, "accuracy_sem": 1.0}))
