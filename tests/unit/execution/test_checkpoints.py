"""Which checkpoints a study must keep, whatever else a crash left behind."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tiny_search import Counting, Instant, numbered_problem

from naslab.execution.checkpoints import needed_checkpoints, sweep_checkpoints
from naslab.execution.search import run_candidates
from naslab.execution.search_source import RungSource
from naslab.execution.source import StrategySource
from naslab.ledger import Ledger, StudyRecord
from naslab.study.outcome import Candidate, Estimate, Failure
from naslab.study.rungs import Rungs

RUNGS = Rungs((1, 3, 9))
TRIALS = 9


def run(ledger: Ledger, record: StudyRecord, trials: int = TRIALS, halt_after: int = 1000) -> None:
    """A search with rungs whose trainings leave files; every fifth fails, one is stopped, the first are the best."""
    problem, store = numbered_problem(), ledger.checkpoints(record.name)
    finished = 0

    def answer(candidate: Candidate) -> Estimate:
        nonlocal finished
        finished += 1
        if finished > halt_after:
            raise InterruptedError
        sha256 = store.put(f"{finished} of {candidate.trial}".encode())
        network = candidate.genome.genes[0].option
        failure = Failure("error", "after its training") if network % 5 == 4 else None
        notes = {"stopped": "hopeless"} if network == 7 else {}
        measured = {} if failure else {"accuracy": 90 - network + candidate.fidelity.epochs / 10}
        return Estimate(measured=measured, failure=failure, notes=notes, weights_sha256=sha256)

    networks = StrategySource(Counting(), problem, RUNGS.fidelity(0), 0, trials)
    source = RungSource(networks, RUNGS, problem.objectives[:1], store.discard)

    def tidy() -> int:
        return sweep_checkpoints(ledger, record, problem.objectives[:1])

    run_candidates(record.name, ledger, Instant(1, answer), source, tidy=tidy)


@pytest.fixture
def record() -> StudyRecord:
    return StudyRecord(name="rungs", problem={}, strategy="counting", epochs=9, seed=0, trials=TRIALS, rungs=RUNGS)


def held(ledger: Ledger) -> set[str]:
    return {path.name for path in ledger.checkpoints("rungs").folder.rglob("*") if path.is_file()}


def test_what_is_needed_is_what_a_search_that_forgets_leaves(tmp_path: Path, record: StudyRecord) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(record)
        run(ledger, record)
        outcomes = ledger.outcomes("rungs")
        left = held(ledger)
        assert left == needed_checkpoints(outcomes, [], numbered_problem().objectives[:1], RUNGS, inherit=False)
        begun = {each.candidate.start_from for each in outcomes}
        useless = {
            each.estimate.weights_sha256
            for each in outcomes
            if not each.is_complete or "stopped" in each.estimate.notes
        }
        assert useless
        everything = {each.estimate.weights_sha256 for each in outcomes}
        assert left == everything - begun - useless
        run(ledger, record, trials=TRIALS + 9)  # more trials promote what was kept for them
        later = ledger.outcomes("rungs")[len(outcomes) :]
        assert {each.candidate.start_from for each in later} & left


def test_a_resumed_search_sweeps_what_a_dead_driver_left_and_nothing_in_flight(
    tmp_path: Path, record: StudyRecord
) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(record)
        with pytest.raises(InterruptedError):
            run(ledger, record, halt_after=6)
        outcomes = ledger.outcomes("rungs")
        waiting = msgspec.structs.replace(  # a promotion that the dead driver had just entered
            outcomes[2].candidate, trial=99, fidelity=RUNGS.fidelity(1), start_from=outcomes[2].estimate.weights_sha256
        )
        orphan = ledger.checkpoints("rungs").put(b"of a training that never came to the ledger")
        stranger = ledger.blobs.put(b"somebody's own")
        goals = numbered_problem().objectives[:1]
        needed = needed_checkpoints(outcomes, [waiting], goals, RUNGS, inherit=False)
        assert waiting.start_from in needed
        assert orphan not in needed
        run(ledger, record)
        assert orphan not in held(ledger)
        assert held(ledger) == needed_checkpoints(ledger.outcomes("rungs"), [], goals, RUNGS, inherit=False)
        assert ledger.blobs.get(stranger) == b"somebody's own"


def test_where_networks_inherit_every_one_with_a_result_may_become_a_parent(
    tmp_path: Path, record: StudyRecord
) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(record)
        run(ledger, record)
        outcomes = ledger.outcomes("rungs")
    needed = needed_checkpoints(outcomes, [], numbered_problem().objectives[:1], RUNGS, inherit=True)
    assert needed == {each.estimate.weights_sha256 for each in outcomes if each.is_complete}


def test_a_study_without_checkpoints_is_left_alone(tmp_path: Path, record: StudyRecord) -> None:
    plain = msgspec.structs.replace(record, rungs=None)
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(plain)
        ledger.checkpoints("rungs").put(b"weights")
        assert sweep_checkpoints(ledger, plain, ()) == 0
