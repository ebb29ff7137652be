"""Training that begins where the parent's ended."""

from __future__ import annotations

import msgspec

from naslab.estimators.estimator import NetworkTraining, Workbench
from naslab.study.outcome import Candidate, Estimate, Outcome


class InheritedTraining(msgspec.Struct, frozen=True, kw_only=True):
    """Training of candidates that begin with weights of their parents (Chen et al. 2015, arXiv 1511.05641).

    A candidate whose origin names whom it `inherits` from begins with the weights of the checkpoint that it starts
    from, widened, deepened or sliced to fit (`naslab.training.inheritance`); others train as `training` does. The note
    `inherited` says how many layers were taken over and how, whether the function was, and the epochs that the
    ancestors were trained for: an inherited estimate stands for a longer training than its fidelity says. Where the
    checkpoint is of no use, training begins from scratch and the note `from_scratch` says why. A promotion goes on from
    its own checkpoint, whatever that network inherited.

    >>> from naslab.estimators.short_training import ShortTraining
    >>> from naslab.study.data_choice import DataChoice
    >>> from naslab.study.recipe import default_recipe
    >>> short = ShortTraining(data=DataChoice(name="digits"), recipe=default_recipe("digits"), checkpoints="blobs")
    >>> InheritedTraining(training=short).training.latency
    False
    """

    training: NetworkTraining

    def prepare(self, bench: Workbench) -> None:
        """Load the data onto the worker's device and set its threads. Raises `DataError` and `DeviceError`."""
        self.training.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Train and evaluate a candidate; its failures are values."""
        if not candidate.start_from or INHERITS not in candidate.origin:
            return self.training.estimate(candidate, bench)
        from naslab.estimators import inherited_run  # loads torch, which a driver does without

        return inherited_run.estimate(self.training, candidate, bench)


INHERITS = "inherits"
"""The key of a candidate's origin under which the trial stands whose weights it begins with."""
ANCESTOR_EPOCHS = "ancestor_epochs"
"""The key of a candidate's origin for the epochs that those weights were trained for."""


def ancestor_epochs(outcome: Outcome) -> int:
    """The epochs that other networks were trained for whose weights an outcome's training began with, or went on from.

    0 for a training from scratch, also where it was meant to inherit and the checkpoint was of no use.
    """
    if "from_scratch" in outcome.estimate.notes:
        return 0
    return int(outcome.candidate.origin.get(ANCESTOR_EPOCHS, 0))
