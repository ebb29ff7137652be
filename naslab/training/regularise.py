"""Rates of a recipe on the layers of a built network, for as long as a training lasts.

The network's architecture and the names of its weights stay what they are: rates are set on the layers that are there,
what has no layer is a hook, and both are undone at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from naslab.arch.graphs import Dag, Supervised
from naslab.arch.modules import ChannelLinear, DropPath, Residual
from naslab.arch.spec import StochasticDepth
from naslab.training.drop_block import DropBlock
from naslab.training.recipe import Recipe


class Regularisation:
    """What of a recipe's regularisation changes from step to step."""

    def __init__(self, drop_block: DropBlock | None) -> None:
        self._drop_block = drop_block

    def before_step(self, share: float) -> None:
        """Set the rates at this share of the training."""
        if self._drop_block is not None:
            self._drop_block.at(share)


@contextmanager
def regularised(module: nn.Module, recipe: Recipe) -> Iterator[Regularisation]:
    """The module with the recipe's rates; its own come back at the end."""
    with ExitStack() as undo:
        if recipe.dropout is not None:
            _set_dropout(module, recipe.dropout, undo)
        if recipe.stochastic_depth is not None:
            _set_stochastic_depth(module, recipe.stochastic_depth, undo)
        if recipe.drop_connect:
            for layer in _trunk(module):
                if isinstance(layer, nn.Linear) and not isinstance(layer, ChannelLinear):
                    _hooked(layer.register_forward_hook(_dropping_weights(recipe.drop_connect)), undo)
        drop_block = DropBlock(recipe.drop_block, recipe.drop_block_size) if recipe.drop_block else None
        if drop_block is not None:
            for block in last_blocks(module):
                _hooked(block.register_forward_hook(drop_block), undo)
        yield Regularisation(drop_block)


def classifier_of(module: nn.Module) -> nn.Module | None:
    """The layer that makes the logits: the last convolution or linear layer outside the auxiliary heads."""
    weighted = [each for each in _trunk(module) if isinstance(each, nn.Linear | nn.Conv2d)]
    return weighted[-1] if weighted else None


def last_blocks(module: nn.Module, num_stages: int = 2) -> list[nn.Module]:
    """The blocks of a network's last stages."""
    stages = [part for name, part in module.named_children() if name.startswith("stage")]
    return [block for stage in stages[-num_stages:] for block in stage.children()]


def _trunk(module: nn.Module) -> list[nn.Module]:
    """A network's layers in order, but for those of its auxiliary heads."""
    if not isinstance(module, Supervised):
        return list(module.modules())
    aside = set(module.auxiliary.modules())
    return [each for each in module.modules() if each not in aside]


def _set_dropout(module: nn.Module, rate: float, undo: ExitStack) -> None:
    layers = [each for each in _trunk(module) if isinstance(each, nn.Dropout | nn.Dropout2d)]
    for layer in layers:
        _set(layer, "p", rate, undo)
    classifier = None if layers else classifier_of(module)
    if classifier is not None and rate:
        _hooked(classifier.register_forward_pre_hook(_dropping_inputs(rate)), undo)


def _set_stochastic_depth(module: nn.Module, rate: float, undo: ExitStack) -> None:
    """Rates that grow body by body; a graph that averages its branches drops these instead."""
    rule = StochasticDepth(rate=rate)
    bodies = [each for each in _trunk(module) if isinstance(each, Residual | DropPath) or _averages(each)]
    for index, body in enumerate(bodies):
        name = "rate" if isinstance(body, DropPath) else "drop_rate"
        _set(body, name, rule.rate_of(index, len(bodies)), undo)


def _averages(module: nn.Module) -> bool:
    return isinstance(module, Dag) and any(reading.join == "mean" for reading in module.reads)


def _set(layer: nn.Module, name: str, rate: float, undo: ExitStack) -> None:
    undo.callback(setattr, layer, name, getattr(layer, name))
    setattr(layer, name, rate)


def _hooked(handle: RemovableHandle, undo: ExitStack) -> None:
    undo.callback(handle.remove)


def _dropping_inputs(rate: float) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
    """A hook that drops values before a layer in training."""

    def before(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (functional.dropout(inputs[0], rate, layer.training), *inputs[1:])

    return before


def _dropping_weights(rate: float) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
    """DropConnect as a hook on a linear layer: one mask for all images of a batch, so that memory does not grow."""

    def after(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        if not layer.training:
            return output
        assert isinstance(layer, nn.Linear)
        return functional.linear(inputs[0], functional.dropout(layer.weight, rate), layer.bias)

    return after
