"""The ways to train that `bench_train.py` compares: the engine, the loop a user would write, and Lightning's.

All train the same network from the same weights on the same images, with the same batches' size, optimiser and rates,
for one epoch with crops and mirror images, and evaluate it on the same validation images.
"""

from __future__ import annotations

import logging
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
from naslab.training.data import DataSplit
from naslab.training.images import ImageSet
from naslab.training.loop import train
from naslab.training.recipe import Recipe
from naslab.training.schedule import rate_factor

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


def engine(precision: str) -> Contender:
    """naslab's training in a precision."""

    def run(arch: ArchSpec, data: DataSplit) -> Result:
        recipe = msgspec.structs.replace(RECIPE, precision=precision)
        (epoch,) = train(build(arch, seed=0), data, recipe, 1, size=(SIDE, SIDE))
        return Result(epoch.train_loss, epoch.validation_accuracy)

    return run


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
