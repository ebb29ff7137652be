"""RMSProp as the networks that are named for it were trained: the root over the mean square and epsilon together.

PyTorch's adds epsilon to the root and lets the mean square begin at zero. With epsilon 1e-3 and gradients as small, as
in EfficientNet's recipe, its first steps are hundreds of times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor

STATE = {"mean_square", "velocity"}


class RmsProp(torch.optim.Optimizer):
    """Divides each gradient by the root of its mean square (Hinton 2012, lecture 6e), then goes on with momentum.

    With gradient g: s = `alpha` s + (1 - `alpha`) g^2 from s = 1, v = `momentum` v + `lr` g / sqrt(s + `eps`) from
    v = 0, w = w - v; s and v have the shape of the weight w. `params` are tensors or groups of them, as torch's
    optimisers take them; the `weight_decay` of a group adds its multiple of the weights to g. All of a step is done on
    the device, also where `lr` is a scalar tensor, so that it may be recorded.

    >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
    >>> weight.grad = torch.tensor([2.0])
    >>> RmsProp([weight], lr=0.1, alpha=0.9, eps=0.7, momentum=0.9).step()
    >>> round(weight.item(), 4)  # s = 0.9 + 0.4, v = 0.1 * 2 / sqrt(2)
    0.8586
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float | Tensor,
        alpha: float,
        eps: float,
        momentum: float,
    ) -> None:
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": 0.0})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update the weights by their gradients, which `closure`, if given, computes first; what that gives."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            gradients = {each: each.grad for each in group["params"] if each.grad is not None}
            if gradients:
                self._update(list(gradients), list(gradients.values()), group)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state. Raises `ValueError` where it is another optimiser's, PyTorch's RMSProp's say."""
        if any(set(each) != STATE for each in state_dict["state"].values()):
            raise ValueError("the optimizer's state is not of this RMSProp")
        super().load_state_dict(state_dict)

    def _update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
        states = [self._state_of(each) for each in weights]
        squares = [each["mean_square"] for each in states]
        velocities = [each["velocity"] for each in states]
        torch._foreach_mul_(squares, group["alpha"])
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["alpha"])
        roots = list(torch._foreach_add(squares, group["eps"]))
        torch._foreach_sqrt_(roots)
        steps = list(torch._foreach_div(gradients, roots))
        torch._foreach_mul_(steps, group["lr"])
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, steps)
        torch._foreach_sub_(weights, velocities)

    def _state_of(self, weight: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[weight]
        if not state:
            state["mean_square"] = torch.ones_like(weight)
            state["velocity"] = torch.zeros_like(weight)
        return state
