"""A search by rungs whose networks inherit, its worker killed and then its driver: nothing lost, nothing left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import warm_start
from in_process import workers_in_process
from inherit_driver import main as go_on

from naslab.analysis.study import StudyView
from naslab.estimators.estimator import Workbench
from naslab.estimators.inheritance import INHERITS
from naslab.lab.reading import open_study
from naslab.lab.search_estimators import estimator_of
from naslab.ledger import Ledger
from naslab.study.outcome import Candidate, Outcome

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent.parent
DRIVER = "import sys, inherit_driver, warm_start; warm_start.workers_start_warm(); inherit_driver.main(*sys.argv[1:])"
TRIALS = 8


class Lives(NamedTuple):
    """The study and its files as a killed driver left them, what was in flight then, and both at the end."""

    before: StudyView
    files_before: list[Path]
    in_flight: list[Candidate]
    after: StudyView
    files_after: list[Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heirs")


@pytest.fixture(scope="module")
def lives(folder: Path) -> Lives:
    command = [sys.executable, "-c", DRIVER, str(folder), str(TRIALS)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))}
    with warm_start.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as driver:
        assert driver.stdout is not None
        has_retried = False
        for line in driver.stdout:
            has_retried |= line == "retried\n"
            if has_retried and line.startswith("promoted") and line != "promoted 0\n":
                break
        driver.send_signal(signal.SIGKILL)
    before = open_study("heirs", folder / "naslab.db")
    with Ledger.open(folder / "naslab.db", create=False) as ledger:
        in_flight = ledger.in_flight("heirs")
    files = files_in(folder)
    with workers_in_process():
        go_on(str(folder), str(TRIALS))
    return Lives(before, files, in_flight, open_study("heirs", folder / "naslab.db"), files_in(folder))


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "naslab.db.blobs").rglob("*") if path.is_file())


def accuracies(outcome: Outcome) -> list[float]:
    return [epoch.validation_accuracy for epoch in outcome.estimate.curve]


def test_nothing_is_lost_and_nothing_trained_twice(lives: Lives, folder: Path) -> None:
    before, _, in_flight, view, _ = lives
    assert in_flight
    assert view.outcomes[: len(before.outcomes)] == before.outcomes
    assert all(each.is_complete for each in view.outcomes)
    assert sum(each.candidate.fidelity.epochs == 1 for each in view.outcomes) == TRIALS
    assert any(each.candidate.fidelity.epochs == 4 for each in view.outcomes)
    jobs = [(each.candidate.arch_id, each.candidate.fidelity) for each in view.outcomes]
    assert len(set(jobs)) == len(jobs)
    runs = Counter(map(int, (folder / "runs").read_text().split()))
    [killed] = [each.candidate.trial for each in view.outcomes if "retried" in each.estimate.notes]
    again = {each.trial for each in in_flight}
    assert set(runs) == {each.candidate.trial for each in view.outcomes}
    assert {trial for trial, count in runs.items() if count > 1} <= {killed, *again}
    assert max(runs.values()) == 2


def test_what_was_in_flight_is_trained_as_it_was_to_be(lives: Lives) -> None:
    view = lives.after
    by_trial = {each.candidate.trial: each for each in view.outcomes}
    assert [by_trial[each.trial].candidate for each in lives.in_flight] == lives.in_flight
    heirs = [each for each in view.outcomes if INHERITS in each.candidate.origin]
    assert any("retried" in each.estimate.notes for each in heirs)
    for each in heirs:
        parent = by_trial[each.candidate.origin[INHERITS]]
        assert each.candidate.start_from == parent.estimate.weights_sha256
        assert each.estimate.notes["inherited"]["from"] == parent.candidate.trial
        assert "from_scratch" not in each.estimate.notes
    for each in view.outcomes:
        if each.candidate.origin.get("operator") == "promote":
            own = by_trial[each.candidate.origin["from"]]
            assert each.candidate.start_from == own.estimate.weights_sha256
            assert accuracies(each)[: len(own.estimate.curve)] == accuracies(own)
            assert each.candidate.origin.get("ancestor_epochs") == own.candidate.origin.get("ancestor_epochs")


def test_the_same_weights_are_inherited_again(lives: Lives, folder: Path) -> None:
    view = lives.after
    with Ledger.open(folder / "naslab.db", create=False) as ledger:
        estimator = estimator_of(view.problem, None, view.record, ledger)
    [killed] = [each for each in view.outcomes if "retried" in each.estimate.notes]
    threads = torch.get_num_threads()
    try:
        bench = Workbench(device="cpu", threads=killed.estimate.notes["threads"])
        estimator.prepare(bench)
        assert estimator.estimate(killed.candidate, bench).measured == killed.estimate.measured
    finally:
        torch.set_num_threads(threads)


def test_only_checkpoints_that_may_be_needed_are_left(lives: Lives) -> None:
    held = {path.name for path in lives.files_before}
    assert any(name.startswith(".partial-") for name in held)  # the killed worker's
    assert {each.estimate.weights_sha256 for each in lives.before.outcomes} < held
    assert {path.name for path in lives.files_after} == {each.estimate.weights_sha256 for each in lives.after.outcomes}
