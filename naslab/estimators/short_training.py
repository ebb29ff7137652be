"""The estimate that a search lives on: train for a few epochs, look at the validation images."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import torch

from naslab.arch.build import build
from naslab.estimators.estimator import Workbench
from naslab.estimators.failures import failure_of
from naslab.estimators.latency import measure_latency
from naslab.outcome import Candidate, EpochRecord, Estimate
from naslab.training.choice import DataChoice
from naslab.training.data import DataSplit, load_dataset
from naslab.training.fit import device_name, require_fit
from naslab.training.loop import Clock, accuracy_sem, train
from naslab.training.recipe import Recipe


class ShortTraining(msgspec.Struct, frozen=True, kw_only=True):
    """Trains a candidate from scratch for its fidelity's epochs; the accuracy is the last epoch's on validation images.

    `latency` measures the trained network's forward pass of one image too. `time_limit_seconds` is for one candidate,
    looked at between batches. `peak_memory_bytes` is the GPU's, 0 on a CPU.

    >>> from naslab.training.recipe import default_recipe
    >>> ShortTraining(data=DataChoice(name="digits"), recipe=default_recipe("digits")).latency
    False
    """

    data: DataChoice
    recipe: Recipe
    data_dir: str | None = None
    latency: bool = False
    time_limit_seconds: float | None = None

    def prepare(self, bench: Workbench) -> None:
        """Load the data onto the worker's device and set its threads. Raises `DataError` and `DeviceError`."""
        torch.set_num_threads(bench.threads)
        self._split(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Train and evaluate a candidate; its failures are values."""
        split = self._split(bench)
        device = split.train.labels.device
        clock = Clock.start(self.time_limit_seconds)
        curve: list[EpochRecord] = []

        def report(epoch: EpochRecord) -> None:
            curve.append(epoch)
            bench.report(epoch)

        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        failure = None
        measured: dict[str, float] = {}
        try:
            measured = self._measure(candidate, split, clock, report)
        except Exception as error:  # noqa: BLE001  (whatever a candidate does wrong is a value)
            failure = failure_of(error)
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

    def _measure(
        self, candidate: Candidate, split: DataSplit, clock: Clock, report: Callable[[EpochRecord], None]
    ) -> dict[str, float]:
        """The metrics of a trained candidate."""
        arch = candidate.arch
        require_fit(arch, split)
        module = build(arch, candidate.seed)
        curve = train(
            module,
            split,
            self.recipe,
            candidate.fidelity.epochs,
            size=arch.input[1:],
            seed=candidate.seed,
            clock=clock,
            report=report,
        )
        accuracy = curve[-1].validation_accuracy
        measured = {"accuracy": accuracy, "accuracy_sem": accuracy_sem(accuracy, len(split.validation))}
        if self.latency:
            seen = measure_latency(module, arch.input, split.train.labels.device)
            measured.update(latency_ms=seen.median_ms, latency_ms_iqr=seen.iqr_ms)
        return measured

    def _split(self, bench: Workbench) -> DataSplit:
        """The data on the worker's device, loaded once a worker."""
        key = (DataSplit, self.data, self.data_dir, bench.device)
        if key not in bench.cache:
            bench.cache[key] = load_dataset(self.data, self.data_dir, bench.device)
        split: DataSplit = bench.cache[key]
        return split
