"""A space of numbered networks, a strategy that proposes them in order, a ledger and an executor in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Self

from naslab.arch import ArchSpec, ConvBlock, Stage
from naslab.errors import SpaceExhaustedError
from naslab.execution.events import Event, TrialFinished
from naslab.execution.executor import EpochDone, Finished
from naslab.ledger import Ledger, RunRecord, StudyRecord
from naslab.ledger.running import Epoch
from naslab.space import Genome
from naslab.space.genome import Gene
from naslab.strategies.strategy import Proposal
from naslab.study.outcome import Candidate, Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe


class NumberedSpace:
    """The network of a genome has as many channels as its only option says, plus one."""

    name = "numbered"

    def decode(self, genome: Genome) -> ArchSpec:
        width = 1 + genome.genes[0].option
        return ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=width),), num_classes=2)


def numbered_problem() -> Problem:
    objectives = (Objective.named("accuracy"), Objective.named("macs"))
    return Problem(space=NumberedSpace(), objectives=objectives, data=DataChoice("digits"), recipe=Recipe())  # type: ignore[arg-type]


def numbered_study(folder: Path, trials: int = 10) -> Ledger:
    """A ledger with the study `numbered`."""
    ledger = Ledger.open(folder / "studies.db")
    if "numbered" not in ledger.study_names():
        record = StudyRecord(name="numbered", problem={}, strategy="counting", epochs=2, seed=0, trials=trials)
        ledger.create_study(record)
    return ledger


class Counting:
    """Proposes networks 0, 1, 2, ... below `size` that it has not seen, and keeps what it is told."""

    def __init__(self, size: int = 1000, learns_across_fidelities: bool = False) -> None:
        self.size = size
        self.learns_across_fidelities = learns_across_fidelities
        self.seen: set[int] = set()
        self.told: list[int] = []
        self.adopted: list[int] = []

    def ask(self, count: int) -> list[Proposal]:
        fresh = [number for number in range(self.size) if number not in self.seen][:count]
        if not fresh:
            raise SpaceExhaustedError("no more numbers")
        self.seen.update(fresh)
        return [Proposal(Genome((Gene("width", number),)), {"operator": "count"}) for number in fresh]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self.told += [outcome.candidate.trial for outcome in outcomes]
        self.seen.update(outcome.candidate.genome.genes[0].option for outcome in outcomes)

    def adopt(self, candidates: Sequence[Candidate]) -> None:
        self.adopted += [candidate.trial for candidate in candidates]
        self.seen.update(candidate.genome.genes[0].option for candidate in candidates)


Answer = Callable[[Candidate], Estimate]


def good(candidate: Candidate) -> Estimate:
    return Estimate(measured={"accuracy": float(candidate.trial)})


def died(_: Candidate) -> Estimate:
    return Estimate(failure=Failure("worker_died", "killed by SIGKILL"))


class Instant:
    """An executor that answers when waited for, the newest candidate first, one a wait."""

    def __init__(self, num_slots: int = 2, answer: Answer = good) -> None:
        self.num_slots = num_slots
        self.submitted: list[int] = []
        self.running: list[Candidate] = []
        self._answer = answer

    def submit(self, candidate: Candidate) -> None:
        assert len(self.running) < self.num_slots
        self.submitted.append(candidate.trial)
        self.running.append(candidate)

    def wait(self, timeout: float) -> list[Finished | EpochDone]:
        if not self.running:
            return []
        candidate = self.running.pop()
        return [Finished(candidate, self._answer(candidate))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Halt:
    """An observer that raises after some outcomes, as a driver that dies there would stop."""

    def __init__(self, after: int) -> None:
        self._left = after

    def __call__(self, event: Event) -> None:
        self._left -= isinstance(event, TrialFinished)
        if self._left == 0:
            raise InterruptedError


class Memory:
    """A ledger without a disk; the real one under rungs is in the fault tests."""

    def __init__(self) -> None:
        self._started: dict[int, Candidate] = {}
        self._finished: list[Outcome] = []

    def claim(self, study: str) -> AbstractContextManager[None]:
        return nullcontext()

    def runs(self, study: str) -> list[RunRecord]:
        return []

    def start(self, study: str, candidates: Sequence[Candidate]) -> None:
        assert not {each.trial for each in candidates} & self._started.keys()
        self._started |= {each.trial: each for each in candidates}

    def start_again(self, study: str, trials: Sequence[int]) -> None:
        assert set(trials) <= self._started.keys()

    def add_epochs(self, study: str, epochs: Sequence[Epoch]) -> None:
        assert {each.trial for each in epochs} <= self._started.keys()

    def num_outcomes(self, study: str) -> int:
        return len(self._finished)

    def finish(self, study: str, outcome: Outcome) -> None:
        self._finished.append(outcome)

    def outcomes(self, study: str, role: str | None = None) -> list[Outcome]:
        return list(self._finished)

    def in_flight(self, study: str) -> list[Candidate]:
        done = {each.candidate.trial for each in self._finished}
        return [each for trial, each in sorted(self._started.items()) if trial not in done]


def checkpoint_of(candidate: Candidate) -> str:
    return hashlib.sha256(str(candidate.trial).encode()).hexdigest()
