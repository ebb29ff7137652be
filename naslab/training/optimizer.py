"""The optimiser of a recipe, and what is done to gradients before its step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from naslab.study.recipe import Recipe, is_gradual
from naslab.training.rmsprop import RmsProp

RATE_SCALE = "rate_scale"
"""The key of a parameter group for the factor of its learning rate; missing where that is 1."""


def make_optimizer(
    module: nn.Module,
    recipe: Recipe,
    is_capturable: bool = False,
    scales: Mapping[nn.Parameter, float] = MappingProxyType({}),
) -> torch.optim.Optimizer:
    """The optimiser of `recipe` over the parameters of `module`, fused where torch has it.

    Weight decay is for the weights of convolutions and linear layers alone, not for norms, biases and gains
    (He et al. 2019, arXiv 1812.01187, section 3.1). Steps of an optimiser that `is_capturable` may be recorded as a
    CUDA graph: all that changes from step to step, the learning rate too, is a tensor on the device. `scales` are
    factors of the learning rate of some parameters.
    """
    groups = parameter_groups(module, recipe.weight_decay, scales)
    rate = _rate_tensor(module, recipe.learning_rate) if is_capturable else recipe.learning_rate
    for group in groups:
        scale = group.get(RATE_SCALE)
        if isinstance(scale, float):
            group["lr"] = rate * scale  # a tensor of its own where the rate is one
    if recipe.optimizer == "sgd":
        has_nesterov = recipe.nesterov and recipe.momentum > 0  # torch refuses it without momentum
        # torch's fused step takes no group of which only some weights have a momentum yet
        is_fused = not is_gradual(recipe.tune)
        return torch.optim.SGD(groups, rate, recipe.momentum, nesterov=has_nesterov, fused=is_fused)
    if recipe.optimizer == "adamw":
        betas = (recipe.momentum, 0.999)
        return _quiet(torch.optim.AdamW(groups, rate, betas, fused=True, capturable=is_capturable))
    # The decay of the mean square is of arXiv 1905.11946, section 5.2, epsilon of its released code.
    return RmsProp(groups, rate, alpha=0.9, eps=1e-3, momentum=recipe.momentum)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give an optimiser a learning rate; where its rate is a tensor that tensor takes the value."""
    for group in optimizer.param_groups:
        own = rate * group.get(RATE_SCALE, 1.0)
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(own)
        else:
            group["lr"] = own


def _quiet(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """An optimiser that does not advise against steps outside a recording, of which every training has some."""
    optimizer.__dict__["_warned_capturable_if_run_uncaptured"] = True
    return optimizer


def _rate_tensor(module: nn.Module, rate: float) -> Tensor:
    """A learning rate where the weights are: of single precision, as torch's fused steps on a GPU read it."""
    device = next(module.parameters()).device
    return torch.tensor(rate, dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)


def parameter_groups(
    module: nn.Module, weight_decay: float, scales: Mapping[nn.Parameter, float] = MappingProxyType({})
) -> list[dict[str, object]]:
    """The trained parameters with weight decay (`decaying_weights`) and those without, as torch takes groups.

    Those with `scales`, factors of their learning rate, are in groups of their own.
    """
    decayed = set(decaying_weights(module))
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            groups.setdefault((parameter not in decayed, scales.get(parameter, 1.0)), []).append(parameter)
    made: list[dict[str, object]] = []
    for (is_kept, scale), parameters in sorted(groups.items(), key=lambda each: each[0]):
        group: dict[str, object] = {"params": parameters, "weight_decay": 0.0 if is_kept else weight_decay}
        made.append(group if scale == 1.0 else group | {RATE_SCALE: scale})
    return made


def decaying_weights(module: nn.Module) -> list[nn.Parameter]:
    """The trained weights of convolutions and linear layers, which weight decay and penalties are for."""
    named = module.named_parameters()
    return [
        each for name, each in named if name.rpartition(".")[2] == "weight" and each.ndim > 1 and each.requires_grad
    ]


def clip_to_weights(parameters: Iterable[nn.Parameter], ratio: float, eps: float = 1e-3) -> None:
    """Scale each unit's gradient to at most `ratio` of the norm of its weights (arXiv 2102.06171, equation 3).

    Norms of weights count as at least `eps`. A vector (biases, gains) is one unit, as in the paper's released code.
    Parameters without a gradient are left out.

    >>> weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
    >>> weight.grad = torch.tensor([[0.0, 2.0]])
    >>> clip_to_weights([weight], ratio=0.1)
    >>> weight.grad
    tensor([[0.0000, 0.5000]])
    """
    for parameter in parameters:
        if parameter.grad is None:
            continue
        most = _unit_norms(parameter.detach()).clamp_(min=eps).mul_(ratio)
        norms = _unit_norms(parameter.grad)
        parameter.grad.mul_((most / norms.clamp(min=1e-6)).clamp_(max=1.0))


def _unit_norms(values: Tensor) -> Tensor:
    """The norm of each output unit's weights, kept as sizes of 1; of all of a vector."""
    norms: Tensor = torch.linalg.vector_norm(values, dim=tuple(range(1, values.ndim)) or None, keepdim=True)
    return norms
