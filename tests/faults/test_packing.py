"""Candidates that train at once: the results of training alone, and one's failure is its own."""

from __future__ import annotations

import os
import signal
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from naslab.arch import ArchSpec, ConvBlock, Stage
from naslab.estimators import training_run
from naslab.estimators.estimator import Workbench
from naslab.estimators.short_training import ShortTraining
from naslab.execution import local
from naslab.execution.executor import Finished
from naslab.execution.local import LocalExecutor
from naslab.execution.source import make_candidate
from naslab.execution.worker import Placement, Ready, Worker
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate
from naslab.study.recipe import Recipe, default_recipe
from naslab.training.data import DataSplit
from naslab.training.loop import train
from naslab.training.memory import WorkerMemory

DATA = DataChoice(name="digits", max_images=400)


def candidate(trial: int, width: int = 8, kind: str = "good") -> Candidate:
    stages = (Stage(block=ConvBlock(), width=width), Stage(block=ConvBlock(), width=2 * width, stride=2))
    arch = ArchSpec(input=(1, 8, 8), stages=stages, num_classes=10)
    return make_candidate(arch, trial, 2, trial, "search", origin={"kind": kind})


class Faulty(msgspec.Struct, frozen=True):
    """Short training that dies, diverges or runs out of memory where a candidate's origin says so.

    One that "halves" has memory for batches of 16 alone.
    """

    inner: ShortTraining

    def prepare(self, bench: Workbench) -> None:
        self.inner.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        kind = candidate.origin["kind"]
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "memory":
            torch.zeros(2**60, dtype=torch.uint8)
        how = self.inner
        if kind == "diverges":
            how = msgspec.structs.replace(how, recipe=Recipe(learning_rate=1e30))
        with pytest.MonkeyPatch.context() as patch:
            if kind == "halves":
                patch.setattr(training_run, "train", train_in_little_memory)
            return how.estimate(candidate, bench)


def train_in_little_memory(module: nn.Module, data: DataSplit, recipe: Recipe, *args: Any, **more: Any) -> Any:
    """After an epoch it runs out of memory, unless batches are small."""
    trained = train(module, data, recipe, *args, **more)
    if recipe.batch_size > 16:
        torch.zeros(2**60, dtype=torch.uint8)
    return trained


ESTIMATOR = Faulty(ShortTraining(data=DATA, recipe=default_recipe("digits")))


def run_alone(candidates: list[Candidate]) -> dict[int, Estimate]:
    """One after another, in this process."""
    threads = torch.get_num_threads()
    worker = Worker(ESTIMATOR, Placement("alone", 0, "cpu", None, threads=1))
    assert isinstance(worker.prepare(), Ready)
    done = {each.trial: worker.estimate(each, lambda _: None).estimate for each in candidates}
    torch.set_num_threads(threads)
    return done


def run_at_once(candidates: list[Candidate], num_workers: int) -> dict[int, Estimate]:
    memory = WorkerMemory(default_recipe("digits"), DATA)
    waiting, done = list(candidates), dict[int, Estimate]()
    with LocalExecutor(ESTIMATOR, num_workers, "cpu", memory=memory) as executor:
        while len(done) < len(candidates):
            while waiting and len(candidates) - len(waiting) - len(done) < num_workers:
                executor.submit(waiting.pop(0))
            for event in executor.wait(60):
                if isinstance(event, Finished):
                    done[event.candidate.trial] = event.estimate
    return done


def numbers(estimate: Estimate) -> list[tuple[float, float, float]]:
    return [(each.train_loss, each.validation_loss, each.validation_accuracy) for each in estimate.curve]


@pytest.mark.slow
def test_packed_candidates_get_the_results_of_training_alone_whatever_fails_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "count_cores", lambda: 1)  # one thread a worker
    good = [candidate(0), candidate(1, 12), candidate(2, 16, "halves")]
    bad = [candidate(3, kind="killed"), candidate(4, kind="memory"), candidate(5, kind="diverges")]
    alone = run_alone(good)
    packed = run_at_once([good[0], bad[0], good[1], bad[1], bad[2], good[2]], 2)
    for each in good:
        assert len(numbers(alone[each.trial])) == 2
        assert numbers(packed[each.trial]) == numbers(alone[each.trial])
    assert packed[2].notes["out_of_memory_at_batch_size"] == [32]
    reasons = {trial: packed[trial].failure.reason for trial in (3, 4, 5)}  # type: ignore[union-attr]
    assert reasons == {3: "worker_died", 4: "out_of_memory", 5: "diverged"}
