"""What of a network is trained, and at which learning rates: all of it, its classifier, or its last stages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from naslab.arch.block import require
from naslab.arch.build import build
from naslab.arch.spec import ArchSpec
from naslab.errors import counted
from naslab.study.recipe import Recipe, is_gradual, tuned_stages
from naslab.training.regularise import classifier_of

STAGE = "stage"
HEAD = "head"


class Tuning(NamedTuple):
    """What a training by a `recipe` does to a `module`.

    `weights` are those that are trained at some time, `scales` factors of their learning rates.
    """

    module: nn.Module
    recipe: Recipe
    weights: tuple[nn.Parameter, ...]
    scales: dict[nn.Parameter, float]

    def begin_epoch(self, epoch: int) -> None:
        """Before an epoch, counted from 0: what is trained is in training mode, the rest in evaluation mode.

        There statistics and dropout stay. Weights that are trained from a later epoch on ask for no gradients.
        """
        self.module.train()
        frozen = frozen_layers(self.module, self.recipe, epoch)
        for each in frozen:
            each.eval()
        if is_gradual(self.recipe.tune):
            waiting = {weight for layer in frozen for weight in layer.parameters(recurse=False)}
            for weight in self.weights:
                weight.requires_grad_(weight not in waiting)


@contextmanager
def tuned(module: nn.Module, recipe: Recipe) -> Iterator[Tuning]:
    """Inside the block only what the recipe tunes asks for gradients; afterwards what asked for them before does.

    Raises `SpecError` where the network has fewer stages than the recipe tunes.
    """
    before = [each for each in module.parameters() if each.requires_grad]
    for layer in frozen_layers(module, recipe):
        layer.requires_grad_(False)
    try:
        weights = tuple(each for each in before if each.requires_grad)
        yield Tuning(module, recipe, weights, rate_scales(module, recipe.layer_decay))
    finally:
        for each in before:
            each.requires_grad_(True)


def frozen_layers(module: nn.Module, recipe: Recipe, epoch: int | None = None) -> tuple[nn.Module, ...]:
    """The layers whose weights, statistics and mode stay as they are, and the modules that hold nothing else.

    Where what is trained grows it is those that stay in an `epoch`, counted from 0, and without one in every epoch.
    Raises `SpecError` where the network has fewer stages than the recipe tunes.
    """
    layers = [each for each in module.modules() if not any(True for _ in each.children())]
    trained = {id(each) for part in trained_parts(module, recipe.tune, epoch) for each in part.modules()}
    return tuple(
        each for each in layers if id(each) not in trained or (recipe.freeze_norm and isinstance(each, nn.BatchNorm2d))
    ) + tuple(each for each in module.modules() if each is not module and not _holds(each, trained))


def _holds(module: nn.Module, trained: set[int]) -> bool:
    """Whether a module is trained, or one within it is."""
    return any(id(each) in trained for each in module.modules())


def trained_parts(module: nn.Module, tune: str, epoch: int | None = None) -> tuple[nn.Module, ...]:
    """The parts of a network that `tune` trains; where that grows, in an `epoch` (from 0), or at last without one.

    Raises `SpecError` where it has fewer stages than are asked for, or no classifier.
    """
    count = tuned_stages(tune, epoch)
    if count is None:
        return (module,)
    if count < 0:
        classifier = classifier_of(module)
        require(classifier is not None, "tune", f"{tune} needs a network with a classifier")
        assert classifier is not None
        return (classifier,)
    parts = dict(module.named_children())
    stages = [part for name, part in parts.items() if name.startswith(STAGE)]
    if is_gradual(tune) and count > len(stages):
        return (module,)
    rule = f"the network has {counted(len(stages), 'stage')}, got {tune}"
    require(count <= len(stages), "tune", rule)
    return (*stages[len(stages) - count :], *([parts[HEAD]] if HEAD in parts else []))


def require_tunable(recipe: Recipe, arch: ArchSpec) -> None:
    """Raise `SpecError` where a recipe tunes more stages than the network `arch` has; nothing is trained for it."""
    if tuned_stages(recipe.tune, epoch=0) is None:
        return
    with torch.device("meta"):
        trained_parts(build(arch), recipe.tune, epoch=0)


def rate_scales(module: nn.Module, layer_decay: float) -> dict[nn.Parameter, float]:
    """The factor of each parameter's learning rate: that of a part is `layer_decay` times the next part's.

    Parts are the stem's and the stages of a network and its head, whose factor is 1; empty where all are 1.

    >>> from collections import OrderedDict
    >>> network = nn.Sequential(OrderedDict(stage0=nn.Linear(1, 1), head=nn.Linear(1, 1)))
    >>> sorted(set(rate_scales(network, 0.5).values()))
    [0.5, 1.0]
    """
    if layer_decay == 1.0:
        return {}
    parts = [part for name, part in module.named_children() if name.startswith(("stem", STAGE, HEAD))]
    return {
        parameter: layer_decay**behind for behind, part in enumerate(reversed(parts)) for parameter in part.parameters()
    }
