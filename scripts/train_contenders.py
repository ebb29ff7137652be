"""The ways to train that `bench_train.py` compares: the engine, the loop a user would write, and Lightning's.

All train the same network from the same weights on the same images, with the same batches' size, optimiser and rates,
for one epoch with crops and mirror images, and evaluate it on the same validation images.
"""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.study.recipe import Recipe
from naslab.training.augment import Normaliser, epoch_sizes, training_batches
from naslab.training.capturing import Advance, Capture, CapturedStep, cuda_capturer
from naslab.training.data import DataSplit
from naslab.training.evaluation import evaluate
from naslab.training.images import ImageSet
from naslab.training.loop import train
from naslab.training.norms import WarmNorms
from naslab.training.optimizer import make_optimizer as make_engine_optimizer
from naslab.training.optimizer import set_rate
from naslab.training.schedule import rate_factor
from naslab.training.step import TrainingStep

RECIPE = Recipe(learning_rate=0.1, batch_size=128, crop_padding=4, horizontal_flip=True)
SIDE = 32


class Result(NamedTuple):
    """The training loss of the epoch, and the validation accuracy in per cent."""

    loss: float
    accuracy: float


Contender = Callable[[ArchSpec, DataSplit], Result]


class Pictures(datasets.CIFAR10):
    """torchvision's CIFAR-10 with its way to an image (an array, a PIL image, its transforms), given the arrays."""

    def __init__(self, images: NDArray[np.uint8], labels: list[int], transform: Callable[[Any], Tensor]) -> None:
        self.data = images
        self.targets = labels
        self.transform = transform
        self.target_transform = None


def engine(precision: str, graphs: str = "off") -> Contender:
    """naslab's training in a precision, its steps recorded as CUDA graphs where `graphs` is `on`."""

    def run(arch: ArchSpec, data: DataSplit) -> Result:
        recipe = msgspec.structs.replace(RECIPE, precision=precision, graphs=graphs)
        (epoch,) = train(build(arch, seed=0), data, recipe, 1, size=(SIDE, SIDE))
        return Result(epoch.train_loss, epoch.validation_accuracy)

    return run


class StreamedCandidate:
    """A candidate that is trained step by step on a stream of its own, its steps recorded."""

    def __init__(self, arch: ArchSpec, data: DataSplit, seed: int) -> None:
        device = data.mean.device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._data = data
        self._module = build(arch, seed).to(device).to(memory_format=torch.channels_last).train()
        self._optimizer = make_engine_optimizer(self._module, RECIPE, is_capturable=True)
        self._step = TrainingStep(self._module, RECIPE, self._optimizer, None, (SIDE, SIDE))
        capturer = cuda_capturer(device)
        self._settled: Advance = self._step
        if capturer is not None:
            self._settled = CapturedStep(self._step, Capture(capturer, _refuse))
        self._num_steps = len(epoch_sizes(len(data.train), RECIPE.batch_size))
        self._norms = WarmNorms(self._module, self._num_steps)
        self._normalise = Normaliser(data, (SIDE, SIDE))
        self._batches = training_batches(
            data, RECIPE, self._normalise, torch.Generator(device).manual_seed(seed), random.Random(seed)
        )
        self._total = torch.zeros((), device=device)

    def advance(self, done: int) -> None:
        """Put the next step on the stream; nothing waits for it."""
        with torch.cuda.stream(self._stream):
            set_rate(self._optimizer, RECIPE.learning_rate * rate_factor(RECIPE, done, self._num_steps, 1))
            self._norms.before_step(done)
            step = self._step if done < self._norms.settled_at else self._settled
            batch = next(self._batches)
            self._total = self._total + step(batch) * len(batch.labels)

    def result(self) -> Result:
        """The epoch's loss and the accuracy after it."""
        with torch.cuda.stream(self._stream):
            seen = evaluate(self._module, self._data.validation, self._normalise, RECIPE)
            return Result(float(self._total) / len(self._data.train), seen.accuracy)


def streamed(arch: ArchSpec, data: DataSplit, count: int) -> list[Result]:
    """Train `count` candidates at once in this process: a step of each in turn, each on a stream of its own.

    For comparison alone. A search packs by processes: there a candidate that fails takes no other with it, each draws
    from a generator of its own, and a core feeds each.
    """
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        candidates = [StreamedCandidate(arch, data, seed) for seed in range(count)]
        if data.mean.device.type == "cuda":
            torch.cuda.synchronize()  # the weights are there before other streams read them
        for done in range(len(epoch_sizes(len(data.train), RECIPE.batch_size))):
            for each in candidates:
                each.advance(done)
        return [each.result() for each in candidates]


def _refuse(name: str, text: str) -> None:
    raise SystemExit(f"the steps of a streamed candidate were not recorded: {text}")


def loaders(data: DataSplit) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """torchvision's data set with its transforms, and torch's loader: in this process on a CPU, by 8 for a GPU."""
    mean, deviation = ((each / 255).tolist() for each in (data.mean.cpu(), data.deviation.cpu()))
    plain = [transforms.ToTensor(), transforms.Normalize(mean, deviation)]
    moved = [transforms.RandomCrop(SIDE, RECIPE.crop_padding), transforms.RandomHorizontalFlip()]
    is_gpu = data.mean.device.type == "cuda"
    how: dict[str, Any] = {"num_workers": 8 if is_gpu else 0, "pin_memory": is_gpu}
    return (
        DataLoader(_pictures(data.train, transforms.Compose(moved + plain)), RECIPE.batch_size, shuffle=True, **how),
        DataLoader(_pictures(data.validation, transforms.Compose(plain)), RECIPE.batch_size, **how),
    )


def _pictures(images: object, transform: Callable[[Any], Tensor]) -> Pictures:
    assert isinstance(images, ImageSet)
    return Pictures(images.pixels.cpu().numpy(), images.labels.tolist(), transform)


def make_optimizer(module: nn.Module) -> torch.optim.Optimizer:
    """SGD as one writes it down."""
    return torch.optim.SGD(
        module.parameters(), RECIPE.learning_rate, RECIPE.momentum, weight_decay=RECIPE.weight_decay, nesterov=True
    )


def make_schedule(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """The engine's learning rates."""
    last = steps - 1  # the schedule looks one step further than is trained
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(RECIPE, min(step, last), steps, 1))


def plain_loop(arch: ArchSpec, data: DataSplit) -> Result:
    """The loop a user would write: data set, loader, transforms, eager float32."""
    device = data.mean.device
    train_loader, validation_loader = loaders(data)
    module = build(arch, seed=0).to(device)
    optimizer = make_optimizer(module)
    schedule = make_schedule(optimizer, len(train_loader))
    criterion = nn.CrossEntropyLoss()
    module.train()
    total = 0.0
    for images, labels in train_loader:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        optimizer.zero_grad()
        loss = criterion(module(images), labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item() * len(labels)
    module.eval()
    right = 0
    with torch.no_grad():
        for images, labels in validation_loader:
            right += int((module(images.to(device)).argmax(1).cpu() == labels).sum())
    return Result(total / len(data.train), 100 * right / len(data.validation))


def has_lightning() -> bool:
    """Whether Lightning is installed."""
    return find_spec("lightning") is not None


def lightning_loop(arch: ArchSpec, data: DataSplit) -> Result:
    """The same through Lightning's Trainer, without its loggers, checkpoints and progress bar."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # its import sets another level

    class Network(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.module = build(arch, seed=0)
            self.losses: list[Tensor] = []
            self.right = 0

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            loss = functional.cross_entropy(self.module(batch[0]), batch[1])
            self.losses.append(loss.detach() * len(batch[1]))
            return loss

        def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
            self.right += int((self.module(batch[0]).argmax(1) == batch[1]).sum())

        def configure_optimizers(self) -> dict[str, Any]:
            optimizer = make_optimizer(self)
            schedule = make_schedule(optimizer, len(train_loader))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    train_loader, validation_loader = loaders(data)
    network = Network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on loader processes: on one thread there is none to spare
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="gpu" if data.mean.device.type == "cuda" else "cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(network, train_loader, validation_loader)
    loss = float(torch.stack(network.losses).sum()) / len(data.train)
    return Result(loss, 100 * network.right / len(data.validation))
