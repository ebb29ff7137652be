"""A linear probe on features that are computed once: the classifier of a network whose other weights stay.

Where images are the same in every epoch, so are the values before the classifier. They are computed once, and the
training loop runs on them in the place of images: the same order of batches and the same updates as through the whole
network, to the rounding of sums over batches of another size. Layers whose weights stay drop nothing in either way.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from naslab.arch.graphs import Supervised
from naslab.study.outcome import EpochRecord
from naslab.study.recipe import Recipe
from naslab.training.augment import Normaliser, plain_batches
from naslab.training.data import DataSplit
from naslab.training.evaluation import EVALUATION_BATCH, outputs_of
from naslab.training.images import Images, ImageSet
from naslab.training.loop import train
from naslab.training.precision import forward_precision, is_reduced
from naslab.training.regularise import classifier_of

HEAD = "head"
PLAIN = Recipe()
CHANGING = (
    *("crop_padding", "resized_crop", "horizontal_flip", "auto_augment", "rand_augment", "brightness", "contrast"),
    *("saturation", "hue", "cutout", "mixup", "cutmix", "dropout", "drop_connect"),
)
"""Fields of a recipe that change images from epoch to epoch, or what the classifier reads of them."""


def keeps_features(module: nn.Module, recipe: Recipe) -> bool:
    """Whether a training of the classifier alone sees the same features in every epoch.

    >>> keeps_features(nn.Linear(2, 2), Recipe(tune="head", horizontal_flip=True))
    False
    """
    is_same = all(getattr(recipe, name) == getattr(PLAIN, name) for name in CHANGING)
    if recipe.tune != "head" or not is_same or isinstance(module, Supervised):
        return False
    head = dict(module.named_children()).get(HEAD)
    return head is not None and isinstance(classifier_of(module), nn.Linear)


def train_on_features(
    module: nn.Module, data: DataSplit, recipe: Recipe, epochs: int, *, size: tuple[int, int], **how: Any
) -> tuple[EpochRecord, ...]:
    """Train the classifier of `module` in place on features of `data`; the learning curve.

    `recipe`, `epochs` and `size`, the (height, width) of the network's images, are those of `naslab.training.loop`'s
    `train`, and so is what else it takes, `how`.
    """
    classifier = classifier_of(module)
    assert isinstance(classifier, nn.Linear)
    device = data.train.labels.device
    module.to(device).to(memory_format=torch.channels_last)
    normalise = Normaliser(data, size)
    train_set, validation = (features_of(module, each, normalise, recipe) for each in (data.train, data.validation))
    channels = classifier.in_features
    seen = data._replace(
        train=train_set,
        validation=validation,
        mean=torch.zeros(channels, device=device),
        deviation=torch.ones(channels, device=device),
    )
    small = nn.Sequential(OrderedDict(flatten=nn.Flatten(), classifier=classifier))
    precision = "bfloat16" if is_reduced(recipe, device, size) else "float32"
    alone = msgspec.structs.replace(recipe, precision=precision, tune="all")
    return train(small, seen, alone, epochs, size=(1, 1), **how)


def features_of(module: nn.Module, images: Images, normalise: Normaliser, recipe: Recipe) -> ImageSet:
    """What the classifier of `module` reads of each of `images`, as images of one pixel, with their labels.

    They are float32 of shape (images, 1, 1, features). `normalise` brings pixels to the network's size, `recipe` says
    in which precision the network computes.
    """
    classifier = classifier_of(module)
    assert classifier is not None
    read: list[Tensor] = []
    labels: list[Tensor] = []
    hook = classifier.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].float()))
    module.eval()
    try:
        with torch.inference_mode():
            for batch in plain_batches(images, normalise, EVALUATION_BATCH):
                with forward_precision(recipe, batch.images.device, normalise.size):
                    outputs_of(module, batch.images)
                labels.append(batch.labels)
    finally:
        hook.remove()
    return ImageSet(torch.cat(read).clone()[:, None, None, :], torch.cat(labels).clone())
