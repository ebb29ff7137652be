"""A mirrored study in optuna-dashboard: its server on this machine, its pages in a real browser."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError

import msgspec
import optuna
import pytest
from browser_visit import WAIT_MILLISECONDS
from processes import HANG_SECONDS

from naslab.analysis.study import StudyView
from naslab.execution.source import make_candidate
from naslab.ledger.record import StudyRecord
from naslab.optuna_edge import mirror_study
from naslab.space import load_space
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe

pytestmark = pytest.mark.skipif(find_spec("optuna_dashboard") is None, reason="optuna-dashboard is not installed")


def study_of(trials: int) -> StudyView:
    """A search of two objectives under a limit whose fourth trial diverges."""
    goals = tuple(map(Objective.named, ("accuracy", "macs")))
    limits = (Limit.parse("macs<=3e6"),)
    problem = Problem(load_space("digits_demo"), goals, DataChoice(name="digits"), Recipe(), limits)
    outcomes = []
    for trial, proposal in enumerate(make_strategy("random", problem, seed=1).ask(trials)):
        arch = problem.space.decode(proposal.genome)
        candidate = make_candidate(arch, trial, 2, 0, "search", proposal.genome, proposal.origin)
        estimate = Estimate(measured={"accuracy": 80.0 + trial}, wall_seconds=8.0)
        if trial == 3:
            estimate = Estimate(failure=Failure(reason="diverged", message="the loss is not a number"))
        outcomes.append(Outcome(candidate=candidate, estimate=estimate, finished=1.7e9 + 10 * trial))
    record = StudyRecord(
        name="mirrored", problem=msgspec.to_builtins(problem), strategy="random", epochs=2, seed=0, trials=trials
    )
    return StudyView(record=record, problem=problem, outcomes=tuple(outcomes))


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[str]:
    """The address of a dashboard over a mirrored study of 8 trials."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    mirror_study(study_of(8), storage)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), storage, "--host", "127.0.0.1"]
    with (tmp_path / "log.txt").open("w") as log:
        server = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, server, tmp_path / "log.txt")
        yield address
    finally:
        server.terminate()
        server.wait(HANG_SECONDS)
        optuna.logging.set_verbosity(verbosity)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + HANG_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/api/studies", timeout=5):
                return
        except URLError:
            time.sleep(0.1)
    raise AssertionError(f"optuna-dashboard does not answer: {log.read_text()[-2000:]}")


@pytest.mark.slow
def test_the_dashboard_opens_a_mirrored_study(browser: Any, dashboard: str, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(WAIT_MILLISECONDS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{dashboard}/dashboard/")
    page.get_by_text("mirrored").first.click()
    page.wait_for_url("**/studies/*")
    points = page.locator(".scatterlayer path.point")
    points.first.wait_for()
    page.screenshot(path=tmp_path / "study.png")
    assert points.count() >= 7  # the front's picture has a point for each trial with a result
    page.goto(f"{page.url.split('?')[0].rstrip('/')}/trials")
    page.get_by_text("Trial 7", exact=False).first.wait_for()
    listed = page.locator("body").inner_text()
    page.get_by_text("Trial 3", exact=False).first.click()
    page.get_by_text("diverged", exact=False).first.wait_for()
    page.screenshot(path=tmp_path / "trials.png")
    assert all(f"Trial {number}" in listed for number in range(8))
    assert listed.count("Complete") >= 7
    assert "Fail" in listed
    assert errors == []
    page.close()
