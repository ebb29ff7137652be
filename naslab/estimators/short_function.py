"""naslab's short training as a training function like a user's own: to be named, wrapped, or copied and changed."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import TYPE_CHECKING

import msgspec

from naslab.arguments import made_as, takes
from naslab.atomic_write import atomic_write
from naslab.errors import NaslabError
from naslab.estimators.trial import ReturnedError, Trial
from naslab.metrics import ACCURACY
from naslab.regular_files import read_regular
from naslab.study.outcome import EpochRecord

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from naslab.study.recipe import Recipe
    from naslab.training.checkpoint import Checkpoint, TrainingProgress

NEWEST = "newest"
"""The file in a trial's folder that names the checkpoint to go on from."""


def _module_class() -> type:
    from torch import nn

    return nn.Module


@takes(
    network=made_as(_module_class, "a torch module"), trial=made_as(lambda: Trial, "the trial that evaluate is given")
)
def short_training(network: nn.Module, trial: Trial) -> dict[str, float]:
    """Train the `network` of a `trial` as a search without an estimator does: the same numbers for the same seed.

    By the study's recipe, on its data (`naslab search SPACE --dataset digits --estimator naslab:short_training
    --objectives accuracy,macs`), with batches that fit the memory, and on a higher rung from where the lower one ended.
    Returns accuracy with its standard error, and what else of the objectives evaluation measures. Raises `DataError`,
    `DivergedError` and `ReturnedError`, each of which is the trial's failure.

    >>> def evaluate(network, trial):
    ...     found = short_training(network, trial)
    ...     return {**found, "error": 100 - found["accuracy"]}
    """
    from naslab.estimators.training_run import measured_of
    from naslab.training.fidelity import data_at, with_heads, without_heads
    from naslab.training.fit import require_fit
    from naslab.training.halving import train_within_memory
    from naslab.training.loop import train

    split = trial.data
    require_fit(trial.arch, split)
    images = data_at(split, trial.fidelity, trial.seed)
    start = _begun(trial)
    begun_at = None if start is None else start.progress.batch_size

    def make() -> nn.Module:
        trial.curve.clear()
        for epoch in () if start is None else start.progress.curve:
            _report(trial, epoch)
        return with_heads(deepcopy(network), trial.arch, trial.seed)

    def fit(module: nn.Module, recipe: Recipe) -> None:
        train(
            module,
            images,
            recipe,
            trial.epochs,
            size=trial.arch.input[1:],
            seed=trial.seed,
            report=lambda epoch: _report(trial, epoch),
            schedule_epochs=trial.schedule_epochs,
            start=start,
            is_clear=lambda _: trial.should_stop(),
            keep=lambda progress, tensors: _keep(trial, progress, tensors),
            metrics=trial.metrics,
        )

    trained, _ = train_within_memory(make, fit, trial.recipe, len(images.train), begun_at)
    network.load_state_dict(without_heads(trained, trial.arch).state_dict())
    return measured_of(trial.curve, trial.recipe, split)


def _report(trial: Trial, epoch: EpochRecord) -> None:
    """Report an epoch of the loop; what is no number, such as the accuracy of a regression, is left out."""
    told = {
        "train_loss": epoch.train_loss,
        "validation_loss": epoch.validation_loss,
        ACCURACY.name: epoch.validation_accuracy,
        **epoch.values,
    }
    trial.report(epoch.epoch, **{name: value for name, value in told.items() if math.isfinite(value)})


def _begun(trial: Trial) -> Checkpoint | None:
    """Where the same network's training on the rung below ended; nothing where there is none, or it is damaged."""
    from naslab.training.checkpoint import Origin, load_checkpoint

    folder = _folder(trial)
    if folder is None or not (folder / NEWEST).exists():
        return None
    try:
        found = load_checkpoint(read_regular(folder / NEWEST).decode(), folder)
    except (NaslabError, OSError, UnicodeDecodeError):
        return None
    is_earlier = Origin(trial.arch, trial.fidelity, trial.seed).continues(found.origin)
    return found if is_earlier and len(found.progress.curve) < trial.epochs else None


def _keep(trial: Trial, progress: TrainingProgress, tensors: dict[str, Tensor]) -> None:
    """Leave a checkpoint where there is a rung above, whose training goes on from it."""
    from naslab.training.checkpoint import Checkpoint, Origin, save_checkpoint

    folder = _folder(trial)
    if folder is None or trial.fidelity.schedule_epochs is None:
        return
    fidelity = msgspec.structs.replace(trial.fidelity, epochs=len(progress.curve))
    checkpoint = Checkpoint(Origin(trial.arch, fidelity, trial.seed), progress, tensors)
    atomic_write(folder / NEWEST, save_checkpoint(checkpoint, folder))


def _folder(trial: Trial) -> Path | None:
    """The network's folder; nothing in a run that keeps no checkpoints."""
    try:
        return trial.folder
    except ReturnedError:
        return None
