"""Killed drivers, killed workers and Ctrl-C: nothing finished is lost or run twice, nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_estimators import Scripted, numbered_candidate, run_file, runs_of
from processes import is_alive, running_with, wait_until, wait_until_dead
from stopped_clock import StoppedClock

import naslab
from naslab.execution import worker_pool
from naslab.execution.executor import Finished
from naslab.execution.local import LocalExecutor
from naslab.ledger import Ledger

TESTS = Path(__file__).parents[1]
DRIVER = TESTS / "numbered_driver.py"

pytestmark = [
    pytest.mark.usefixtures("cold_workers"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc"),
]


class Driver:
    """A search in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], mark: str) -> None:
        self.process = process
        self.mark = mark
        self.lines: list[str] = []

    def read_until(self, start: str) -> str:
        """The next line that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if line.startswith(start):
                return line.strip()
        raise AssertionError(f"no line '{start}' in {self.lines}; {self.errors()}")

    def finish(self) -> list[str]:
        """Every line until the end, which must be a good one."""
        assert self.process.stdout is not None
        self.lines += [line.strip() for line in self.process.stdout]
        assert self.process.wait() == 0, self.errors()
        return self.lines

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def driver(folder: Path, trials: int, kind: str = "local", holds_from: int | None = None) -> Iterator[Driver]:
    """A running search; whatever it started is marked in its environment.

    Trials from `holds_from` on wait for the file `go`, so that two of them are in flight as long as the test likes.
    """
    mark = uuid.uuid4().hex
    first_held = trials if holds_from is None else holds_from
    process = subprocess.Popen(
        [sys.executable, str(DRIVER), str(folder), str(trials), kind, str(first_held)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TEST_MARK": mark, "PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))},
    )
    try:
        yield Driver(process, mark)
    finally:
        for pid in running_with(mark):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def wait_for_both(folder: Path, trial: int) -> None:
    """Return once this trial and the next are at work; those before have ended."""
    assert wait_until(lambda: run_file(folder, trial).exists() and run_file(folder, trial + 1).exists())


def check_completed(folder: Path, trials: int, finished_before: int) -> None:
    """The study met its budget, and only the two that were in flight ran twice."""
    with Ledger.open(folder / "studies.db", create=False) as ledger:
        outcomes = ledger.outcomes("numbered")
        assert ledger.in_flight("numbered") == []
    assert sorted(outcome.candidate.trial for outcome in outcomes) == list(range(trials))
    assert len({outcome.candidate.arch_id for outcome in outcomes}) == trials
    in_flight = (finished_before, finished_before + 1)
    assert runs_of(folder) == {trial: 2 if trial in in_flight else 1 for trial in range(trials)}


def finished_in(folder: Path) -> tuple[int, int]:
    with Ledger.open(folder / "studies.db", create=False) as ledger:
        return len(ledger.outcomes("numbered")), len(ledger.in_flight("numbered"))


@pytest.mark.parametrize("kind", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_driver_killed_half_way_loses_nothing_and_leaves_no_process(tmp_path: Path, kind: str) -> None:
    trials, kill_at = (12, 5) if kind == "local" else (6, 2)
    with driver(tmp_path, trials, kind, holds_from=kill_at) as first:
        first.read_until(f"finished {kill_at}")
        wait_for_both(tmp_path, kill_at)
        first.process.kill()
        first.process.wait()
        assert wait_until(lambda: running_with(first.mark) == []), running_with(first.mark)
    assert finished_in(tmp_path) == (kill_at, 2)
    with driver(tmp_path, trials, kind) as second:
        lines = second.finish()
        assert wait_until(lambda: running_with(second.mark) == []), running_with(second.mark)
    assert lines[0] == f"resumed {kill_at} 2"
    assert lines[-1] == f"finished {trials} of {trials}"
    assert len(lines) == 1 + trials - kill_at  # nobody else writes to stdout
    check_completed(tmp_path, trials, kill_at)


def test_a_driver_killed_again_and_again_still_meets_its_budget(tmp_path: Path) -> None:
    for finished in (2, 4, 6):
        with driver(tmp_path, trials=8, holds_from=finished) as each:
            each.read_until(f"finished {finished}")
            wait_for_both(tmp_path, finished)
            each.process.kill()
            each.process.wait()
    with driver(tmp_path, trials=8) as last:
        last.finish()
    with Ledger.open(tmp_path / "studies.db", create=False) as ledger:
        assert sorted(outcome.candidate.trial for outcome in ledger.outcomes("numbered")) == list(range(8))
    assert sum(runs_of(tmp_path).values()) == 8 + 3 * 2


def test_control_c_for_the_whole_group_is_the_drivers_alone(tmp_path: Path) -> None:
    with driver(tmp_path, trials=12, holds_from=4) as first:
        first.read_until("finished 4")
        wait_for_both(tmp_path, 4)
        os.killpg(first.process.pid, signal.SIGINT)
        assert first.read_until("interrupted") == "interrupted 2"
        assert first.process.wait() != 0
        assert "KeyboardInterrupt" in first.errors()
        assert wait_until(lambda: running_with(first.mark) == []), running_with(first.mark)
    assert finished_in(tmp_path) == (4, 2)
    with driver(tmp_path, trials=12) as second:
        assert second.finish()[0] == "resumed 4 2"
    check_completed(tmp_path, 12, 4)


def test_a_worker_killed_from_outside_costs_one_repetition(tmp_path: Path) -> None:
    with driver(tmp_path, trials=8, holds_from=2) as each:
        each.read_until("finished 2")
        wait_for_both(tmp_path, 2)
        workers = [pid for pid in running_with("naslab.execution.worker_process") if pid in running_with(each.mark)]
        leaders = [pid for pid in workers if os.getpgid(pid) == pid]
        assert len(leaders) == 2
        os.kill(leaders[0], signal.SIGKILL)
        (tmp_path / "go").touch()
        each.finish()
    with Ledger.open(tmp_path / "studies.db", create=False) as ledger:
        outcomes = ledger.outcomes("numbered")
    assert sorted(outcome.candidate.trial for outcome in outcomes) == list(range(8))
    assert all(outcome.is_complete for outcome in outcomes)
    assert sum("retried" in outcome.estimate.notes for outcome in outcomes) == 1
    assert sum(runs_of(tmp_path).values()) == 9


def child_of(folder: Path, trial: int, executor: LocalExecutor) -> int:
    """The process that a trial starts, once it has."""
    note = folder / f"child-{trial}"
    assert wait_until(lambda: executor.wait(0.0) == [] and note.exists() and bool(note.read_text()))
    return int(note.read_text())


def test_what_a_worker_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StoppedClock()
    monkeypatch.setattr(worker_pool, "time", clock)
    with LocalExecutor(Scripted(str(tmp_path)), 1, timeout_seconds=0.5) as executor:
        executor.submit(numbered_candidate(0, "has_child"))
        overdue = child_of(tmp_path, 0, executor)
        assert is_alive(overdue)
        clock.now += 0.6
        assert executor.wait(1.0)
        assert wait_until_dead(overdue)
        executor.submit(numbered_candidate(1, "has_child"))
        busy = child_of(tmp_path, 1, executor)
        assert is_alive(busy)
    assert wait_until_dead(busy)


def test_what_a_killed_worker_started_ends_before_the_driver_does(tmp_path: Path) -> None:
    with LocalExecutor(Scripted(str(tmp_path)), 1) as executor:
        executor.submit(numbered_candidate(0, "has_child", dies=True))
        assert wait_until(lambda: any(isinstance(each, Finished) for each in executor.wait(0.2)))
        assert wait_until_dead(int((tmp_path / "child-0").read_text()))


KILLED_DRIVER = """
import sys
from fake_estimators import Scripted, numbered_candidate
from naslab.execution.local import LocalExecutor
executor = LocalExecutor(Scripted(sys.argv[1]), 1).__enter__()
executor.submit(numbered_candidate(0, "has_child"))
executor.wait(1000)
"""


def test_what_a_worker_started_ends_with_a_killed_driver(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))}
    process = subprocess.Popen([sys.executable, "-c", KILLED_DRIVER, str(tmp_path)], env=environment)
    note = tmp_path / "child-0"
    assert wait_until(lambda: note.exists() and bool(note.read_text()))
    child = int(note.read_text())
    assert is_alive(child)
    process.kill()
    process.wait()
    assert wait_until_dead(child)


SCRIPT = f"""
import sys
sys.path[:0] = [{str(Path(naslab.__file__).parents[1])!r}, {str(TESTS)!r}]
from fake_estimators import numbered_candidate
from naslab.execution.executor import Finished
from naslab.execution.local import LocalExecutor
from naslab.study.outcome import Estimate

class Mine:
    def prepare(self, bench): print("noise on stdout")
    def estimate(self, candidate, bench): return Estimate(measured={{"accuracy": 42.0}})

with LocalExecutor(Mine(), 1) as executor:
    executor.submit(numbered_candidate(0))
    [done] = [event for event in executor.wait(1000) if isinstance(event, Finished)]
    print(done.estimate.measured["accuracy"])
"""


def test_a_script_from_stdin_needs_no_main_guard_and_its_stdout_is_its_own() -> None:
    shown = subprocess.run([sys.executable, "-"], input=SCRIPT, capture_output=True, text=True)
    assert (shown.stdout, shown.stderr, shown.returncode) == ("42.0\n", "", 0)
