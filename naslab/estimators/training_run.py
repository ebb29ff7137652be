"""A short training from data to measured values, inside a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from naslab.arch.build import build
from naslab.estimators.estimator import Workbench
from naslab.estimators.failures import failure_of
from naslab.estimators.latency import measure_latency
from naslab.outcome import Candidate, EpochRecord, Estimate
from naslab.training.data import DataSplit, load_dataset
from naslab.training.fit import device_name, require_fit
from naslab.training.loop import Clock, accuracy_sem, train

if TYPE_CHECKING:
    from naslab.estimators.short_training import ShortTraining


def prepare(how: ShortTraining, bench: Workbench) -> None:
    """Load the data onto the worker's device and set its threads."""
    torch.set_num_threads(bench.threads)
    data_on(bench, how)


def estimate(how: ShortTraining, candidate: Candidate, bench: Workbench) -> Estimate:
    """Train and evaluate a candidate; its failures are values."""
    split = data_on(bench, how)
    device = split.train.labels.device
    clock = Clock.start(how.time_limit_seconds)
    curve: list[EpochRecord] = []

    def report(epoch: EpochRecord) -> None:
        curve.append(epoch)
        bench.report(epoch)

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    failure = None
    measured: dict[str, float] = {}
    try:
        measured = measure(how, candidate, split, clock, report)
    except Exception as error:  # noqa: BLE001  (whatever a candidate does wrong is a value)
        failure = failure_of(error)
    if failure is not None and failure.reason == "out_of_memory" and device.type == "cuda":
        torch.cuda.empty_cache()  # what the candidate held is the allocator's until then
    return Estimate(
        measured=measured,
        curve=tuple(curve),
        failure=failure,
        wall_seconds=clock.elapsed,
        device=device_name(device),
        worker=bench.worker,
        peak_memory_bytes=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0,
        notes={"threads": bench.threads},
    )


def measure(
    how: ShortTraining, candidate: Candidate, split: DataSplit, clock: Clock, report: Callable[[EpochRecord], None]
) -> dict[str, float]:
    """The metrics of a trained candidate."""
    arch = candidate.arch
    require_fit(arch, split)
    module = build(arch, candidate.seed)
    curve = train(
        module,
        split,
        how.recipe,
        candidate.fidelity.epochs,
        size=arch.input[1:],
        seed=candidate.seed,
        clock=clock,
        report=report,
    )
    accuracy = curve[-1].validation_accuracy
    measured = {"accuracy": accuracy, "accuracy_sem": accuracy_sem(accuracy, len(split.validation))}
    if how.latency:
        seen = measure_latency(module, arch.input, split.train.labels.device)
        measured.update(latency_ms=seen.median_ms, latency_ms_iqr=seen.iqr_ms)
    return measured


def data_on(bench: Workbench, how: ShortTraining) -> DataSplit:
    """The data on the worker's device, loaded once a worker."""
    key = (DataSplit, how.data, how.data_dir, bench.device)
    if key not in bench.cache:
        bench.cache[key] = load_dataset(how.data, how.data_dir, bench.device)
    split: DataSplit = bench.cache[key]
    return split
