"""A deterministic study is the same for any number of workers and any durations, also when it was interrupted."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from fake_estimators import Sleeping

from naslab.errors import StudyError
from naslab.execution.deterministic_source import AHEAD
from naslab.execution.events import Event, TrialFinished
from naslab.execution.executor import EpochDone, Executor, Finished
from naslab.execution.local import LocalExecutor
from naslab.execution.search import run_candidates
from naslab.execution.search_source import search_source
from naslab.lab.problems import make_problem
from naslab.ledger import Ledger, StudyRecord
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Candidate, Estimate
from naslab.study.problem import Problem
from naslab.study.rungs import Rungs

RECORD = StudyRecord(name="s", problem={}, strategy="", epochs=9, seed=3, trials=24, deterministic=True)
KINDS: dict[str, dict[str, Any]] = {
    "evolution": {"strategy": "evolution"},
    "local": {"strategy": "local"},
    "bayes": {"strategy": "bayes", "trials": 14},
    "tpe": {"strategy": "tpe", "trials": 14},
    "nsga2 by rungs": {"strategy": "nsga2", "rungs": Rungs((1, 3, 9))},
    "inheriting": {"strategy": "evolution", "inherit": True},
    "inheriting by rungs, stopped": {
        "strategy": "evolution",
        "inherit": True,
        "rungs": Rungs((1, 3, 9)),
        "stop_early": 0.9,
    },
}


class Simulated:
    """Workers on a clock of their own: a candidate takes a time drawn by `seed`, and its accuracy is its network's."""

    def __init__(self, num_slots: int, seed: int) -> None:
        self.num_slots = num_slots
        self._seed = seed
        self._now = 0.0
        self._running: list[tuple[float, int, Candidate]] = []

    def submit(self, candidate: Candidate) -> None:
        assert len(self._running) < self.num_slots
        takes = random.Random(f"{self._seed} {candidate.trial}").expovariate(1)
        self._running.append((self._now + takes, candidate.trial, candidate))

    def wait(self, timeout: float) -> list[Finished | EpochDone]:
        if not self._running:
            return []
        first = min(self._running, key=lambda each: each[:2])
        self._running.remove(first)
        self._now, _, candidate = first
        told = hashlib.sha256(f"{candidate.arch_id} {candidate.fidelity} {candidate.start_from}".encode()).hexdigest()
        accuracy = int(told[:6], 16) % 1000 / 10
        return [Finished(candidate, Estimate(measured={"accuracy": accuracy}, weights_sha256=told))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture(scope="module")
def problem() -> Problem:
    return make_problem("digits_demo", "digits", ["accuracy", "macs"], (), None, None)


def drive(path: Path, problem: Problem, executor: Executor, kills: int = 0, **asked: Any) -> list[Candidate]:
    """The candidates of a study in the order of trials; it is interrupted `kills` times, after ever more outcomes."""
    record = msgspec.structs.replace(RECORD, **asked)
    with Ledger.open(path) as ledger:
        ledger.create_study(record)
        for life in range(kills + 1):
            limit = 3 * (life + 1) if life < kills else 10_000
            done = [0]

            def stop(event: Event, limit: int = limit, done: list[int] = done) -> None:
                done[0] += isinstance(event, TrialFinished)
                if done[0] == limit:
                    raise StudyError("killed")

            source = search_source(make_strategy(record.strategy, problem, record.seed), problem, record, ledger)
            try:
                run_candidates("s", ledger, executor, source, stop)
            except StudyError:
                executor = Simulated(executor.num_slots, seed=life)
        outcomes = ledger.outcomes("s")
    return sorted((each.candidate for each in outcomes), key=lambda each: each.trial)


@pytest.mark.parametrize("kind", KINDS)
def test_the_study_does_not_depend_on_workers_durations_or_interruptions(
    tmp_path: Path, problem: Problem, kind: str
) -> None:
    first = drive(tmp_path / "first.db", problem, Simulated(1, 0), **KINDS[kind])
    assert len(first) >= KINDS[kind].get("trials", RECORD.trials)
    for workers, seed, kills in ((3, 2, 0), (AHEAD + 3, 3, 0), (2, 5, 4)):
        path = tmp_path / f"{workers}-{seed}.db"
        assert drive(path, problem, Simulated(workers, seed), kills, **KINDS[kind]) == first, (workers, kills)


def test_without_it_the_order_of_finish_has_a_say(tmp_path: Path, problem: Problem) -> None:
    made = [
        drive(tmp_path / f"{workers}.db", problem, Simulated(workers, 1), strategy="evolution", deterministic=False)
        for workers in (1, 3)
    ]
    assert [each.arch_id for each in made[0]] != [each.arch_id for each in made[1]]


def test_a_study_that_grows_is_as_if_asked_for_at_once(tmp_path: Path, problem: Problem) -> None:
    at_once = drive(tmp_path / "once.db", problem, Simulated(2, 1), strategy="evolution")
    drive(tmp_path / "grown.db", problem, Simulated(3, 2), strategy="evolution", trials=10)
    record = msgspec.structs.replace(RECORD, strategy="evolution")
    with Ledger.open(tmp_path / "grown.db") as ledger:
        source = search_source(make_strategy("evolution", problem, RECORD.seed), problem, record, ledger)
        run_candidates("s", ledger, Simulated(3, 5), source)
        grown = sorted((each.candidate for each in ledger.outcomes("s")), key=lambda each: each.trial)
    assert grown == at_once


def test_as_many_workers_as_candidates_ahead_have_something_to_do(tmp_path: Path, problem: Problem) -> None:
    record = msgspec.structs.replace(RECORD, strategy="random")
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(record)
        source = search_source(make_strategy("random", problem, 0), problem, record, ledger)
        source.resume([], [])
        assert len(source.propose(100, 0)) == AHEAD
        assert source.propose(1, AHEAD) == []


def test_local_workers_of_any_number_make_one_study(tmp_path: Path, problem: Problem) -> None:
    made = []
    for workers in (1, 3):
        with LocalExecutor(Sleeping(seed=workers), workers, device="cpu", threads=1) as executor:
            made.append(drive(tmp_path / f"{workers}.db", problem, executor, strategy="evolution", trials=12))
        with Ledger.open(tmp_path / f"{workers}.db") as ledger:
            assert {each.estimate.notes["threads"] for each in ledger.outcomes("s")} == {1}
    assert made[0] == made[1]
