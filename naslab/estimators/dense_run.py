"""A short training of a detector or segmenter on a candidate, inside a worker."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from naslab.arch.build import build
from naslab.dense_prediction.annotations import AnnotatedSet
from naslab.dense_prediction.dense_recipe import DenseRecipe
from naslab.dense_prediction.evaluation import DenseEvaluation, evaluate
from naslab.dense_prediction.fit import DenseEpoch, fit
from naslab.dense_prediction.package import make_module
from naslab.dense_prediction.tasks import DENSE_TASKS
from naslab.estimators.candidate_run import CandidateRun
from naslab.estimators.estimator import Begin, Workbench
from naslab.estimators.failures import failure_of
from naslab.estimators.stopping import StopRule
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure
from naslab.training.checkpoint import Origin, TrainingState
from naslab.training.fit import device_name

if TYPE_CHECKING:
    from naslab.estimators.dense_training import DenseTraining


def estimate(how: DenseTraining, candidate: Candidate, bench: Workbench, begin: Begin | None = None) -> Estimate:
    """Train and evaluate a detector or segmenter on `candidate` as `how` says, in the worker of `bench`.

    `begin` makes the module of the network with the weights that training begins with: by default those of an
    initialisation. Failures of the candidate are values.
    """
    started = time.perf_counter()
    told = CandidateRun(candidate, bench, how.checkpoints)
    measured: dict[str, float] = {}
    failure: Failure | None = None
    try:
        measured = _measure(how, candidate, bench, told, begin or build)
    except Exception as error:  # noqa: BLE001 - whatever a candidate does wrong is a value
        failure = failure_of(error)
    return Estimate(
        measured=measured,
        curve=tuple(told.curve),
        failure=failure,
        wall_seconds=time.perf_counter() - started,
        device=device_name(torch.device(bench.device)),
        worker=bench.worker,
        notes=told.notes,
        weights_sha256=told.weights_sha256,
    )


def _measure(
    how: DenseTraining, candidate: Candidate, bench: Workbench, told: CandidateRun, begin: Begin
) -> dict[str, float]:
    """Train and measure: the metrics by name."""
    data, fidelity = how.data_on(bench), candidate.fidelity
    cost = how.whole_cost(candidate.arch, len(data.classes))
    recipe = DenseRecipe()
    facts = how.facts_of(candidate.arch, data)
    module = make_module(facts, candidate.seed, begin)
    trained, _ = data.search_split()
    origin = Origin(candidate.arch, fidelity, candidate.seed)
    start = told.start(origin)
    told.begin(start)
    rule = StopRule(candidate, recipe.annealed_over(fidelity.schedule_epochs or fidelity.epochs), how.stop_early, cost)
    judge = _Judge(how, candidate, bench, data, module, told)

    def keep(state: TrainingState) -> None:
        told.keep(origin, *state.capture(tuple(told.curve)))

    fit(
        module,
        trained[: how.max_images],
        how.task,
        len(data.classes),
        channels=facts.arch.input[0],
        side=facts.side,
        device=bench.device,
        epochs=fidelity.epochs,
        schedule_epochs=fidelity.schedule_epochs,
        seed=candidate.seed,
        is_pretrained=how.is_pretrained,
        recipe=recipe,
        report=judge.report,
        start=start,
        is_clear=lambda: rule(told.curve),
        keep=keep if how.checkpoints is not None else None,
        between_steps=bench.turns.give_way,
    )
    measured = cost | (judge.last or judge.evaluated()).metrics
    if rule.has_stopped:
        told.notes["stopped"] = rule.note(told.curve)
        measured |= rule.measured(told.curve)
    return measured


class _Judge:
    """Evaluates a `module` of a `candidate` after epochs of its training, whose record is `told`.

    After each where that may end early, else after the last; `last` is the newest evaluation.
    """

    def __init__(
        self,
        how: DenseTraining,
        candidate: Candidate,
        bench: Workbench,
        data: AnnotatedSet,
        module: nn.Module,
        told: CandidateRun,
    ) -> None:
        self.last: DenseEvaluation | None = None
        self._how, self._candidate, self._bench = how, candidate, bench
        self._data, self._module, self._told = data, module, told
        self._started = time.perf_counter()

    def report(self, epoch: DenseEpoch) -> None:
        """Take an epoch as it ends, with what the module is worth then."""
        curve = self._told.curve
        if self._how.stop_early is not None or epoch.epoch == self._candidate.fidelity.epochs:
            self.last = self.evaluated()
        before = curve[-1].wall_seconds if curve else 0.0
        took = time.perf_counter() - self._started
        self._started += took
        self._told.report(EpochRecord(epoch.epoch, epoch.loss, math.nan, math.nan, before + took, self._values()))

    def evaluated(self) -> DenseEvaluation:
        """What the module is worth now, on images that no final training is tested on."""
        _, validated = self._data.search_split()
        shape = self._candidate.arch.input
        given: dict[str, Any] = {"channels": shape[0], "side": shape[1:], "device": self._bench.device}
        return evaluate(self._module, validated, self._how.task, len(self._data.classes), **given)

    def _values(self) -> dict[str, float]:
        """What the newest evaluation says of the epoch, the task's main metric first."""
        if self.last is None:
            return {}
        main = DENSE_TASKS[self._how.task].main
        metrics = {main: self.last.metrics[main], **self.last.metrics}
        return {name: value for name, value in metrics.items() if math.isfinite(value)}
