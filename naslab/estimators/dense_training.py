"""Short trainings of detectors and segmenters: what a network is worth under the heads of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from naslab.arch import ArchSpec
from naslab.dense_prediction.tasks import DENSE_TASKS, DenseTask
from naslab.errors import SpecError
from naslab.estimators.estimator import Begin, Workbench
from naslab.metrics import DETECTOR_MACS, DETECTOR_PARAMS
from naslab.study.outcome import Candidate, Estimate

if TYPE_CHECKING:
    from torch import Tensor

    from naslab.dense_prediction.annotations import AnnotatedSet
    from naslab.dense_prediction.facts import DenseFacts
    from naslab.training.checkpoint import Checkpoint


class DenseTraining(msgspec.Struct, frozen=True, kw_only=True):
    """Trains a detector or segmenter on a candidate for the epochs of its fidelity, and evaluates it.

    `task` and `kind` say what stands on the maps of the candidate at the strides `levels`, its heads of `channels`.
    `data` is the name of a data set, as `coco:DIR`, of whose training images the first `max_images` are trained on; it
    is evaluated on images that no final training is tested on. What the whole detector costs is measured beside its
    metrics. A candidate without the strides is a failure.

    Images are normalised by `mean` and `deviation` of each channel, in values from 0 to 255, where they are given, else
    by those of ImageNet. Where the network `is_pretrained` it learns slower than its heads. `checkpoints` is a folder
    of files by content hash: a training leaves its state there, and a candidate that has a `start_from` goes on from
    that state as if it had never stopped. `stop_early` is a confidence: a training, then evaluated after each epoch,
    ends when with it each objective will be worse than that of a finished detector that costs no more.
    """

    data: str
    task: DenseTask
    kind: str
    levels: tuple[int, ...]
    channels: int
    max_images: int | None = None
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    is_pretrained: bool = False
    checkpoints: str | None = None
    stop_early: float | None = None

    def prepare(self, bench: Workbench) -> None:
        """Read the data set and set the threads of torch. Raises `DataError` for one that disagrees."""
        import torch  # a driver does without

        torch.set_num_threads(bench.threads)
        self.data_on(bench)

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
        data = self.data_on(bench)
        return self.whole_cost(candidate.arch, len(data.classes))

    def estimate(self, candidate: Candidate, bench: Workbench, begin: Begin | None = None) -> Estimate:
        """Train and evaluate `candidate` in the worker of `bench`; its failures are values.

        `begin` makes its module with the weights that training begins with: by default those of an initialisation.
        """
        from naslab.estimators import dense_run  # loads torch, which a driver does without

        return dense_run.estimate(self, candidate, bench, begin)

    def weights_of(self, checkpoint: Checkpoint) -> Mapping[str, Tensor]:
        """The tensors of the network under the heads that a training left in a `checkpoint`, by its names."""
        from naslab.pretrained.features import network_weights

        return network_weights(checkpoint)

    def facts_of(self, arch: ArchSpec, data: AnnotatedSet) -> DenseFacts:
        """What the detector on `arch` for the classes of `data` is. Raises `SpecError` for images that none takes."""
        from naslab.dense_prediction.detectors import statistics
        from naslab.dense_prediction.facts import DenseFacts

        if arch.input[0] not in (1, 3):
            raise SpecError("input", f"must have 1 or 3 channels, got {arch.input[0]}")
        mean, deviation = statistics(arch.input[0])
        if self.mean:
            mean, deviation = (tuple(each / 255 for each in values) for values in (self.mean, self.deviation))
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

    def data_on(self, bench: Workbench) -> AnnotatedSet:
        """The data set, read once a worker, that of `bench`."""
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
