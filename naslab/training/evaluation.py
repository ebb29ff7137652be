"""How well a module does on images that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from naslab.metrics import ACCURACY, MEAN_AVERAGE_PRECISION, R2
from naslab.study.recipe import Recipe, Views
from naslab.training.augment import Normaliser, plain_batches
from naslab.training.data import DataSplit
from naslab.training.images import Images
from naslab.training.losses import make_criterion
from naslab.training.precision import forward_precision
from naslab.training.scores import Scores, measurable
from naslab.training.views import views_of, views_size

EVALUATION_BATCH = 256
STEPS_OF_EVALUATION = 8
"""Images evaluated at once for each image of a training batch, at most: without gradients they need less memory."""


PIXELS_AT_ONCE = 256 * 32 * 32
"""Of the images that a CPU puts through a network at once without gradients, at most: maps of more are larger than what
the C library keeps of freed memory, and fetching that anew from the system takes as long as computing on it."""


class Evaluation(NamedTuple):
    """Mean loss in nats and accuracy in per cent over `num_images` images.

    Of other tasks than one label an image, `accuracy` is their score in per cent: mean average precision, or the share
    of the variance that is explained, which falls below 0. `measured` are the metrics that were asked for, by name.
    """

    loss: float
    accuracy: float
    num_images: int
    measured: dict[str, float] = {}  # noqa: RUF012  (a tuple's default, never written to)

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


def evaluate(
    module: nn.Module,
    images: Images,
    normalise: Normaliser,
    recipe: Recipe,
    views: Views = "plain",
    scoring: Scoring | None = None,
) -> Evaluation:
    """Cross-entropy without label smoothing and accuracy of `module` over `images`, in evaluation mode.

    `normalise` brings pixels to the network's size; `recipe` says in which precision, and its batch size how many
    images are looked at at once: 8 times as many, at most 256. With several `views` of an image its class probabilities
    are their mean (arXiv 1409.1556, section 3.2). `scoring` is another task's loss, and the metrics that are measured.
    """
    if scoring is not None:
        return _scored(module, images, normalise, recipe, views, scoring)
    device = images.labels.device
    loss = torch.zeros((), device=device, dtype=torch.float64)
    right = torch.zeros((), device=device, dtype=torch.int64)
    count = min(EVALUATION_BATCH, STEPS_OF_EVALUATION * recipe.batch_size)
    size = normalise.size
    module.eval()
    with torch.inference_mode():
        for batch in plain_batches(images, normalise.at(views_size(size, views)), count):
            with forward_precision(recipe, device, size):
                logits = [outputs_of(module, view) for view in views_of(batch.images, size, views)]
            seen = logits[0] if len(logits) == 1 else mean_log_probability(logits)
            loss += functional.cross_entropy(seen, batch.labels, reduction="sum")
            right += (seen.argmax(1) == batch.labels).sum()
    return Evaluation(float(loss) / len(images), 100 * int(right) / len(images), len(images))


def outputs_of(module: nn.Module, images: Tensor) -> Tensor:
    """What `module` gives for `images` of shape (batch, channels, height, width), in evaluation mode, as float32.

    On a CPU large images go through it a few at once, which each of them is the same for.
    """
    if images.device.type != "cpu":
        return module(images).float()  # type: ignore[no-any-return]
    count = max(1, PIXELS_AT_ONCE // (images.shape[2] * images.shape[3]))
    return torch.cat([module(part).float() for part in torch.split(images, count)])


class Scoring(NamedTuple):
    """How `evaluate` judges outputs: as the task of `data` does, with the metrics `names`, unweighted."""

    data: DataSplit
    names: tuple[str, ...] = ()


def scoring_of(data: DataSplit, names: Sequence[str] = ()) -> Scoring | None:
    """How networks are judged on `data`, with the metrics `names`; `None` where accuracy is all.

    Metrics of other tasks than one label an image are measured in any case.
    """
    others = tuple(name for name in names if name != ACCURACY.name)
    if data.task == "classification":
        return Scoring(data, others) if others else None
    return Scoring(data, measurable(data))


def _scored(
    module: nn.Module, images: Images, normalise: Normaliser, recipe: Recipe, views: Views, scoring: Scoring
) -> Evaluation:
    data, names = scoring
    device = images.labels.device
    criterion = make_criterion(data, EQUAL)
    scores = Scores(data, names)
    loss = torch.zeros((), device=device, dtype=torch.float64)
    right = torch.zeros((), device=device, dtype=torch.int64)
    count = min(EVALUATION_BATCH, STEPS_OF_EVALUATION * recipe.batch_size)
    size = normalise.size
    is_classes = data.task == "classification"
    module.eval()
    with torch.inference_mode():
        for batch in plain_batches(images, normalise.at(views_size(size, views)), count):
            with forward_precision(recipe, device, size):
                given = [outputs_of(module, view) for view in views_of(batch.images, size, views)]
            if len(given) == 1:
                seen = given[0]
            else:
                seen = mean_log_probability(given) if is_classes else torch.stack(given).mean(0)
            if is_classes:
                loss += functional.cross_entropy(seen, batch.labels, reduction="sum")
            else:
                loss += criterion(seen, batch.labels, 0.0) * len(batch.labels)
            scores.update(seen, batch.labels)
            if is_classes:
                right += (seen.argmax(1) == batch.labels).sum()
    measured = scores.values()
    main = {"multilabel": MEAN_AVERAGE_PRECISION.name, "regression": R2.name}
    score = 100 * int(right) / len(images) if is_classes else 100 * measured[main[data.task]]
    return Evaluation(float(loss) / len(images), score, len(images), measured)


EQUAL = Recipe()
"""All classes weigh alike where networks are judged."""


def mean_log_probability(logits: list[Tensor]) -> Tensor:
    """The logarithm of the mean of class probabilities, those of several views; all of shape (batch, classes).

    >>> mean_log_probability([torch.tensor([[0.0, 0.0]]), torch.tensor([[50.0, 0.0]])]).exp()
    tensor([[0.7500, 0.2500]])
    """
    return torch.stack([each.log_softmax(1) for each in logits]).logsumexp(0) - math.log(len(logits))
