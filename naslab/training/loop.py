"""The training loop: a module, data on the device and a recipe in, a learning curve out.

On one device with one number of threads the numbers are a function of the module's weights, the data, the recipe and
the seed, whatever ran before in the process.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from naslab.errors import DivergedError, TimedOutError
from naslab.study.outcome import EpochRecord
from naslab.study.recipe import Recipe
from naslab.training.augment import Batch, Normaliser, epoch_sizes, training_batches
from naslab.training.averaging import make_average
from naslab.training.capturing import Advance, Capture, CapturedStep, Capturer, Remark, cuda_capturer, wanted_capture
from naslab.training.checkpoint import Checkpoint, TrainingProgress, TrainingState
from naslab.training.compiling import compiled
from naslab.training.data import DataSplit
from naslab.training.early_stopping import EarlyStop
from naslab.training.evaluation import Evaluation, Scoring, scoring_of
from naslab.training.evaluation import accuracy_sem as accuracy_sem
from naslab.training.evaluation import evaluate as evaluate
from naslab.training.images import Images
from naslab.training.losses import make_criterion
from naslab.training.norms import WarmNorms
from naslab.training.optimizer import make_optimizer, set_rate
from naslab.training.regularise import Regularisation, regularised
from naslab.training.schedule import Plateau, rate_factor
from naslab.training.step import TrainingStep
from naslab.training.tuning import Tuning, tuned
from naslab.training.turns import Turns

CHECK_EVERY = 16
"""Steps between looks at the loss, each of which waits for a GPU to finish."""
DIVERGED_AT = 100.0
"""A loss this many times that of guessing has diverged."""


class Clock(NamedTuple):
    """When a training began and when it must be done, in seconds of `time.perf_counter`.

    Between steps it gives way by `turns` to who measures time on this machine; that counts as time of the training.
    """

    started: float
    deadline: float = math.inf
    turns: Turns = Turns()

    @classmethod
    def start(cls, limit_seconds: float | None = None, turns: Turns | None = None) -> Clock:
        """A clock that starts now, for a training that takes its `turns` with others."""
        now = time.perf_counter()
        return cls(now, math.inf if limit_seconds is None else now + limit_seconds, turns or Turns())

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def check(self) -> None:
        """Give way, between two steps. Raises `TimedOutError` after the deadline."""
        self.turns.give_way()
        if time.perf_counter() > self.deadline:
            raise TimedOutError(f"not done after {self.deadline - self.started:g} s")


def train(
    module: nn.Module,
    data: DataSplit,
    recipe: Recipe,
    epochs: int,
    *,
    size: tuple[int, int],
    seed: int = 0,
    clock: Clock | None = None,
    report: Callable[[EpochRecord], None] = lambda _: None,
    schedule_epochs: int | None = None,
    start: Checkpoint | None = None,
    is_clear: Callable[[Sequence[EpochRecord]], bool] = lambda _: False,
    keep: Callable[[TrainingProgress, dict[str, Tensor]], None] | None = None,
    remark: Remark = lambda name, text: None,
    make_capturer: Callable[[torch.device], Capturer | None] = cuda_capturer,
    metrics: Sequence[str] = (),
) -> tuple[EpochRecord, ...]:
    """Train `module` in place on `data.train` by `recipe`, evaluate it after each epoch, and give the learning curve.

    `size` is the (height, width) of the network's input; images of another size are resized. The schedule is that of
    `schedule_epochs`, of which `epochs` are the beginning. From `start` on, a checkpoint of the same training, every
    number is as if it had never stopped, and its epochs are in the curve; `keep` takes the state at the end. The
    training ends early after an epoch where `is_clear`, given the curve, says that more would tell nothing. `clock`
    says when it began and must end, `report` takes each epoch as it ends. `remark` takes notes on how it ran:
    `not_captured` is why its steps were not recorded by what `make_capturer` makes, where the recipe asks for that.
    `metrics` of the data's task are measured beside accuracy.

    Raises `DivergedError` for a loss that is not finite or 100 times that of guessing, `TimedOutError` after the
    clock's deadline, `DataError` for a checkpoint of another training and for images that cannot be read.
    """
    device = data.train.labels.device
    clock = clock or Clock.start()
    with _reproducible(device, seed), regularised(module, recipe) as regularisation, tuned(module, recipe) as tuning:
        module.to(device).to(memory_format=torch.channels_last)
        curve = [] if start is None else list(start.progress.curve)
        num_steps = len(epoch_sizes(len(data.train), recipe.batch_size)) * (epochs - len(curve))
        capture = wanted_capture(module, recipe, device, num_steps, remark, make_capturer)
        scoring = scoring_of(data, metrics)
        run = _Run(
            module, data, recipe, schedule_epochs or epochs, size, clock, regularisation, capture, scoring, tuning
        )
        generator = torch.Generator(device).manual_seed(seed)
        host = random.Random(seed)
        state = TrainingState(
            recipe.batch_size, module, run.optimizer, device, run.averaged, run.plateau, generator, host
        )
        if start is not None:
            state.restore(start)
            run.early_stop.tensors = start.tensors
        seconds_before = curve[-1].wall_seconds if curve else 0.0
        for epoch in range(len(curve), epochs):
            if run.early_stop.is_due(curve) or is_clear(curve):
                break
            batches = training_batches(data, recipe, run.normalise, generator, host)
            train_loss = run.epoch(epoch, batches)
            seen = run.validation(epoch, data.validation)
            seconds = seconds_before + clock.elapsed
            curve.append(EpochRecord(epoch + 1, train_loss, seen.loss, seen.accuracy, seconds, seen.measured))
            run.early_stop.note(curve, run.evaluated)
            report(curve[-1])
        if keep is not None:
            progress, tensors = state.capture(tuple(curve))
            keep(progress, tensors | run.early_stop.tensors)
        run.warm_norms.restore()
        if run.averaged is not None:
            module.load_state_dict(run.averaged.module.state_dict())
        run.early_stop.give_best(module)
        run.optimizer.zero_grad()  # gradients of a recorded step would hold the memory of its recording
    return tuple(curve)


class _Run:
    """The parts of one training: optimiser, schedule, averages, and the step that uses them."""

    def __init__(
        self,
        module: nn.Module,
        data: DataSplit,
        recipe: Recipe,
        epochs: int,
        size: tuple[int, int],
        clock: Clock,
        regularisation: Regularisation,
        capture: Capture | None,
        scoring: Scoring | None,
        tuning: Tuning,
    ) -> None:
        self._scoring = scoring
        self._tuning = tuning
        self.module = module
        self.recipe = recipe
        self.normalise = Normaliser(data, size)
        self.plateau = Plateau(recipe)
        self.early_stop = EarlyStop(recipe)
        self.averaged = make_average(module, recipe)
        self.optimizer = make_optimizer(module, recipe, capture is not None, tuning.scales)
        self._regularisation = regularisation
        self._clock = clock
        steps = len(epoch_sizes(len(data.train), recipe.batch_size))
        self._steps = steps
        self._epochs = epochs
        self._step = TrainingStep(module, recipe, self.optimizer, self.averaged, size, make_criterion(data, recipe))
        self._settled: Advance = self._step if capture is None else CapturedStep(self._step, capture)
        self._compiled = compiled(module, recipe, data.train.labels.device, steps * epochs)
        self.warm_norms = WarmNorms(module, steps * epochs)
        self._worst = DIVERGED_AT * guessing_loss(data)

    @property
    def evaluated(self) -> nn.Module:
        """The averaged weights where there are some, else the trained ones."""
        return self.module if self.averaged is None else self.averaged.module

    def epoch(self, epoch: int, batches: Iterator[Batch]) -> float:
        """One pass over the training images; its mean loss."""
        self._tuning.begin_epoch(epoch)
        total: Tensor | float = 0.0
        count = 0
        for step, batch in enumerate(batches):
            done = epoch * self._steps + step
            total = total + self._advance(done)(batch) * len(batch.labels)
            count += len(batch.labels)
            if step % CHECK_EVERY == CHECK_EVERY - 1 or step == self._steps - 1:
                self._check(float(total) / count, epoch)
            self._clock.check()
        return float(total) / count

    def validation(self, epoch: int, images: Images) -> Evaluation:
        """Evaluate the weights after an epoch, and let the schedule see the loss."""
        seen = evaluate(self.evaluated, images, self.normalise, self.recipe, scoring=self._scoring)
        if not math.isfinite(seen.loss):
            raise DivergedError(f"the validation loss became {seen.loss} in epoch {epoch + 1}")
        self.plateau.after_epoch(seen.loss)
        return seen

    def _advance(self, done: int) -> Advance:
        """The update that follows `done` steps, with the learning rate and all else that changes by step set for it."""
        factor = self.plateau.factor * rate_factor(self.recipe, done, self._steps, self._epochs)
        set_rate(self.optimizer, self.recipe.learning_rate * factor)
        self._regularisation.before_step(done / (self._steps * self._epochs))
        if self.averaged is not None:
            self.averaged.before_update()
        self.warm_norms.before_step(done)
        if done < self.warm_norms.settled_at:
            return self._step
        self._step.forward = self._compiled  # not before: each new momentum would compile it anew, or be recorded
        return self._settled

    def _check(self, mean_loss: float, epoch: int) -> None:
        if not mean_loss < self._worst:
            raise DivergedError(
                f"the training loss became {mean_loss:.4g} in epoch {epoch + 1} "
                f"(learning rate {self.recipe.learning_rate:g})"
            )


def guessing_loss(data: DataSplit) -> float:
    """The loss of a network that has learned nothing: in nats, or of targets in units of their variance."""
    if data.task == "classification":
        return math.log(max(2, data.num_classes))
    return math.log(2) if data.task == "multilabel" else 1.0


@contextmanager
def _reproducible(device: torch.device, seed: int) -> Iterator[None]:
    """Random layers (dropout, stochastic depth) draw from `seed`; the global random state is left as it was."""
    devices = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=devices),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        yield
