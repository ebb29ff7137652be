"""Searches with rungs under real faults: killed workers and drivers, checkpoints cut short, trainings that hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec
import pytest
import torch
import warm_start
from in_process import workers_in_process
from rung_driver import main as go_on
from rung_estimators import DiesOnce, Faulty
from stopped_clock import StoppedClock
from tiny_search import Counting, numbered_problem, numbered_study

from naslab.blobs import BlobStore
from naslab.estimators.estimator import Workbench
from naslab.execution import worker_pool
from naslab.execution.executor import Executor, Finished, Happened
from naslab.execution.search import run_candidates
from naslab.execution.search_source import RungSource
from naslab.execution.source import StrategySource
from naslab.execution.workers import Workers
from naslab.lab import search as lab
from naslab.lab.problems import make_problem
from naslab.lab.reading import open_study
from naslab.lab.search_estimators import estimator_of
from naslab.study.outcome import Candidate, Estimate, Outcome
from naslab.study.rungs import Rungs

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent.parent
DRIVER = "import sys, rung_driver, warm_start; warm_start.workers_start_warm(); rung_driver.main(*sys.argv[1:])"


def again(outcome: Outcome) -> Estimate:
    """The candidate trained here from its beginning, without a checkpoint, on as many threads."""
    problem = make_problem("digits_demo", None, ("accuracy", "macs"), (), None, 300)
    estimator = estimator_of(problem, None)
    bench = Workbench(device="cpu", threads=outcome.estimate.notes["threads"])
    threads = torch.get_num_threads()
    try:
        estimator.prepare(bench)
        return estimator.estimate(msgspec.structs.replace(outcome.candidate, start_from=""), bench)
    finally:
        torch.set_num_threads(threads)


def accuracies(estimate: Estimate) -> list[float]:
    return [epoch.validation_accuracy for epoch in estimate.curve]


def test_a_worker_killed_in_the_middle_of_a_rung_goes_on_from_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = estimator_of
    monkeypatch.setattr(lab, "estimator_of", lambda *given: DiesOnce(plain(*given), str(tmp_path)))
    view = lab.search(
        "digits_demo",
        strategy="random",
        trials=2,
        max_images=300,
        rungs=(1, 3),
        workers=Workers(count=1, device="cpu"),
        ledger=tmp_path / "naslab.db",
        study="rungs",
    )
    monkeypatch.undo()
    [promoted] = [each for each in view.outcomes if each.candidate.fidelity.epochs == 3]
    assert (tmp_path / "killed").exists()
    assert promoted.estimate.failure is None
    assert promoted.estimate.notes["retried"] is True
    assert promoted.estimate.notes["epochs_before"] == 1
    assert accuracies(promoted.estimate) == accuracies(again(promoted))


class HungAlone:
    """An executor whose time passes only while one candidate is left, the one that hangs."""

    def __init__(self, inner: Executor, clock: StoppedClock) -> None:
        self.num_slots = inner.num_slots
        self._inner, self._clock = inner, clock
        self._in_flight: list[Candidate] = []

    def submit(self, candidate: Candidate) -> None:
        self._in_flight.append(candidate)
        self._inner.submit(candidate)

    def wait(self, timeout: float) -> Sequence[Happened]:
        happened: Sequence[Happened] = []
        in_flight = [(each.arch.stages[0].width, each.fidelity.epochs) for each in self._in_flight]
        while not happened and in_flight == [(17, 3)]:
            self._clock.now += 5.0
            happened = self._inner.wait(0.0)
            time.sleep(0.01)
        happened = happened or self._inner.wait(timeout)
        for event in happened:
            if isinstance(event, Finished):
                self._in_flight.remove(event.candidate)
        return happened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def test_networks_that_kill_their_worker_or_hang_in_a_rung_are_outcomes_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, rungs = numbered_problem(), Rungs((1, 3, 9))
    networks = StrategySource(Counting(), problem, rungs.fidelity(0), 0, 18)
    source = RungSource(networks, rungs, problem.objectives[:1])
    workers = Workers(count=2, device="cpu", timeout_seconds=4.0)
    clock = StoppedClock()
    monkeypatch.setattr(worker_pool, "time", clock)
    with numbered_study(tmp_path) as ledger, workers.start(Faulty(dies_at=18, hangs_at=17)) as executor:
        run_candidates("numbered", ledger, HungAlone(executor, clock), source)
        outcomes = ledger.outcomes("numbered")
    failed = {each.candidate.arch.stages[0].width: each for each in outcomes if not each.is_complete}
    reasons = {width: each.estimate.failure and each.estimate.failure.reason for width, each in failed.items()}
    assert reasons == {18: "worker_died", 17: "timed_out"}
    assert all(each.candidate.fidelity == rungs.fidelity(1) for each in failed.values())
    counts = [sum(each.candidate.fidelity == rungs.fidelity(rung) for each in outcomes) for rung in range(3)]
    assert counts[0] == 18
    assert counts[1] >= 6
    assert counts[2] >= 2


def test_a_driver_killed_in_the_middle_of_a_rung_and_checkpoints_cut_short(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVER, str(tmp_path), "6"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))}
    with warm_start.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if line == "epoch 2\n":  # of a promoted network: the first rung has one epoch
                break
        driver.send_signal(signal.SIGKILL)
    before = open_study("rungs", tmp_path / "naslab.db")
    assert before.num_in_flight > 0
    store = BlobStore(tmp_path / "naslab.db.blobs" / "checkpoints" / "1")
    cut = sorted({each.estimate.weights_sha256 for each in before.outcomes} - {""})[::2]
    for sha256 in cut:
        if store.path(sha256).exists():
            store.path(sha256).write_bytes(store.path(sha256).read_bytes()[:5000])
    with workers_in_process():
        go_on(str(tmp_path), "6")
    view = open_study("rungs", tmp_path / "naslab.db")
    jobs = [(each.candidate.arch_id, each.candidate.fidelity) for each in view.outcomes]
    assert len(set(jobs)) == len(jobs)
    assert view.outcomes[: len(before.outcomes)] == before.outcomes
    assert sum(each.candidate.fidelity.epochs == 1 for each in view.outcomes) == 6
    assert all(each.is_complete for each in view.outcomes)
    assert any(each.candidate.fidelity.epochs == 6 for each in view.outcomes)
    for each in view.outcomes[len(before.outcomes) :]:
        if each.candidate.start_from in cut:
            assert "is damaged" in each.estimate.notes["from_scratch"]
        elif each.candidate.start_from:
            assert each.estimate.notes["epochs_before"] in (1, 3)
    last = max(view.outcomes, key=lambda each: each.candidate.fidelity)
    assert accuracies(last.estimate) == accuracies(again(last))
