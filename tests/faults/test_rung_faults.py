"""Searches with rungs under real faults: killed workers and drivers, checkpoints cut short, trainings that hang."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rung_estimators import Disturbed

from naslab import lab
from naslab.analysis.study import StudyView
from naslab.blobs import BlobStore
from naslab.estimators.estimator import Workbench
from naslab.execution.workers import Workers
from naslab.outcome import Candidate, Estimate

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent.parent


def search(folder: Path, trials: int = 3, timeout_seconds: float | None = None) -> StudyView:
    return lab.search(
        "digits_demo",
        strategy="random",
        trials=trials,
        max_images=300,
        rungs=(1, 3),
        workers=Workers(count=1, device="cpu", timeout_seconds=timeout_seconds),
        ledger=folder / "naslab.db",
        study="rungs",
    )


def disturbed(monkeypatch: pytest.MonkeyPatch, folder: Path, how: str, times: int) -> None:
    """Let the searches' trainings be disturbed in their second epoch, which is in the middle of the second rung."""
    plain = lab.estimator_of
    monkeypatch.setattr(lab, "estimator_of", lambda *given: Disturbed(plain(*given), str(folder), how, times))


def again(candidate: Candidate) -> Estimate:
    """The candidate trained here from its beginning, without a checkpoint."""
    problem = lab.make_problem("digits_demo", None, ("accuracy", "macs"), (), None, 300)
    return lab.estimator_of(problem, None).estimate(candidate, Workbench(device="cpu"))


def accuracies(estimate: Estimate) -> list[float]:
    return [epoch.validation_accuracy for epoch in estimate.curve]


def test_a_worker_killed_in_the_middle_of_a_rung_goes_on_from_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed(monkeypatch, tmp_path, "dies", times=1)
    view = search(tmp_path)
    [promoted] = [each for each in view.outcomes if each.candidate.fidelity.epochs == 3]
    monkeypatch.undo()
    assert promoted.estimate.failure is None
    assert promoted.estimate.notes["retried"] is True
    assert promoted.estimate.notes["epochs_before"] == 1
    assert accuracies(promoted.estimate) == accuracies(again(promoted.candidate))


def test_a_worker_that_dies_twice_and_one_that_hangs_are_outcomes_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for how, times, reason in (("dies", 2, "worker_died"), ("hangs", 1, "timed_out")):
        folder = tmp_path / how
        folder.mkdir()
        disturbed(monkeypatch, folder, how, times)
        view = search(folder, trials=6, timeout_seconds=None if how == "dies" else 8.0)
        monkeypatch.undo()
        higher = [each for each in view.outcomes if each.candidate.fidelity.epochs == 3]
        reasons = [each.estimate.failure.reason for each in higher if each.estimate.failure is not None]
        assert reasons == [reason]
        assert any(each.is_complete for each in higher)
        assert len([each for each in view.outcomes if each.candidate.fidelity.epochs == 1]) == 6


def test_a_driver_killed_in_the_middle_of_a_rung_and_checkpoints_cut_short(tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "rung_driver.py"), str(tmp_path), "6"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if line == "epoch 2\n":  # of a promoted network: the first rung has one epoch
                break
        driver.send_signal(signal.SIGKILL)
    before = lab.open_study("rungs", tmp_path / "naslab.db")
    assert before.num_in_flight > 0
    store = BlobStore(tmp_path / "naslab.db.blobs")
    cut = sorted({each.estimate.weights_sha256 for each in before.outcomes} - {""})[::2]
    for sha256 in cut:
        if store.path(sha256).exists():
            store.path(sha256).write_bytes(store.path(sha256).read_bytes()[:5000])
    subprocess.run(command, check=True, capture_output=True)
    view = lab.open_study("rungs", tmp_path / "naslab.db")
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
    whole = msgspec.structs.replace(last.candidate, start_from="")
    assert accuracies(last.estimate) == accuracies(again(whole))
