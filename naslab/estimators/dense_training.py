"""Short trainings of detectors and segmenters: what a network is worth under the heads of one."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import msgspec

from naslab.arch import ArchSpec
from naslab.dense_prediction.tasks import DENSE_TASKS, DenseTask
from naslab.errors import SpecError
from naslab.estimators.estimator import Workbench
from naslab.estimators.failures import failure_of
from naslab.metrics import DETECTOR_MACS, DETECTOR_PARAMS
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure

if TYPE_CHECKING:
    from naslab.dense_prediction.annotations import AnnotatedSet
    from naslab.dense_prediction.facts import DenseFacts


class DenseTraining(msgspec.Struct, frozen=True, kw_only=True):
    """Trains a detector or segmenter on a candidate for the epochs of its fidelity, and evaluates it.

    `task` and `kind` say what stands on the maps of the candidate at the strides `levels`, its heads of `channels`.
    `data` is the name of a data set, as `coco:DIR`, of whose training images the first `max_images` are trained on; it
    is evaluated on images that no final training is tested on. What the whole detector costs is measured beside its
    metrics. A candidate without the strides is a failure.
    """

    data: str
    task: DenseTask
    kind: str
    levels: tuple[int, ...]
    channels: int
    max_images: int | None = None

    def prepare(self, bench: Workbench) -> None:
        """Read the data set and set the threads of torch. Raises `DataError` for one that disagrees."""
        import torch  # a driver does without

        torch.set_num_threads(bench.threads)
        self._data_on(bench)

    def whole_cost(self, arch: ArchSpec, num_classes: int) -> dict[str, float]:
        """The cost of the whole detector on `arch` for `num_classes` classes, by the names of its metrics.

        Raises `SpecError` where the network has no map at one of the strides.
        """
        from naslab.dense_prediction.detectors import Sizes, statistics
        from naslab.dense_prediction.macs import dense_cost

        sizes = Sizes(min(arch.input[1:]), *statistics(arch.input[0]), self.channels)
        found = dense_cost(arch, self.kind, num_classes, self.levels, sizes, *arch.input[1:])
        return {**DETECTOR_MACS.measured(found.macs), **DETECTOR_PARAMS.measured(found.params)}

    def measure_before(self, candidate: Candidate, bench: Workbench) -> dict[str, float]:
        """What the whole detector on a `candidate` costs, counted in the worker of `bench`."""
        data = self._data_on(bench)
        return self.whole_cost(candidate.arch, len(data.classes))

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Train and evaluate a candidate; its failures are values."""
        from naslab.training.fit import device_name

        started = time.perf_counter()
        curve: list[EpochRecord] = []
        measured: dict[str, float] = {}
        failure: Failure | None = None
        try:
            measured = self._measure(candidate, bench, curve, started)
        except Exception as error:  # noqa: BLE001 - whatever a candidate does wrong is a value
            failure = failure_of(error)
        import torch

        return Estimate(
            measured=measured,
            curve=tuple(curve),
            failure=failure,
            wall_seconds=time.perf_counter() - started,
            device=device_name(torch.device(bench.device)),
            worker=bench.worker,
            notes={"threads": bench.threads},
        )

    def _measure(
        self, candidate: Candidate, bench: Workbench, curve: list[EpochRecord], started: float
    ) -> dict[str, float]:
        from naslab.dense_prediction.evaluation import evaluate
        from naslab.dense_prediction.fit import DenseEpoch, DenseRecipe, fit
        from naslab.dense_prediction.package import make_module

        data = self._data_on(bench)
        facts = self._facts(candidate.arch, data)
        cost = self.whole_cost(candidate.arch, len(data.classes))
        module = make_module(facts, candidate.seed)
        trained, validated = data.search_split()
        given: dict[str, Any] = {"channels": facts.arch.input[0], "side": facts.side, "device": bench.device}

        def report(epoch: DenseEpoch) -> None:
            took = time.perf_counter() - started
            curve.append(EpochRecord(epoch.epoch, epoch.loss, math.nan, math.nan, took))
            bench.report(curve[-1])

        fit(
            module,
            trained[: self.max_images],
            self.task,
            len(data.classes),
            **given,
            epochs=candidate.fidelity.epochs,
            seed=candidate.seed,
            is_pretrained=False,
            recipe=DenseRecipe(),
            report=report,
        )
        return cost | evaluate(module, validated, self.task, len(data.classes), **given).metrics

    def _facts(self, arch: ArchSpec, data: AnnotatedSet) -> DenseFacts:
        from naslab.dense_prediction.detectors import statistics
        from naslab.dense_prediction.facts import DenseFacts

        if arch.input[0] not in (1, 3):
            raise SpecError("input", f"must have 1 or 3 channels, got {arch.input[0]}")
        mean, deviation = statistics(arch.input[0])
        return DenseFacts(
            name="the network",
            arch=arch,
            task=self.task,
            kind=self.kind,
            levels=self.levels,
            classes=data.classes,
            side=arch.input[1:],
            mean=mean,
            deviation=deviation,
            channels=self.channels,
            keypoints=data.keypoints if self.task == "keypoints" else (),
        )

    def _data_on(self, bench: Workbench) -> AnnotatedSet:
        """The data set, read once a worker."""
        from naslab.dense_prediction.choosing import open_annotated

        key = (DenseTraining, self.data, self.task)
        if key not in bench.cache:
            bench.cache[key] = open_annotated(self.data, self.task)
        data: AnnotatedSet = bench.cache[key]
        return data


def metric_names(task: DenseTask) -> tuple[str, ...]:
    """What is measured of a detector or segmenter for a `task`, the main one first.

    >>> metric_names("detection")
    ('box_ap', 'box_ap50', 'box_ap75', 'box_ap_voc11', 'detector_macs', 'detector_params')
    """
    main = DENSE_TASKS[task].main
    prefixes = dict.fromkeys((main.removesuffix("ap"), "box_"))
    precisions = [f"{prefix}{name}" for prefix in prefixes for name in ("ap", "ap50", "ap75", "ap_voc11")]
    own = precisions if DENSE_TASKS[task].finds_objects else [main, "pixel_accuracy"]
    return (*own, DETECTOR_MACS.name, DETECTOR_PARAMS.name)
