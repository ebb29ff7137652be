"""Training a supernet: at each batch a few networks of the space, their gradients averaged in the weights they share.

Every draw of an epoch follows from the seed and the epoch's number, so that a training taken up from its file after
any epoch ends with the same numbers as one that never stopped.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from naslab.arch import ArchSpec
from naslab.errors import DataError, DivergedError
from naslab.training.augment import Batch, Normaliser, epoch_sizes, training_batches
from naslab.training.data import DataSplit, load_dataset
from naslab.training.loop import DIVERGED_AT
from naslab.training.optimizer import make_optimizer
from naslab.training.precision import forward_precision
from naslab.training.schedule import rate_factor
from naslab.training.step import batch_loss
from naslab.training.supernet.bank import WeightBank, make_bank
from naslab.training.supernet.files import Supernet, load_supernet, save_supernet
from naslab.training.supernet.paths import covering_paths, draw_path, extreme_paths
from naslab.training.supernet.settings import SupernetSettings

CLIP_NORM = 5.0
"""The gradient's norm where the recipe bounds none: the paths of a batch may pull a shared weight far."""


def train_supernet(
    settings: SupernetSettings,
    path: Path | str,
    *,
    device: torch.device | str = "cpu",
    data_dir: Path | str | None = None,
    report: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Supernet:
    """Train the supernet of `settings` into a file, which holds it after every epoch, and give it back.

    From a file that holds the same supernet half done the training goes on. `report` takes each epoch's number, from
    1, and its mean loss in nats over all paths. Not yet measured on a GPU. Raises `DataError` where the file holds
    another supernet or the data do not fit, `DivergedError` for a training that does.
    """
    begun = load_supernet(path) if Path(path).exists() else None
    if begun is not None and begun.settings != settings:
        raise DataError(f"{path} holds a supernet of another space, data or recipe: name another file (--out)")
    if begun is not None and begun.is_finished:
        return begun
    split = load_dataset(settings.data, data_dir, device)
    training = SupernetTraining(settings, split, begun)
    for epoch in range(training.epochs_done, settings.epochs):
        report(epoch + 1, training.epoch(epoch))
        save_supernet(training.capture(), path)
    return load_supernet(path)


class SupernetTraining:
    """A bank on its device, its optimiser, and the networks of most and of fewest multiply-accumulates.

    `split` is the data, on the device that trains; `begun` is the supernet that training goes on from.
    """

    def __init__(self, settings: SupernetSettings, split: DataSplit, begun: Supernet | None = None) -> None:
        space, seed = settings.space, settings.seed
        self.settings = settings
        self.split = split
        self.device = split.train.labels.device
        self.largest, self.smallest = extreme_paths(space, np.random.default_rng(seed))
        if begun is None:
            covering = covering_paths(space, np.random.default_rng(seed))
            self.bank = make_bank((self.largest, self.smallest, *covering), seed)
        else:
            self.bank = WeightBank({key: value.clone() for key, value in begun.tensors.items()})
        self.bank.to(self.device)
        self.optimizer = make_optimizer(self.bank, settings.recipe)
        for group in self.optimizer.param_groups:
            group["fused"] = False  # fused SGD cannot step where some weights had their first gradient earlier
        self.losses: list[float] = [] if begun is None else list(begun.losses)
        if begun is not None:
            self._restore(begun.state)
        self.normalise = Normaliser(split, self.largest.input[1:])
        self._steps = len(epoch_sizes(len(split.train), settings.recipe.batch_size))

    @property
    def epochs_done(self) -> int:
        """How many epochs were trained."""
        return len(self.losses)

    def epoch(self, epoch: int) -> float:
        """One pass over the training images, epoch number `epoch` from 0; the mean loss of all paths in nats.

        Raises `DivergedError` where it is not finite or 100 times that of guessing.
        """
        recipe, seed = self.settings.recipe, (self.settings.seed, epoch)
        rng = np.random.default_rng(seed)
        drawn = int(rng.integers(2**62))
        generator = torch.Generator(self.device).manual_seed(drawn)
        batches = training_batches(self.split, recipe, self.normalise, generator, random.Random(drawn))
        total: Tensor | float = 0.0
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(drawn)
            for step, batch in enumerate(batches):
                factor = rate_factor(recipe, epoch * self._steps + step, self._steps, self.settings.epochs)
                for group in self.optimizer.param_groups:
                    group["lr"] = recipe.learning_rate * factor
                total = total + self._step(batch, self._paths(rng))
        loss = float(total) / self._steps
        if not loss < DIVERGED_AT * math.log(max(2, self.split.num_classes)):
            raise DivergedError(f"the supernet's loss became {loss:.4g} in epoch {epoch + 1}; lower the learning rate")
        self.losses.append(loss)
        return loss

    def capture(self) -> Supernet:
        """The supernet as it is now, on the CPU; with the optimiser's state while there are epochs to come."""
        is_finished = self.epochs_done >= self.settings.epochs
        state: dict[str, Tensor] = {}
        for index, values in self.optimizer.state_dict()["state"].items() if not is_finished else ():
            for name, value in values.items():
                if value is not None:
                    state[f"{index}.{name}"] = torch.as_tensor(value).detach().cpu().contiguous()
        return Supernet(self.settings, self.epochs_done, self.bank.tensors(), state, tuple(self.losses))

    def _restore(self, state: dict[str, Tensor]) -> None:
        values: dict[int, dict[str, Any]] = {}
        for key, value in state.items():
            index, _, name = key.partition(".")
            values.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": values, "param_groups": groups})

    def _paths(self, rng: np.random.Generator) -> list[ArchSpec]:
        """The networks of a batch, the largest first."""
        settings = self.settings
        drawn = [draw_path(settings.space, rng) for _ in range(settings.num_paths)]
        held = [arch for arch in drawn if self.bank.holds(arch)]
        if settings.sandwich:
            return [self.largest, *held, self.smallest]
        return held or [self.largest]

    def _step(self, batch: Batch, paths: list[ArchSpec]) -> Tensor:
        """One update along the mean of the paths' gradients; their mean loss."""
        recipe = self.settings.recipe
        self.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        teacher: Tensor | None = None
        for arch in paths:
            with forward_precision(recipe, self.device, self.normalise.size):
                logits = self.bank.run(arch, batch.images).float()
            if teacher is None:
                loss = batch_loss(logits, batch, recipe.label_smoothing)
                teacher = logits.detach().softmax(1) if self.settings.distill else None
            else:
                loss = functional.cross_entropy(logits, teacher)
            (loss / len(paths)).backward()  # type: ignore[no-untyped-call]
            total += loss.detach() / len(paths)
        torch.nn.utils.clip_grad_norm_(self.bank.parameters(), recipe.clip_norm or CLIP_NORM)
        self.optimizer.step()
        return total
