"""The training of a detector or segmenter: a few epochs, from a seed, on one device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from naslab.dense_prediction.annotations import Annotation
from naslab.dense_prediction.dense_recipe import DenseRecipe
from naslab.dense_prediction.detectors import as_floats
from naslab.dense_prediction.evaluation import as_channels, true_masks
from naslab.dense_prediction.images import IGNORED, read_image, read_mask
from naslab.dense_prediction.segmenters import resized
from naslab.dense_prediction.tasks import DENSE_TASKS, DenseTask
from naslab.errors import DataError, DivergedError
from naslab.pretrained.features import name_in_network
from naslab.training.checkpoint import Checkpoint, TrainingState

KEPT_BYTES = 2**30
"""Of decoded images that are kept between epochs."""


_Batch: TypeAlias = "tuple[list[int], NDArray[np.bool_] | None]"
"""The places of images, and which of them are mirrored."""


class DenseEpoch(msgspec.Struct, frozen=True):
    """An epoch of training: its number from 1, the mean `loss`, that of each part by name (`losses`), and seconds."""

    epoch: int
    loss: float
    losses: dict[str, float]
    wall_seconds: float


def fit(
    module: nn.Module,
    images: Sequence[Annotation],
    task: DenseTask,
    num_classes: int,
    *,
    channels: int,
    side: tuple[int, int],
    epochs: int,
    seed: int,
    device: str,
    is_pretrained: bool,
    recipe: DenseRecipe,
    report: Callable[[DenseEpoch], None] = lambda _: None,
    schedule_epochs: int | None = None,
    start: Checkpoint | None = None,
    is_clear: Callable[[], bool] = lambda: False,
    keep: Callable[[TrainingState], None] | None = None,
    between_steps: Callable[[], None] = lambda: None,
) -> list[DenseEpoch]:
    """Train `module` for a `task` on annotated `images` and give its epochs.

    Images have `channels` channels and `num_classes` classes, a segmenter sees them resized to `side` (height, width).
    `epochs`, `seed`, `device` and `recipe` say how; the weights of the network learn slower where it `is_pretrained`.
    `report` is called with every epoch, `between_steps` before each step.

    The schedule of the learning rate is that of `schedule_epochs`, of which `epochs` are the beginning. From `start`
    on, a checkpoint of the same training, every number is as if it had never stopped; the epochs given are those that
    follow. `keep` is given the state at the end. The training ends early before an epoch where `is_clear` says that
    more would tell nothing. Raises `DivergedError` for a loss that is no finite number, `DataError` for fewer images
    than a step takes and for a checkpoint of another training.
    """
    if len(images) < 2:
        raise DataError(f"{len(images)} training image is left, a step takes two or more; add images")
    module.to(device)
    if DENSE_TASKS[task].finds_objects:
        _learn_from(module, recipe.boxes)
    size = min(recipe.batch_size, len(images))
    steps_an_epoch = len(_starts(len(images), size))
    steps = (schedule_epochs or epochs) * steps_an_epoch
    optimizer = torch.optim.AdamW(_groups(module, recipe, is_pretrained), weight_decay=recipe.weight_decay)
    rates = [group["lr"] for group in optimizer.param_groups]
    source = _Source(images, task, num_classes, channels, side)
    curve = []
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        state = TrainingState(batch_size=size, module=module, optimizer=optimizer, device=torch.device(device))
        if start is not None:
            state.restore(start)
        done = 0 if start is None else len(start.progress.curve)
        flips = recipe.flip and task != "keypoints"
        for epoch, batches in enumerate(_epochs_of_batches(seed, len(images), size, flips, epochs), start=1):
            if epoch <= done:
                continue
            if is_clear():
                break
            began = time.perf_counter()
            module.train()
            sums: dict[str, float] = {}
            count = 0
            for batch, flipped in batches:
                between_steps()
                share = _share((epoch - 1) * steps_an_epoch + count, steps, recipe.warmup)
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * share
                losses = source.losses(module, batch, flipped, device)
                loss = torch.stack(list(losses.values())).sum()
                if not math.isfinite(loss.item()):
                    raise DivergedError(f"the training loss became {loss.item()} in epoch {epoch}")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(module.parameters(), recipe.clip)
                optimizer.step()
                count += 1
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value.item()
            means = {name: value / count for name, value in sums.items()}
            curve.append(DenseEpoch(epoch, math.fsum(means.values()), means, time.perf_counter() - began))
            report(curve[-1])
        if keep is not None:
            keep(state)
    return curve


class _Source:
    """Batches of images and targets on a device, and the losses of a module on them."""

    def __init__(
        self, images: Sequence[Annotation], task: DenseTask, num_classes: int, channels: int, side: tuple[int, int]
    ) -> None:
        self._images, self._task, self._classes, self._channels, self._side = images, task, num_classes, channels, side
        self._kept: dict[int, Any] = {}
        self._keeps = sum(each.height * each.width * (3 + len(each.labels)) for each in images) < KEPT_BYTES

    def losses(self, module: nn.Module, batch: Sequence[int], flips: Any, device: str) -> dict[str, Tensor]:
        pairs = [self._flipped(place, flips is not None and bool(flips[at])) for at, place in enumerate(batch)]
        if DENSE_TASKS[self._task].finds_objects:
            targets = [{name: value.to(device) for name, value in target.items()} for _, target in pairs]
            found: dict[str, Tensor] = module([as_floats(pixels.to(device)) for pixels, _ in pairs], targets)
            return found
        logits = module(torch.stack([as_floats(pixels.to(device)) for pixels, _ in pairs]))
        classes = torch.stack([target["classes"] for _, target in pairs]).to(device)
        if not (classes != IGNORED).any():  # the mean over no pixel is no number
            return {"pixels": 0 * logits.sum()}
        return {"pixels": functional.cross_entropy(logits, classes, ignore_index=IGNORED)}

    def _flipped(self, place: int, is_flipped: bool) -> tuple[Tensor, dict[str, Tensor]]:
        pixels, target = self._pair(place)
        if not is_flipped:
            return pixels, target
        turned = {name: value.flip(-1) if name in ("masks", "classes") else value for name, value in target.items()}
        if "boxes" in turned:
            left, top, right, bottom = turned["boxes"].unbind(dim=1)
            width = pixels.shape[-1]
            turned["boxes"] = torch.stack([width - right, top, width - left, bottom], dim=1)
        return pixels.flip(-1), turned

    def _pair(self, place: int) -> tuple[Tensor, dict[str, Tensor]]:
        if place not in self._kept:
            made = self._made(self._images[place])
            if not self._keeps:
                return made
            self._kept[place] = made
        pair: tuple[Tensor, dict[str, Tensor]] = self._kept[place]
        return pair

    def _made(self, each: Annotation) -> tuple[Tensor, dict[str, Tensor]]:
        pixels = as_channels(read_image(each.path), self._channels)
        if not DENSE_TASKS[self._task].finds_objects:
            assert each.mask is not None
            mask = read_mask(each.mask, (each.height, each.width), self._classes)
            small = resized(pixels.to(torch.float32)[None], self._side)[0].round().to(torch.uint8)
            nearest = functional.interpolate(mask[None, None].to(torch.float32), size=self._side)[0, 0]
            return small, {"classes": nearest.to(torch.int64)}
        kept = each.is_to_find
        target = {
            "boxes": torch.from_numpy(each.boxes[kept]).to(torch.float32),
            "labels": torch.from_numpy(each.labels[kept] + 1),
        }
        if self._task == "instance_segmentation":
            target["masks"] = torch.from_numpy(true_masks(each)[kept]).to(torch.uint8)
        if self._task == "keypoints":
            assert each.keypoints is not None
            target["keypoints"] = torch.from_numpy(each.keypoints[kept]).to(torch.float32)
        return pixels, target


def _learn_from(detector: Any, boxes: int) -> None:
    """Let the heads of a detector learn from at most so many `boxes` of an image."""
    detector.roi_heads.fg_bg_sampler.batch_size_per_image = boxes


def _groups(module: nn.Module, recipe: DenseRecipe, is_pretrained: bool) -> list[dict[str, Any]]:
    """The weights of the network and those of what stands on it, with the learning rate of each."""
    body: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, weight in module.named_parameters():
        (body if name_in_network(name) else rest).append(weight)
    share = recipe.body_share if is_pretrained else 1.0
    return [{"params": body, "lr": recipe.learning_rate * share}, {"params": rest, "lr": recipe.learning_rate}]


def _share(step: int, steps: int, warmup: float) -> float:
    first = max(1.0, warmup * steps)
    if step < first:
        return (step + 1) / (first + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - first) / max(1.0, steps - first)))


def _starts(count: int, size: int) -> range:
    """Where batches begin: one of a single image at the end is left out, whose norms have no spread."""
    return range(0, count - (1 if count % size == 1 else 0), size)


def _epochs_of_batches(seed: int, count: int, size: int, flips: bool, epochs: int) -> Iterator[list[_Batch]]:
    """The batches of each epoch, which follow from `seed`: those of a later one from its place among all."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(count)
        batches = [[int(each) for each in order[start : start + size]] for start in _starts(count, size)]
        yield [(batch, rng.random(len(batch)) < 0.5 if flips else None) for batch in batches]
