"""How well a module does on images that it was not trained on."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from naslab.study.recipe import Recipe, Views
from naslab.training.augment import Normaliser, plain_batches
from naslab.training.images import Images
from naslab.training.precision import forward_precision
from naslab.training.views import views_of, views_size

EVALUATION_BATCH = 256
STEPS_OF_EVALUATION = 8
"""Images evaluated at once for each image of a training batch, at most: without gradients they need less memory."""


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


def evaluate(
    module: nn.Module, images: Images, normalise: Normaliser, recipe: Recipe, views: Views = "plain"
) -> Evaluation:
    """Cross-entropy without label smoothing and accuracy of `module` over `images`, in evaluation mode.

    `normalise` brings pixels to the network's size; `recipe` says in which precision, and its batch size how many
    images are looked at at once: 8 times as many, at most 256. With several `views` of an image its class probabilities
    are their mean (arXiv 1409.1556, section 3.2).
    """
    device = images.labels.device
    loss = torch.zeros((), device=device, dtype=torch.float64)
    right = torch.zeros((), device=device, dtype=torch.int64)
    count = min(EVALUATION_BATCH, STEPS_OF_EVALUATION * recipe.batch_size)
    size = normalise.size
    module.eval()
    with torch.inference_mode():
        for batch in plain_batches(images, normalise.at(views_size(size, views)), count):
            with forward_precision(recipe, device, size):
                logits = [module(view).float() for view in views_of(batch.images, size, views)]
            seen = logits[0] if len(logits) == 1 else mean_log_probability(logits)
            loss += functional.cross_entropy(seen, batch.labels, reduction="sum")
            right += (seen.argmax(1) == batch.labels).sum()
    return Evaluation(float(loss) / len(images), 100 * int(right) / len(images), len(images))


def mean_log_probability(logits: list[Tensor]) -> Tensor:
    """The logarithm of the mean of class probabilities, those of several views; all of shape (batch, classes).

    >>> mean_log_probability([torch.tensor([[0.0, 0.0]]), torch.tensor([[50.0, 0.0]])]).exp()
    tensor([[0.7500, 0.2500]])
    """
    return torch.stack([each.log_softmax(1) for each in logits]).logsumexp(0) - math.log(len(logits))
