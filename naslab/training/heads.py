"""Auxiliary heads: trained with the network, and left out of what is evaluated, measured and kept."""

from __future__ import annotations

import torch
from torch import nn

from naslab.arch.build import build
from naslab.arch.spec import ArchSpec

PREFIX = "auxiliary."


def with_heads(network: nn.Module, arch: ArchSpec, seed: int) -> nn.Module:
    """A network with the auxiliary heads that its architecture has, to be trained; itself where it has none.

    The network's own weights stay, those of the heads are drawn from the seed.
    """
    if not arch.auxiliary:
        return network
    supervised = build(arch, seed, auxiliary=True)
    supervised.load_state_dict(supervised.state_dict() | network.state_dict())
    return supervised


def without_heads(module: nn.Module, arch: ArchSpec) -> nn.Module:
    """The network alone, with the weights of `with_heads`'s module; itself where the architecture has no heads."""
    if not arch.auxiliary:
        return module
    device = next(module.parameters()).device
    network = build(arch, seed=0).to(device).to(memory_format=torch.channels_last)
    own = {name: value for name, value in module.state_dict().items() if not name.startswith(PREFIX)}
    network.load_state_dict(own)
    return network
