"""Small studies for tests of what reads and writes a ledger."""

from __future__ import annotations

import math
from typing import Literal

from naslab.arch import ArchSpec, Head, MBConv, ResidualBlock, Stage, arch_id, cost
from naslab.ledger import StudyRecord
from naslab.space import Genome
from naslab.space.genome import Gene
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure, Fidelity, Outcome


def example_study(name: str = "digits", trials: int = 16) -> StudyRecord:
    problem = {"space": {"stages": [{"choice": [3, 5.5, None, "é"]}]}, "limits": [{"metric": "macs", "most": 5e6}]}
    return StudyRecord(
        name=name, problem=problem, strategy="random", epochs=2, seed=7, trials=trials, created=1700000000.25
    )


def example_arch(trial: int = 0) -> ArchSpec:
    stages = (
        Stage(block=MBConv(kernel=3 + 2 * (trial % 3)), width=16 + 8 * (trial % 5), repeats=1 + trial % 4, stride=2),
        Stage(block=ResidualBlock(), width=24),
    )
    return ArchSpec(input=(1, 8, 8), stages=stages, num_classes=10, head=Head(dropout=0.1))


def example_candidate(trial: int, role: Literal["search", "family", "baseline"] = "search") -> Candidate:
    arch = example_arch(trial)
    return Candidate(
        trial=trial,
        arch=arch,
        arch_id=arch_id(arch),
        cost=cost(arch),
        fidelity=Fidelity(epochs=2),
        seed=2**63 - 1 - trial,
        genome=Genome((Gene("stages[0].block", trial % 3), Gene("stages[0].width", trial % 5))),
        role=role,
        origin={"operator": "mutate", "parents": [trial - 1], "note": "naïve \x00 \ud800 𝄞"},
    )


def example_outcome(candidate: Candidate, num_epochs: int = 2) -> Outcome:
    curve = tuple(
        EpochRecord(epoch, 2 / (epoch + 1), 2.1 / (epoch + 1), 60.0 + epoch, 0.5) for epoch in range(num_epochs)
    )
    estimate = Estimate(
        measured={"accuracy": 90 + candidate.trial / 7, "accuracy_sem": 0.1},
        curve=curve,
        wall_seconds=1.25,
        device="cpu",
        worker="w0",
        peak_memory_bytes=2**40,
        notes={"lr": 0.1},
    )
    return Outcome(candidate=candidate, estimate=estimate, finished=1700000000.125 + candidate.trial)


def diverged_outcome(candidate: Candidate) -> Outcome:
    curve = (EpochRecord(0, math.nan, math.inf, 10.0, 0.5),)
    failure = Failure("diverged", "the loss was NaN", "Traceback:\n  \x00 in 'odd\udcff'")
    estimate = Estimate(measured={"accuracy": math.nan, "latency_ms": 3.5}, curve=curve, failure=failure)
    return Outcome(candidate=candidate, estimate=estimate, finished=12.5)
