"""The usual estimate of a search: train for a few epochs, then measure the accuracy on validation images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from naslab.estimators.estimator import Begin, Workbench
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate
from naslab.study.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from naslab.training.checkpoint import Checkpoint


class ShortTraining(msgspec.Struct, frozen=True, kw_only=True):
    """Trains a candidate to its fidelity; the accuracy is the last epoch's on validation images.

    The fidelity's resolution and width make a smaller proxy of the network, its images a subset with each class in
    proportion, the same for equal seeds. `checkpoints` is a folder of files by content hash: a training leaves its
    state there (`weights_sha256`), and a candidate that has a `start_from` goes on from that state, bit by bit as if it
    had never stopped. A checkpoint that is missing, cut short or of another training is noted (`from_scratch`), and the
    candidate is trained from its beginning.

    `stop_early` is a confidence: a training ends when with it the accuracy at the end of the schedule, extrapolated,
    is below the candidate's `accuracy_to_beat`. Its accuracy is then the extrapolated one, and the note `stopped` says
    why, with the interval.

    `metrics` are measured beside the accuracy, those of other tasks than one label an image in its place.
    Of each of the `targets`, by their names, the accuracy of the trained network as it runs there is measured, too.
    Images are normalised by `mean` and `deviation` of each channel, in values from 0 to 255, where they are given, else
    by their own statistics.
    `latency` measures one image's forward pass too, of the network and not of its proxy. `time_limit_seconds` is for
    one candidate, looked at between batches. `peak_memory_bytes` is the GPU's, 0 on a CPU.

    >>> from naslab.study.recipe import default_recipe
    >>> ShortTraining(data=DataChoice(name="digits"), recipe=default_recipe("digits")).latency
    False
    """

    data: DataChoice
    recipe: Recipe
    data_dir: str | None = None
    latency: bool = False
    time_limit_seconds: float | None = None
    checkpoints: str | None = None
    stop_early: float | None = None
    metrics: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    def prepare(self, bench: Workbench) -> None:
        """Load the data onto the worker's device and set its threads. Raises `DataError` and `DeviceError`."""
        from naslab.estimators import training_run  # loads torch, which a driver does without

        training_run.prepare(self, bench)

    def estimate(self, candidate: Candidate, bench: Workbench, begin: Begin | None = None) -> Estimate:
        """Train and evaluate `candidate` in the worker of `bench`; its failures are values.

        `begin` makes its module with the weights that training begins with: by default those of an initialisation.
        """
        from naslab.estimators import training_run

        return training_run.estimate(self, candidate, bench, begin)

    def weights_of(self, checkpoint: Checkpoint) -> Mapping[str, Tensor]:
        """The tensors of the network that a training left in a `checkpoint`, by its names."""
        return checkpoint.weights()
