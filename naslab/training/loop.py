"""The training loop: a module, data on the device and a recipe in, a learning curve out.

On one device with one number of threads the numbers are a function of the module's weights, the data, the recipe and
the seed, whatever ran before in the process.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from naslab.arch.graphs import Supervised
from naslab.errors import DivergedError, TimedOutError
from naslab.outcome import EpochRecord
from naslab.training.augment import Batch, Normaliser, epoch_sizes, plain_batches, training_batches
from naslab.training.data import DataSplit, ImageSet
from naslab.training.norms import WarmNorms
from naslab.training.optimizer import clip_to_weights, make_optimizer
from naslab.training.recipe import Recipe
from naslab.training.schedule import Plateau, rate_factor

CHECK_EVERY = 16
"""Steps between looks at the loss, each of which waits for a GPU to finish."""
DIVERGED_AT = 100.0
"""A loss this many times that of guessing has diverged."""
EVALUATION_BATCH = 256


class Clock(NamedTuple):
    """When a training began and when it must be done, in seconds of `time.perf_counter`."""

    started: float
    deadline: float = math.inf

    @classmethod
    def start(cls, limit_seconds: float | None = None) -> Clock:
        """A clock that starts now."""
        now = time.perf_counter()
        return cls(now, math.inf if limit_seconds is None else now + limit_seconds)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def check(self) -> None:
        """Raise `TimedOutError` after the deadline."""
        if time.perf_counter() > self.deadline:
            raise TimedOutError(f"not done after {self.deadline - self.started:g} s")


class Evaluation(NamedTuple):
    """Mean loss in nats and accuracy in per cent over `num_images` images."""

    loss: float
    accuracy: float
    num_images: int

    @property
    def accuracy_sem(self) -> float:
        """The binomial standard error of the accuracy, in points of per cent."""
        return accuracy_sem(self.accuracy, self.num_images)


def accuracy_sem(accuracy: float, num_images: int) -> float:
    """The binomial standard error, in points of per cent, of an accuracy in per cent.

    The share is drawn towards a half as by one more right and one more wrong image, so that no finite sample is
    without error.

    >>> round(accuracy_sem(90.0, 10000), 3)
    0.3
    """
    share = (accuracy / 100 * num_images + 1) / (num_images + 2)
    return 100 * math.sqrt(share * (1 - share) / num_images)


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
) -> tuple[EpochRecord, ...]:
    """Train `module` in place on `data.train`, evaluate it after each epoch, and give the learning curve.

    `size` is the (height, width) of the network's input; images of another size are resized. Raises `DivergedError`,
    and `TimedOutError` after the clock's deadline.
    """
    device = data.train.labels.device
    clock = clock or Clock.start()
    with _reproducible(device, seed):
        module.to(device).to(memory_format=torch.channels_last)
        run = _Run(module, data, recipe, epochs, size, clock)
        generator = torch.Generator(device).manual_seed(seed)
        host = random.Random(seed)
        curve = []
        for epoch in range(epochs):
            batches = training_batches(data, recipe, run.normalise, generator, host)
            train_loss = run.epoch(epoch, batches)
            seen = evaluate(run.evaluated, data.validation, run.normalise, recipe)
            if not math.isfinite(seen.loss):
                raise DivergedError(f"the validation loss became {seen.loss} in epoch {epoch + 1}")
            run.plateau.after_epoch(seen.loss)
            curve.append(EpochRecord(epoch + 1, train_loss, seen.loss, seen.accuracy, clock.elapsed))
            report(curve[-1])
        run.warm_norms.restore()
        if run.averaged is not None:
            module.load_state_dict(run.averaged.module.state_dict())
    return tuple(curve)


class _Run:
    """What lives as long as one training."""

    def __init__(
        self, module: nn.Module, data: DataSplit, recipe: Recipe, epochs: int, size: tuple[int, int], clock: Clock
    ) -> None:
        self.module = module
        self.recipe = recipe
        self.normalise = Normaliser(data, size)
        self.plateau = Plateau(recipe)
        self.averaged = None
        if recipe.ema_decay is not None:
            average = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
            self.averaged = AveragedModel(module, multi_avg_fn=average, use_buffers=True)
        self._optimizer = make_optimizer(module, recipe)
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._clock = clock
        steps = len(epoch_sizes(len(data.train), recipe.batch_size))
        self._steps = steps
        self._epochs = epochs
        self.warm_norms = WarmNorms(module, steps * epochs)
        self._worst = DIVERGED_AT * math.log(max(2, data.num_classes))

    @property
    def evaluated(self) -> nn.Module:
        """The averaged weights where there are some, else the trained ones."""
        return self.module if self.averaged is None else self.averaged.module

    def epoch(self, epoch: int, batches: Iterator[Batch]) -> float:
        """One pass over the training images; its mean loss."""
        self.module.train()
        total: Tensor | float = 0.0
        count = 0
        for step, batch in enumerate(batches):
            done = epoch * self._steps + step
            factor = self.plateau.factor * rate_factor(self.recipe, done, self._steps, self._epochs)
            for group in self._optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * factor
            self.warm_norms.before_step(done)
            total = total + self._step(batch) * len(batch.labels)
            count += len(batch.labels)
            if step % CHECK_EVERY == CHECK_EVERY - 1 or step == self._steps - 1:
                self._check(float(total) / count, epoch)
            self._clock.check()
        return float(total) / count

    def _step(self, batch: Batch) -> Tensor:
        """One update of the weights; the batch's loss."""
        with _autocast(self.recipe, batch.images.device):
            outputs = self.module(batch.images)
        loss = training_loss(self.module, outputs, batch, self.recipe.label_smoothing)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip_ratio is not None:
            clip_to_weights(self._parameters, self.recipe.clip_ratio)
        if self.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self.recipe.clip_norm)
        self._optimizer.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.module)
        return loss.detach()

    def _check(self, mean_loss: float, epoch: int) -> None:
        if not mean_loss < self._worst:
            raise DivergedError(
                f"the training loss became {mean_loss:.4g} in epoch {epoch + 1} "
                f"(learning rate {self.recipe.learning_rate:g})"
            )


def training_loss(
    module: nn.Module, outputs: Tensor | tuple[Tensor, ...], batch: Batch, label_smoothing: float
) -> Tensor:
    """The loss of a module's logits; of one with auxiliary heads, theirs added at their weights (arXiv 1409.4842)."""
    if isinstance(outputs, Tensor):
        return batch_loss(outputs.float(), batch, label_smoothing)
    assert isinstance(module, Supervised)
    loss = batch_loss(outputs[0].float(), batch, label_smoothing)
    for logits, weight in zip(outputs[1:], module.loss_weights, strict=True):
        loss = loss + weight * batch_loss(logits.float(), batch, label_smoothing)
    return loss


def batch_loss(logits: Tensor, batch: Batch, label_smoothing: float) -> Tensor:
    """Cross-entropy in nats of logits (batch, classes), against both labels where images were mixed."""
    loss = functional.cross_entropy(logits, batch.labels, label_smoothing=label_smoothing)
    if batch.other_labels is None:
        return loss
    other = functional.cross_entropy(logits, batch.other_labels, label_smoothing=label_smoothing)
    return torch.lerp(other, loss, batch.share)


def evaluate(module: nn.Module, images: ImageSet, normalise: Normaliser, recipe: Recipe) -> Evaluation:
    """Loss without smoothing and accuracy of `module` over `images`, in evaluation mode."""
    device = images.labels.device
    loss = torch.zeros((), device=device, dtype=torch.float64)
    right = torch.zeros((), device=device, dtype=torch.int64)
    module.eval()
    with torch.inference_mode():
        for batch in plain_batches(images, normalise, EVALUATION_BATCH):
            with _autocast(recipe, device):
                logits = module(batch.images)
            loss += functional.cross_entropy(logits.float(), batch.labels, reduction="sum")
            right += (logits.argmax(1) == batch.labels).sum()
    return Evaluation(float(loss) / len(images), 100 * int(right) / len(images), len(images))


def _autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    is_reduced = recipe.precision == "bfloat16" or (recipe.precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if is_reduced else nullcontext()


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
