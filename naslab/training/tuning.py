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
from naslab.study.recipe import Recipe, tuned_stages
from naslab.training.regularise import classifier_of

STAGE = "stage"
HEAD = "head"


class Tuning(NamedTuple):
    """What a training does to a `module`: layers that stay `frozen`, and `scales`, factors of learning rates."""

    module: nn.Module
    frozen: tuple[nn.Module, ...] = ()
    scales: dict[nn.Parameter, float] = {}  # noqa: RUF012  (a tuple's default, never written to)

    def set_modes(self) -> None:
        """Training mode, but evaluation mode where weights stay: statistics and dropout stay there, too."""
        self.module.train()
        for each in self.frozen:
            each.eval()


@contextmanager
def tuned(module: nn.Module, recipe: Recipe) -> Iterator[Tuning]:
    """Inside the block only what the recipe tunes asks for gradients; afterwards what asked for them before does.

    Raises `SpecError` where the network has fewer stages than the recipe tunes.
    """
    frozen = frozen_layers(module, recipe)
    stopped = list({each for layer in frozen for each in layer.parameters() if each.requires_grad})
    for each in stopped:
        each.requires_grad_(False)
    try:
        yield Tuning(module, frozen, rate_scales(module, recipe.layer_decay))
    finally:
        for each in stopped:
            each.requires_grad_(True)


def frozen_layers(module: nn.Module, recipe: Recipe) -> tuple[nn.Module, ...]:
    """The layers without others in them whose weights, statistics and mode stay as they are.

    Raises `SpecError` where the network has fewer stages than the recipe tunes.
    """
    layers = [each for each in module.modules() if not any(True for _ in each.children())]
    trained = {id(each) for part in trained_parts(module, recipe.tune) for each in part.modules()}
    return tuple(
        each for each in layers if id(each) not in trained or (recipe.freeze_norm and isinstance(each, nn.BatchNorm2d))
    ) + tuple(each for each in module.modules() if each is not module and not _holds(each, trained))


def _holds(module: nn.Module, trained: set[int]) -> bool:
    """Whether a module is trained, or one within it is."""
    return any(id(each) in trained for each in module.modules())


def trained_parts(module: nn.Module, tune: str) -> tuple[nn.Module, ...]:
    """The parts of a network that `tune` trains.

    Raises `SpecError` where it has fewer stages than are asked for, or no classifier.
    """
    count = tuned_stages(tune)
    if count is None:
        return (module,)
    if count < 0:
        classifier = classifier_of(module)
        require(classifier is not None, "tune", "head needs a network with a classifier")
        assert classifier is not None
        return (classifier,)
    parts = dict(module.named_children())
    stages = [part for name, part in parts.items() if name.startswith(STAGE)]
    rule = f"the network has {counted(len(stages), 'stage')}, got {tune}"
    require(count <= len(stages), "tune", rule)
    return (*stages[len(stages) - count :], *([parts[HEAD]] if HEAD in parts else []))


def require_tunable(recipe: Recipe, arch: ArchSpec) -> None:
    """Raise `SpecError` where a recipe tunes more stages than the network `arch` has; nothing is trained for it."""
    if tuned_stages(recipe.tune) is None:
        return
    with torch.device("meta"):
        trained_parts(build(arch), recipe.tune)


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
