"""Ray Tune: the searcher's and the trainable's promises, and a real experiment that is killed and restored."""

from __future__ import annotations

import json
import os
import pickletools
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from fake_estimators import NoData, Scripted, numbered_candidate, runs_of
from processes import running_with, wait_until
from tiny_search import Counting, numbered_problem

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")]
TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def tune() -> Any:
    """The module under test, which loads all of Ray Tune."""
    import naslab.execution.tune

    return naslab.execution.tune


def config_of(trial: int = 0, **origin: Any) -> dict[str, Any]:
    import msgspec

    config: dict[str, Any] = msgspec.to_builtins(numbered_candidate(trial, **origin))
    return config


def test_a_searcher_proposes_candidates_and_tells_every_end(tune: Any) -> None:
    strategy = Counting(size=4)
    searcher = tune.Searcher(strategy, numbered_problem(), epochs=3, seed=5)
    configs = [searcher.suggest(f"id{number}") for number in range(4)]
    assert [config["trial"] for config in configs] == [0, 1, 2, 3]
    assert configs[1]["fidelity"] == {"epochs": 3}
    assert searcher.suggest("id4") == searcher.FINISHED
    assert (searcher.metric, searcher.mode) == ("accuracy", "max")
    told: list[Any] = []
    strategy.tell = told.extend  # type: ignore[method-assign, assignment]
    searcher.on_trial_complete("id2", {"accuracy": 90.0, "training_iteration": 3, "time_total_s": 1.5})
    searcher.on_trial_complete("id0", {"accuracy": 70.0, "training_iteration": 1})
    searcher.on_trial_complete("id1", error=True)
    searcher.on_trial_complete("id3", {"accuracy": float("nan")})
    searcher.on_trial_complete("never suggested", {"accuracy": 1.0})
    assert [outcome.candidate.trial for outcome in told] == [2, 0, 1, 3]
    assert [outcome.is_complete for outcome in told] == [True, True, False, False]
    assert [outcome.candidate.fidelity.epochs for outcome in told] == [3, 1, 3, 3]
    assert told[0].estimate.measured == {"accuracy": 90.0}
    assert told[0].estimate.wall_seconds == 1.5


def test_a_searcher_goes_on_from_its_saved_state(tune: Any, tmp_path: Path) -> None:
    first = tune.Searcher(Counting(), numbered_problem())
    for number in range(3):
        first.suggest(f"id{number}")
    first.on_trial_complete("id1", {"accuracy": 50.0})
    first.save(str(tmp_path / "state"))
    strategy = Counting()
    second = tune.Searcher(strategy, numbered_problem())
    second.restore(str(tmp_path / "state"))
    assert (strategy.told, strategy.adopted) == ([1], [0, 2])
    assert second.suggest("id3")["trial"] == 3
    second.on_trial_complete("id2", {"accuracy": 60.0})
    assert strategy.told == [1, 2]


def test_a_trainable_reports_every_epoch_and_the_estimate_with_the_last(tune: Any, tmp_path: Path) -> None:
    training = tune.trainable(Scripted(str(tmp_path)), device="cpu")(config_of(0))
    first, last = training.train(), training.train()
    assert (first["done"], first["accuracy"]) == (False, 50.0)
    assert (last["done"], last["accuracy"], last["macs"]) == (True, 50.0, numbered_candidate(0).cost.macs)
    training.stop()


def test_a_trainable_takes_the_next_trial_with_the_worker_as_it_is(tune: Any, tmp_path: Path) -> None:
    training = tune.trainable(Scripted(str(tmp_path)), device="cpu")(config_of(0))
    training.train()
    assert training.reset(config_of(3))  # while the first one may train
    assert [training.train()["done"] for _ in range(2)] == [False, True]
    training.stop()
    assert runs_of(tmp_path) == {0: 1, 3: 1}


def test_a_failed_candidate_fails_its_trial_and_missing_data_the_set_up(tune: Any, tmp_path: Path) -> None:
    from naslab.errors import DataError

    training = tune.trainable(Scripted(str(tmp_path)), device="cpu")(config_of(0, kind="raises"))
    with pytest.raises(RuntimeError, match="error: ValueError: a bad network"):
        training.train()
    training.stop()
    with pytest.raises(DataError, match="no folder /nowhere"):
        tune.trainable(NoData(), device="cpu")(config_of(0))


def num_noted(experiment: Path) -> int:
    """The finished trials in the state that Tune has written; 0 where it is in the middle of writing.

    Tune copies its files over the old ones, first made empty: one that is killed meanwhile cannot be restored.
    """
    kinds = ("experiment_state-*.json", "searcher-state-*.pkl", "search_gen_state-*.json")
    try:
        [state], [told], [generator] = ([path.read_bytes() for path in experiment.glob(kind)] for kind in kinds)
        state = json.loads(state)
        json.loads(told)
        deque(pickletools.genops(generator), maxlen=0)
    except ValueError:  # cut short, or not there yet
        return 0
    return sum(json.loads(trial)["status"] == "TERMINATED" for trial, _ in state["trial_data"])


HOLDS_FROM = 4
"""Trials from this one on wait until the file `go` is there: what is killed before is half way."""


def killed_with(process: subprocess.Popen[bytes], experiment: Path, num_trials: int) -> bool:
    """Kill Tune where what it has written is whole and holds so many finished trials; otherwise it goes on."""
    if num_noted(experiment) < num_trials:
        return False
    process.send_signal(signal.SIGSTOP)
    is_whole = num_noted(experiment) >= num_trials
    process.send_signal(signal.SIGKILL if is_whole else signal.SIGCONT)
    return is_whole


def test_an_experiment_that_is_killed_and_restored_meets_its_budget(tmp_path: Path) -> None:
    mark = str(tmp_path)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path)),
        "TUNE_GLOBAL_CHECKPOINT_S": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TEST_MARK": mark,
    }
    command = [sys.executable, str(TESTS / "tune_driver.py"), str(tmp_path), "8", str(HOLDS_FROM)]
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        noted = tmp_path / "experiment"
        assert wait_until(lambda: killed_with(first, noted, 2))
        first.wait()
        finished = num_noted(noted)
        assert 2 <= finished <= HOLDS_FROM
        assert wait_until(lambda: running_with(f"TEST_MARK={mark}") == [])
        (tmp_path / "go").touch()
        second = subprocess.run(command, env=environment, capture_output=True, text=True)
    finally:
        for pid in running_with(f"TEST_MARK={mark}"):
            os.kill(pid, signal.SIGKILL)
    assert second.returncode == 0, second.stderr
    assert "trials [0, 1, 2, 3, 4, 5, 6, 7]" in second.stdout
    assert "errors 0" in second.stdout
    runs = runs_of(tmp_path)
    assert set(runs) == set(range(8))
    assert sum(number == 1 for number in runs.values()) >= finished
