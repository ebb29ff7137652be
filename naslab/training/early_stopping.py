"""Stopping a training that gets no better, at the best of its epochs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from naslab.study.outcome import EpochRecord
from naslab.study.recipe import Recipe

PREFIX = "best."


class EarlyStop:
    """Keeps the best epoch's weights, and says when `stop_patience` epochs have gone by without a better one."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._best: dict[str, Tensor] = {}

    def note(self, curve: Sequence[EpochRecord], module: nn.Module) -> None:
        """Keep a copy of the weights of `module` if the last epoch of `curve`, which evaluated them, is the best."""
        if self._recipe.stop_patience is not None and kept_epoch(curve, self._recipe) is curve[-1]:
            self._best = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def is_due(self, curve: Sequence[EpochRecord]) -> bool:
        """Whether a training with this curve ends: its best epoch lies `stop_patience` epochs or more behind."""
        patience = self._recipe.stop_patience
        return patience is not None and bool(curve) and len(curve) - kept_epoch(curve, self._recipe).epoch >= patience

    def give_best(self, module: nn.Module) -> None:
        """Give a module the best epoch's weights, where they are kept."""
        if self._best:
            module.load_state_dict(self._best)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """A copy of the best weights on the CPU, as a checkpoint holds them: by their names after `best.`."""
        return {f"{PREFIX}{name}": value.detach().cpu().clone().contiguous() for name, value in self._best.items()}

    @tensors.setter
    def tensors(self, tensors: dict[str, Tensor]) -> None:
        best = {name: value for name, value in tensors.items() if name.startswith(PREFIX)}
        self._best = {name.removeprefix(PREFIX): value for name, value in best.items()}


def kept_epoch(curve: Sequence[EpochRecord], recipe: Recipe) -> EpochRecord:
    """The epoch of a learning curve whose weights the training kept: the last, or with early stopping the best.

    >>> curve = [EpochRecord(1 + step, 0.5, loss, 70.0, 9.0) for step, loss in enumerate((0.9, 0.7, 0.8))]
    >>> kept_epoch(curve, Recipe()).epoch, kept_epoch(curve, Recipe(stop_patience=1)).epoch
    (3, 2)
    """
    return curve[-1] if recipe.stop_patience is None else max(curve, key=_merit)


def _merit(epoch: EpochRecord) -> tuple[float, float]:
    """The higher the better: accuracy, then a low loss; the first of equals is kept."""
    return epoch.validation_accuracy, -epoch.validation_loss
