"""One update of a network's weights by a batch: the same function, whether it runs as it is or is recorded.

All that changes from step to step comes in through tensors that stay where they are (the batch, the learning rate, the
share that an average takes), and nothing is read back to the host: a recording of the step on a GPU is the step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from naslab.arch.graphs import Supervised
from naslab.study.recipe import Recipe
from naslab.training.augment import Batch
from naslab.training.averaging import WeightAverage
from naslab.training.losses import Criterion, class_loss
from naslab.training.optimizer import clip_to_weights, decaying_weights
from naslab.training.precision import forward_precision
from naslab.training.regularise import add_penalty, classifier_of


class TrainingStep:
    """Forward, loss, backward, penalties, clipping, the optimiser's step and the average's, as `recipe` says.

    `module` is the network, whose parameters `optimizer` updates; `averaged` is its averaged copy, if any, and `size`
    the (height, width) of its images. `forward` is what turns images into logits: the module, or a compiled form of it
    with the same weights; `criterion` is the loss of the data's task.
    """

    def __init__(
        self,
        module: nn.Module,
        recipe: Recipe,
        optimizer: torch.optim.Optimizer,
        averaged: WeightAverage | None,
        size: tuple[int, int],
        criterion: Criterion = class_loss,
    ) -> None:
        self.forward = module
        self._module = module
        self._recipe = recipe
        self._optimizer = optimizer
        self._averaged = averaged
        self._size = size
        self._criterion = criterion
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        classifier = classifier_of(module)
        last = set() if classifier is None else set(classifier.parameters())
        self._clipped = [each for each in self._parameters if each not in last]  # arXiv 2102.06171, section 4.1
        self._decaying = decaying_weights(module)

    def __call__(self, batch: Batch) -> Tensor:
        """Update the weights; the batch's mean loss in nats before the update, a scalar tensor."""
        recipe = self._recipe
        self._optimizer.zero_grad()
        with forward_precision(recipe, batch.images.device, self._size):
            outputs = self.forward(batch.images)
        loss = training_loss(self._module, outputs, batch, recipe.label_smoothing, self._criterion)
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.l1 or recipe.l2:
            add_penalty(self._decaying, recipe.l1, recipe.l2)
        if recipe.clip_ratio is not None:
            clip_to_weights(self._clipped, recipe.clip_ratio)
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, recipe.clip_norm)
        self._optimizer.step()
        if self._averaged is not None:
            self._averaged.update(self._module)
        return loss.detach()


def training_loss(
    module: nn.Module,
    outputs: Tensor | tuple[Tensor, ...],
    batch: Batch,
    label_smoothing: float,
    criterion: Criterion = class_loss,
) -> Tensor:
    """The loss of `outputs`, what `module` made of a batch: a scalar tensor, in nats.

    The logits are of shape (batch, classes). A module with auxiliary heads gives several: the losses of the heads are
    added at the weights that the architecture gives them (arXiv 1409.4842). `batch` has the labels, `label_smoothing`
    is the share of a target that all classes have in common, `criterion` the loss of the data's task.
    """
    if isinstance(outputs, Tensor):
        return batch_loss(outputs.float(), batch, label_smoothing, criterion)
    assert isinstance(module, Supervised)
    loss = batch_loss(outputs[0].float(), batch, label_smoothing, criterion)
    for logits, weight in zip(outputs[1:], module.loss_weights, strict=True):
        loss = loss + weight * batch_loss(logits.float(), batch, label_smoothing, criterion)
    return loss


def batch_loss(logits: Tensor, batch: Batch, label_smoothing: float, criterion: Criterion = class_loss) -> Tensor:
    """The mean loss by `criterion` of `logits`, of shape (batch, outputs), for the labels of `batch`: a scalar tensor.

    By itself it is cross-entropy, in nats.

    Where images were mixed it is that against both labels, each at the share of its image (arXiv 1710.09412).
    `label_smoothing` is the share of a target that all classes have in common.
    """
    loss = criterion(logits, batch.labels, label_smoothing)
    if batch.other_labels is None or batch.share is None:
        return loss
    other = criterion(logits, batch.other_labels, label_smoothing)
    return torch.lerp(other, loss, batch.share)
