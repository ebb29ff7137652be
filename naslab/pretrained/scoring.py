"""How much a network with inherited weights is worth before it is trained: a linear probe of what it computes.

A sliced network's norms no longer fit its maps, so their running statistics are measured anew on training images. The
probe is ridge regression from what its classifier reads to the classes, solved at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from naslab.errors import DataError
from naslab.study.recipe import Recipe
from naslab.training.augment import Normaliser, plain_batches
from naslab.training.data import DataSplit
from naslab.training.images import Images
from naslab.training.probe import features_of
from naslab.training.regularise import classifier_of

BATCH = 64
RIDGE = 1e-2
"""The ridge's weight, as a share of the mean square of the features, for each image."""


def measure_norms(module: nn.Module, images: Images, normalise: Normaliser) -> None:
    """Set batch norms' running statistics of `module` to the mean over batches of `images`.

    `normalise` brings pixels to the network's size.
    """
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    kept = [(each.momentum, int(each.num_batches_tracked or 0)) for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # the mean of all batches
    is_training = module.training
    module.train()
    with torch.no_grad():
        for batch in plain_batches(images, normalise, BATCH):
            if len(batch.labels) > 1:
                module(batch.images)
    module.train(is_training)
    for each, (momentum, count) in zip(norms, kept, strict=True):
        each.momentum = momentum
        assert each.num_batches_tracked is not None
        each.num_batches_tracked.fill_(count)


def probe_accuracy(module: nn.Module, split: DataSplit, size: tuple[int, int]) -> float:
    """The validation accuracy in per cent of a ridge regression on what the classifier of `module` reads.

    Features are those of the training images of `split`, at the network's `size` (height, width), behind norms measured
    on them. Raises `DataError` for a network without a classifier.
    """
    if classifier_of(module) is None:
        raise DataError("the network has no classifier whose input could be probed: name one that ends with one")
    normalise = Normaliser(split, size)
    measure_norms(module, split.train, normalise)
    seen, held = (features_of(module, each, normalise, Recipe()) for each in (split.train, split.validation))
    answer = ridge(flat(seen.pixels), seen.labels, split.num_classes)
    features = flat(held.pixels)
    logits = torch.cat([features, features.new_ones(len(features), 1)], 1) @ answer
    return 100.0 * float((logits.argmax(1) == held.labels).double().mean())


def flat(pixels: Tensor) -> Tensor:
    """Features of shape (images, 1, 1, features) as float64 of shape (images, features)."""
    return pixels.reshape(len(pixels), -1).double()


def ridge(features: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """The weights of ridge regression to one-hot classes, the bias last: float64 of shape (features + 1, classes).

    `features` are float64 of shape (images, features), `labels` int64 of shape (images,) below `num_classes`.
    """
    whole = torch.cat([features, features.new_ones(len(features), 1)], 1)
    wanted = torch.nn.functional.one_hot(labels.long(), num_classes).double()
    weight = RIDGE * len(whole) * float(features.square().mean()) + 1e-9
    gram = whole.T @ whole + weight * torch.eye(whole.shape[1], dtype=whole.dtype, device=whole.device)
    solved: Tensor = torch.linalg.solve(gram, whole.T @ wanted)
    return solved
