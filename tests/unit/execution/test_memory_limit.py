"""A limit on the memory of candidates: whose training takes more fails as out of memory, and the worker goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from fake_estimators import numbered_candidate
from made_studies import naslab

from naslab.errors import WorkerError
from naslab.estimators.own_training import OwnTraining
from naslab.execution.admission import Admission
from naslab.execution.executor import Finished
from naslab.execution.local import LocalExecutor
from naslab.execution.worker import Ready
from naslab.execution.workers import Workers
from naslab.study.problem import Objective
from naslab.training.memory import GivenMemory

GIB = 2**30


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a process is Linux's")
def test_what_takes_more_fails_and_its_worker_goes_on() -> None:
    def evaluate(network: Any, trial: Any) -> float:
        import torch

        return float(torch.ones(GIB if trial.number == 0 else 1000)[-1])

    training = OwnTraining(evaluate, "mine:evaluate", (Objective.named("f1:max"),))
    done: list[Finished] = []
    with LocalExecutor(training, 1, "cpu", memory_bytes=GIB // 2) as executor:
        for trial in range(2):
            executor.submit(numbered_candidate(trial))
            while len(done) <= trial:
                done += [each for each in executor.wait(5) if isinstance(each, Finished)]
    first, second = (each.estimate for each in done)
    assert first.failure is not None
    assert first.failure.reason == "out_of_memory"
    assert (second.failure, second.measured) == (None, {"f1": 1.0})


def test_candidates_wait_where_their_limits_do_not_fit_together() -> None:
    ready = Ready("cpu", "here", memory_bytes=10 * GIB)
    admission = Admission(GivenMemory(5 * GIB))
    running, next_one = numbered_candidate(0), numbered_candidate(1)
    assert admission.room_for(next_one, ready, [(ready, None), (ready, None)]) > 0
    assert admission.room_for(next_one, ready, [(ready, running), (ready, None)]) < 0
    assert Admission(GivenMemory(3 * GIB)).room_for(next_one, ready, [(ready, running), (ready, None)]) > 0


def test_a_memory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="memory_bytes: must be at least 1,048,576 for a training, got 4;"):
        Workers(memory_bytes=4)
    with pytest.raises(WorkerError, match="choose their device, time and memory themselves"):
        Workers(kind="ledger", memory_bytes=GIB)
    for text in ("much", "nan", "inf"):
        told = naslab(tmp_path, "search", "digits_demo", "--memory", text).refusal()
        assert f"--memory must be a number of bytes, as 4G or 500M, got '{text}'" in told
    assert "memory_bytes: must be at least" in naslab(tmp_path, "search", "digits_demo", "--memory", "4").refusal()
