"""Training that begins with pretrained weights, carried over from a reference network."""

from __future__ import annotations

import msgspec

from naslab.arch.spec import ArchSpec
from naslab.estimators.estimator import NetworkTraining, Workbench
from naslab.study.outcome import Candidate, Estimate


class PretrainedTraining(msgspec.Struct, frozen=True, kw_only=True):
    """Training of candidates that begin with the weights of a `reference` network, sliced, widened or deepened.

    `training` says on what and by which recipe they are trained. `weights` are the reference's tensors, one safetensors
    file, from where `source` says; those that are called `fresh` were drawn. A candidate whose origin names whom it
    `inherits` from begins with the weights of that network, and a promotion goes on from its own. The note `pretrained`
    says how many tensors and layers were taken over and how.

    >>> from naslab.estimators.short_training import ShortTraining
    >>> from naslab.study.data_choice import DataChoice
    >>> from naslab.study.recipe import default_recipe
    >>> from naslab.zoo import model
    >>> short = ShortTraining(data=DataChoice(name="digits"), recipe=default_recipe("digits"))
    >>> PretrainedTraining(training=short, reference=model("lenet5"), weights=b"", source="a file").source
    'a file'
    """

    training: NetworkTraining
    reference: ArchSpec
    weights: bytes
    source: str
    fresh: tuple[str, ...] = ()

    def prepare(self, bench: Workbench) -> None:
        """Load the data onto the worker's device and set its threads. Raises `DataError` and `DeviceError`."""
        self.training.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Train and evaluate a candidate; its failures are values."""
        from naslab.estimators import pretrained_run  # loads torch, which a driver does without

        return pretrained_run.estimate(self, candidate, bench)
