"""Rates of a recipe on the layers of a built network, for as long as a training lasts; DropBlock and penalties.

The network's architecture and the names of its weights stay what they are: rates are set on the layers that are there,
what has no layer is a hook, and both are undone at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from naslab.arch.graphs import Dag, Supervised
from naslab.arch.modules import ChannelLinear, DropPath, Residual
from naslab.arch.spec import StochasticDepth
from naslab.study.recipe import Recipe


class Regularisation:
    """What of a recipe's regularisation changes from step to step: the rate of `drop_block`, where there is one."""

    def __init__(self, drop_block: DropBlock | None) -> None:
        self._drop_block = drop_block

    def before_step(self, share: float) -> None:
        """Set the rates for the step at `share` of the training, from 0 to 1."""
        if self._drop_block is not None:
            self._drop_block.at(share)


@contextmanager
def regularised(module: nn.Module, recipe: Recipe) -> Iterator[Regularisation]:
    """Inside the block the module has the recipe's rates; afterwards it has its own again."""
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
    """The layer that makes the logits: the last convolution or linear layer outside the auxiliary heads, if any."""
    weighted = [each for each in _trunk(module) if isinstance(each, nn.Linear | nn.Conv2d)]
    return weighted[-1] if weighted else None


def last_blocks(module: nn.Module, num_stages: int = 2) -> list[nn.Module]:
    """The blocks of a network's last `num_stages` stages, in order."""
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


class DropBlock:
    """A forward hook that drops squares of a block's output in training (DropBlock, arXiv 1810.12890).

    The share that is dropped grows linearly from 0 to `rate` over the training. A square has `size` pixels a side, or
    the odd number below that a smaller map allows.
    """

    def __init__(self, rate: float, size: int) -> None:
        from torchvision.ops import drop_block2d  # more than a second, which other recipes do without

        self._drop = drop_block2d
        self._most = rate
        self._size = size
        self.rate = 0.0

    def at(self, share: float) -> None:
        """Take the rate of this share of the training (arXiv 1810.12890, section 3, scheduled DropBlock)."""
        self.rate = self._most * share

    def __call__(self, block: nn.Module, _: tuple[Any, ...], output: Tensor) -> Tensor:
        """`output`, of shape (batch, channels, height, width), with squares set to 0, the rest scaled up.

        The mean over the batch stays. In evaluation mode the output stays as it is, as does one that is no map.
        """
        if not block.training or self.rate == 0 or output.ndim != 4:
            return output
        side = min(self._size, *output.shape[2:])
        dropped: Tensor = self._drop(output, self.rate, side - (side + 1) % 2)
        return dropped


def add_penalty(weights: Iterable[nn.Parameter], l1: float, l2: float) -> None:
    """Add the gradient of `l1 * sum |w| + l2 / 2 * sum w^2` to that of each of `weights`; the loss stays as it is.

    Both together are the elastic net (Zou and Hastie 2005); an `l2` is what SGD calls weight decay.

    >>> weight = nn.Parameter(torch.tensor([2.0, -1.0]))
    >>> weight.grad = torch.zeros(2)
    >>> add_penalty([weight], l1=0.5, l2=0.25)
    >>> weight.grad
    tensor([ 1.0000, -0.7500])
    """
    with torch.no_grad():
        for weight in weights:
            if weight.grad is None:
                continue
            if l2:
                weight.grad.add_(weight, alpha=l2)
            if l1:
                weight.grad.add_(weight.sign(), alpha=l1)
