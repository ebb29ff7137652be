"""A user's training function as an estimator: `evaluate(network, trial)` returns numbers."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from naslab.estimators.estimator import Workbench
from naslab.estimators.failures import failure_of
from naslab.estimators.trial import ReturnedError, StudyParts, Trial, numbers
from naslab.metrics import ACCURACY, EVALUATION, LATENCY, TIMING, find_metric, is_declared, metrics
from naslab.study.data_choice import OWN_DATA, DataChoice
from naslab.study.outcome import Candidate, Estimate, Failure
from naslab.study.problem import Objective
from naslab.study.recipe import Recipe
from naslab.targets.metrics import is_at

if TYPE_CHECKING:
    from naslab.training.data import DataSplit

SCORE = "score"
"""What the one number of a function is called where no objective names it; larger is better."""


class OwnTraining(msgspec.Struct, frozen=True):
    """Trains a candidate by the user's `function` of a torch module and a `Trial`, called `name`.

    `objectives` are the study's: those that are not described must be among the numbers returned, but for latency,
    which naslab measures itself before the training where it is asked for and not returned. `folder` is where each
    network has a folder for checkpoints. `data`, `recipe` and `data_dir` are the study's, for a function that asks for
    them. In `checkpoints`, where a study's candidates inherit, the network's weights are kept as the function leaves
    them, and a candidate with a parent there is given a network that begins with these. `stop_early` is the confidence
    with which `should_stop` says that a training may end whose reported accuracy will not reach the candidate's
    accuracy to beat. What the function raises, and what it returns that is no number, is a failure of the candidate; of
    the traceback the user's part is kept.
    """

    function: Callable[..., Any]
    name: str
    objectives: tuple[Objective, ...] = ()
    folder: str | None = None
    stop_early: float | None = None
    data: DataChoice | None = None
    recipe: Recipe | None = None
    data_dir: str | None = None
    checkpoints: str | None = None

    def prepare(self, bench: Workbench) -> None:
        """Set the threads of torch; data are the function's own business."""
        import torch  # a driver does without

        torch.set_num_threads(bench.threads)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Build the candidate's network, train it by the user's function, and take the numbers."""
        import torch

        from naslab.estimators.own_weights import begin, keep
        from naslab.estimators.stopping import StopRule
        from naslab.training.fidelity import arch_at
        from naslab.training.fit import device_name

        device = torch.device(bench.device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        started = time.perf_counter()
        failure: Failure | None = None
        measured: dict[str, float] = {}
        notes: dict[str, Any] = {"threads": bench.threads}
        trial: Trial | None = None
        weights_sha256 = ""
        rule = StopRule(candidate, Recipe(schedule="constant"), self.stop_early)
        try:
            seed_everything(candidate.seed)
            arch = arch_at(candidate.arch, candidate.fidelity)
            network, begun = begin(candidate, arch, self.checkpoints)
            notes |= begun
            trial = Trial(
                candidate,
                arch,
                bench.device,
                self._folder_of(candidate),
                bench.report,
                rule,
                StudyParts(partial(self._data, bench), self.recipe, self._metrics, "inherited" in begun),
            )
            measured = self._timed(candidate, bench)
            with redirect_stderr(sys.stdout):  # what it says is passed on in one order
                returned = self.function(network.to(device), trial)
            measured |= numbers(returned, self._wanted(measured), _described(), self.name)
            if self.checkpoints is not None:
                weights_sha256 = keep(network, candidate, arch, trial.curve, self.checkpoints, notes.__setitem__)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a training does wrong is a value
            failure = failure_of(error)
        curve = () if trial is None else tuple(trial.curve)
        if trial is not None and trial.has_stopped:
            notes["stopped"] = rule.note(curve)
        return Estimate(
            measured=measured,
            curve=curve,
            failure=failure,
            wall_seconds=time.perf_counter() - started,
            device=device_name(device),
            worker=bench.worker,
            peak_memory_bytes=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0,
            notes=notes,
            weights_sha256=weights_sha256,
        )

    def _wanted(self, measured: dict[str, float]) -> list[str]:
        """The objectives that the function must return."""
        known = {*measured, *_described(), *(goal.metric for goal in self.objectives if is_at(goal.metric))}
        return [goal.metric for goal in self.objectives if goal.metric not in known] or ([] if known else [SCORE])

    def _timed(self, candidate: Candidate, bench: Workbench) -> dict[str, float]:
        """The latency of the untrained network, where it is an objective."""
        goals = [goal.metric for goal in self.objectives if is_declared(goal.metric)]
        if all(find_metric(name).measured_by != TIMING for name in goals):
            return {}
        from naslab.arch.build import build
        from naslab.estimators.latency import measure_latency

        network = build(candidate.arch, candidate.seed)
        with bench.turns.alone():
            seen = measure_latency(network, candidate.arch.input, bench.device)
        return LATENCY.measured(seen.median_ms, seen.iqr_ms)

    def _data(self, bench: Workbench) -> DataSplit:
        """The study's data on the worker's device."""
        from naslab.estimators.training_run import data_on

        if self.data is None or self.data.name == OWN_DATA:
            raise ReturnedError("this study has no data of naslab's: name a data set, as --dataset digits")
        return data_on(bench, self.data, self.data_dir)

    @property
    def _metrics(self) -> tuple[str, ...]:
        """The objectives that naslab's evaluation measures beside accuracy."""
        goals = [goal.metric for goal in self.objectives if is_declared(goal.metric) and goal.metric != ACCURACY.name]
        return tuple(name for name in goals if find_metric(name).measured_by == EVALUATION)

    def _folder_of(self, candidate: Candidate) -> Path | None:
        return None if self.folder is None else Path(self.folder) / f"{candidate.arch_id}-{candidate.seed}"


def seed_everything(seed: int) -> None:
    """Seed what a training that seeds nothing draws from: Python's `random`, numpy and torch."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _described() -> list[str]:
    return [row.name for row in metrics() if row.is_described]
