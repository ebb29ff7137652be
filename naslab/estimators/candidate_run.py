"""One training of a candidate inside a worker: what is known of it so far, and the checkpoints that it goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from torch import Tensor

from naslab.errors import NaslabError
from naslab.estimators.estimator import Workbench
from naslab.study.outcome import Candidate, EpochRecord, Fidelity
from naslab.training.checkpoint import Checkpoint, Origin, TrainingProgress, load_checkpoint, save_checkpoint


class CandidateRun:
    """What a training of `candidate` in the worker of `bench` leaves, also where it fails half way.

    `checkpoints` is the folder that its state is left in, `None` where it is not. `curve`, `notes` and `weights_sha256`
    are filled as it goes.
    """

    def __init__(self, candidate: Candidate, bench: Workbench, checkpoints: str | None) -> None:
        self.curve: list[EpochRecord] = []
        self.notes: dict[str, Any] = {"threads": bench.threads}
        self.weights_sha256 = ""
        self._candidate = candidate
        self._bench = bench
        self._checkpoints = checkpoints

    def start(self, origin: Origin) -> Checkpoint | None:
        """The checkpoint to go on from; where it is of no use a note says why, and training begins from scratch.

        `origin` says what is trained.
        """
        sha256 = self._candidate.start_from
        if not sha256:
            return None
        if self._checkpoints is None:
            self.notes["from_scratch"] = "there is a checkpoint to go on from, but no folder of checkpoints"
            return None
        try:
            checkpoint = load_checkpoint(sha256, self._checkpoints)
        except NaslabError as error:
            self.notes["from_scratch"] = str(error)
            return None
        if not origin.continues(checkpoint.origin):
            self.notes["from_scratch"] = f"checkpoint {sha256} is of another network, fidelity or seed"
            return None
        self.notes["epochs_before"] = len(checkpoint.progress.curve)
        return checkpoint

    def begin(self, start: Checkpoint | None) -> None:
        """Take up the curve of the checkpoint that training goes on from, `start`; an empty one where it begins."""
        self.curve[:] = () if start is None else start.progress.curve

    def report(self, epoch: EpochRecord) -> None:
        """Take an epoch as it ends, and pass it on."""
        self.curve.append(epoch)
        self._bench.report(epoch)

    def keep(self, origin: Origin, progress: TrainingProgress, tensors: dict[str, Tensor]) -> None:
        """Leave a checkpoint of what `origin` says; a disk that refuses it costs the checkpoint, not the estimate.

        `progress` and `tensors` are the training's state after the epochs that were done.
        """
        assert self._checkpoints is not None
        fidelity = trained_part(self._candidate.fidelity, progress.curve)
        trained = msgspec.structs.replace(origin, fidelity=fidelity)
        try:
            self.weights_sha256 = save_checkpoint(Checkpoint(trained, progress, tensors), self._checkpoints)
        except NaslabError as error:
            self.notes["no_checkpoint"] = str(error)


def trained_part(fidelity: Fidelity, curve: Sequence[EpochRecord]) -> Fidelity:
    """The fidelity that was reached: that asked for, unless the training was stopped early."""
    if len(curve) == fidelity.epochs:
        return fidelity
    whole = fidelity.schedule_epochs or fidelity.epochs
    return msgspec.structs.replace(fidelity, epochs=len(curve), schedule_epochs=whole)
