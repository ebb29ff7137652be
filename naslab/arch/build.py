"""From a plan to a plain torch module: the second reading of the algebra.

The module is made of torch's own layers and the few of `naslab.arch.modules`; it prints with the names of the plan.
How each layer is built is its torch row: naslab's own are in `naslab.arch.layer_modules`, others call `declare_module`.
"""

from __future__ import annotations

import torch
from torch import nn

from naslab.arch import graphs
from naslab.arch.layer_modules import module_of
from naslab.arch.lower import lower
from naslab.arch.plan import Layer
from naslab.arch.spec import ArchSpec
from naslab.arch.torch_layers import TorchLayer, declare_module

__all__ = ["TorchLayer", "build", "declare_module", "module_of"]


def build(arch: ArchSpec, seed: int | None = None, auxiliary: bool = False) -> nn.Module:
    """A module of the network `arch`: images of shape (batch, channels, height, width) in, logits (batch, classes) out.

    With a `seed` the initial weights are a function of it, and the global random state is left as it was. With
    `auxiliary` the auxiliary heads of the architecture are built too: in training the module then gives a tuple, the
    logits and those of each head; in evaluation the logits alone, as ever. The heads' weights are under `auxiliary.`,
    all others have the names they have without. Raises `SpecError` where a layer does not fit its input.

    >>> import torch
    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(), width=4),), num_classes=2)
    >>> build(arch, seed=0)(torch.zeros(5, 3, 8, 8)).shape
    torch.Size([5, 2])
    """
    plan = lower(arch, auxiliary)
    if seed is None:
        return _network(plan)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _network(plan)


def _network(plan: Layer) -> nn.Module:
    module = _initialised(module_of(plan))
    graphs.share_paths(module)
    return module


def _initialised(module: nn.Module) -> nn.Module:
    """Weights of convolutions by He et al. 2015 (arXiv 1502.01852, fan out), of linear layers by a small normal."""
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight, mode="fan_out", nonlinearity="relu")
            if each.bias is not None:
                nn.init.zeros_(each.bias)
        elif isinstance(each, nn.Linear):
            nn.init.normal_(each.weight, std=each.in_features**-0.5)
            if each.bias is not None:
                nn.init.zeros_(each.bias)
    return module
