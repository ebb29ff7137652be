"""A study followed in memory: what counts, and that it is still the study that it was."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from made_studies import START, made_problem

from naslab.execution.source import make_candidate
from naslab.ledger import Ledger, RunRecord, StudyRecord
from naslab.live.watch import StudyWatch
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Estimate, Outcome
from naslab.study.rungs import Rungs


def study_with_rungs(ledger: Ledger, networks: int, promoted: int, trials: int) -> None:
    """A study `rungs`: a training of ten seconds for each of `networks`, and another one for each of `promoted`."""
    problem, rungs = made_problem(), Rungs((1, 3))
    given = {"problem": msgspec.to_builtins(problem), "strategy": "random", "epochs": 3, "seed": 0, "trials": trials}
    ledger.create_study(StudyRecord(name="rungs", created=START, rungs=rungs, **given))
    ledger.add_run("rungs", RunRecord(command="naslab search", started=START))
    genomes = [each.genome for each in make_strategy("random", problem, seed=0).ask(networks)]
    trainings = [(genome, rung) for index, genome in enumerate(genomes) for rung in range(1 + (index < promoted))]
    for trial, (genome, rung) in enumerate(trainings):
        made = make_candidate(problem.space.decode(genome), trial, 1, 0, "search", genome, {})
        candidate = msgspec.structs.replace(made, fidelity=rungs.fidelity(rung))
        estimate = Estimate(measured={"accuracy": 50.0 + trial}, wall_seconds=10)
        ledger.start("rungs", [candidate])
        ledger.finish("rungs", Outcome(candidate=candidate, estimate=estimate, finished=START + 10 * (trial + 1)))


def test_trainings_on_a_higher_rung_are_no_more_networks(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        study_with_rungs(ledger, networks=8, promoted=8, trials=12)
        watch = StudyWatch(ledger, 1)
        watch.poll()
    assert (watch.num_done, watch.state) == (8, "stopped")
    assert (watch.pace().per_hour, watch.pace().seconds_left) == (pytest.approx(180), pytest.approx(80))
