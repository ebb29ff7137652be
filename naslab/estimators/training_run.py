"""A short training from data to measured values, inside a worker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from naslab.arch.build import build
from naslab.estimators.candidate_run import CandidateRun
from naslab.estimators.estimator import Begin, Workbench
from naslab.estimators.failures import failure_of
from naslab.estimators.latency import measure_latency, noted_load
from naslab.estimators.stopping import StopRule
from naslab.metrics import ACCURACY, AT, LATENCY, find_metric
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, EpochRecord, Estimate
from naslab.study.recipe import Recipe
from naslab.targets.accuracy import accuracy_of_module
from naslab.targets.target import parse_target
from naslab.training.capturing import NOT_CAPTURED
from naslab.training.checkpoint import Origin
from naslab.training.data import DataSplit, load_dataset
from naslab.training.early_stopping import kept_epoch
from naslab.training.fidelity import arch_at, data_at, missing_classes, with_heads, without_heads
from naslab.training.fit import Beginning, device_name, require_fit
from naslab.training.halving import halving_notes, return_freed_memory, train_within_memory
from naslab.training.loop import Clock, accuracy_sem, train

if TYPE_CHECKING:
    from naslab.estimators.short_training import ShortTraining


def prepare(how: ShortTraining, bench: Workbench) -> None:
    """Load the data onto the worker's device and set its threads. Raises `DataError` and `DeviceError`."""
    torch.set_num_threads(bench.threads)
    data_on(bench, how.data, how.data_dir)


def estimate(how: ShortTraining, candidate: Candidate, bench: Workbench, begin: Begin | None = None) -> Estimate:
    """Train and evaluate `candidate` as `how` says, in the worker of `bench`; its failures are values.

    `begin` makes its module with the weights that training begins with: by default those of an initialisation.
    """
    split = Beginning({}, how.mean, how.deviation).normalised(data_on(bench, how.data, how.data_dir))
    device = split.train.labels.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    run = TrainingRun(how, candidate, bench, Clock.start(how.time_limit_seconds, bench.turns), begin or build)
    told = run.told
    failure = None
    measured: dict[str, float] = {}
    try:
        measured = run.measure(split)
    except Exception as error:  # noqa: BLE001  (whatever a candidate does wrong is a value)
        failure = failure_of(error)
    if device.type == "cuda" and (how.recipe.graphs != "off" or (failure and failure.reason == "out_of_memory")):
        torch.cuda.empty_cache()  # what the candidate held, or its recordings, is the allocator's until then
    return_freed_memory()  # other workers' candidates count on it
    return Estimate(
        measured=measured,
        curve=tuple(told.curve),
        failure=failure,
        wall_seconds=run.clock.elapsed,
        device=device_name(device),
        worker=bench.worker,
        peak_memory_bytes=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0,
        notes=told.notes,
        weights_sha256=told.weights_sha256,
    )


class TrainingRun:
    """One training of a candidate.

    `how` says on what `candidate` is trained and by which recipe, `bench` is the worker's, `clock` says when it must be
    done, `begin` makes the module. `told` is filled as it goes.
    """

    def __init__(self, how: ShortTraining, candidate: Candidate, bench: Workbench, clock: Clock, begin: Begin) -> None:
        self.clock = clock
        self.told = CandidateRun(candidate, bench, how.checkpoints)
        self._how = how
        self._candidate = candidate
        self._bench = bench
        self._begin = begin

    def measure(self, split: DataSplit) -> dict[str, float]:
        """Train on `split` and measure: the metrics by name.

        Raises `DataError` where the data do not fit the network, `DivergedError` where the loss does, `TimedOutError`
        after the deadline.
        """
        candidate, how, told = self._candidate, self._how, self.told
        fidelity = candidate.fidelity
        arch = arch_at(candidate.arch, fidelity)
        require_fit(arch, split)
        origin = Origin(arch, fidelity, candidate.seed)
        start = told.start(origin)
        images = data_at(split, fidelity, candidate.seed)
        if missing := missing_classes(images):
            told.notes["missing_classes"] = missing
        if split.num_skipped:
            told.notes["skipped_files"] = split.num_skipped
        rule = StopRule(candidate, how.recipe, how.stop_early)

        def make() -> nn.Module:
            told.begin(start)
            return with_heads(self._begin(arch, candidate.seed), arch, candidate.seed)

        def fit(module: nn.Module, recipe: Recipe) -> None:
            told.notes |= halving_notes(how.recipe, recipe, len(images.train))
            told.notes.pop(NOT_CAPTURED, None)  # of a larger batch
            train(
                module,
                images,
                recipe,
                fidelity.epochs,
                size=arch.input[1:],
                seed=candidate.seed,
                clock=self.clock,
                report=told.report,
                schedule_epochs=fidelity.schedule_epochs,
                start=start,
                is_clear=rule,
                keep=partial(told.keep, origin) if how.checkpoints is not None else None,
                remark=told.notes.__setitem__,
                metrics=how.metrics,
            )

        begun_at = None if start is None else start.progress.batch_size
        trained, _ = train_within_memory(make, fit, how.recipe, len(images.train), begun_at)
        module = without_heads(trained, arch)
        measured = measured_of(told.curve, how.recipe, split)
        if rule.has_stopped:
            told.notes["stopped"] = rule.note(told.curve)
            measured = measured | rule.measured(told.curve)
        for target in how.targets:
            seen_there = accuracy_of_module(module, arch, split, parse_target(target, self._bench.threads))
            row = find_metric(f"{ACCURACY.name}{AT}{target}")
            measured |= row.measured(seen_there.accuracy, seen_there.sem)
        if how.latency:
            # of the network itself: a fidelity's narrow or small proxy network is faster
            timed = module if arch == candidate.arch else build(candidate.arch, candidate.seed)
            with self._bench.turns.alone():
                seen = measure_latency(timed, candidate.arch.input, split.train.labels.device)
            measured |= LATENCY.measured(seen.median_ms, seen.iqr_ms)
            told.notes |= noted_load(seen)
        return measured


def measured_of(curve: Sequence[EpochRecord], recipe: Recipe, split: DataSplit) -> dict[str, float]:
    """What a training on `split` by `recipe` is worth: what was measured of the epoch whose weights were kept."""
    kept = kept_epoch(curve, recipe)
    measured = {name: value for name, value in kept.values.items() if math.isfinite(value)}
    if split.task != "classification":
        return measured
    accuracy = kept.validation_accuracy
    return ACCURACY.measured(accuracy, accuracy_sem(accuracy, len(split.validation))) | measured


def data_on(bench: Workbench, data: DataChoice, data_dir: str | None) -> DataSplit:
    """The data on the worker's device, loaded once a worker."""
    key = (DataSplit, data, data_dir, bench.device)
    if key not in bench.cache:
        bench.cache[key] = load_dataset(data, data_dir, bench.device)
    split: DataSplit = bench.cache[key]
    return split
