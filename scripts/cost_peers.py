"""Other ways to count a torch module's multiply-accumulates, each as its documentation tells."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Peer(NamedTuple):
    """A counter of multiply-accumulates of a module on one image, and where the module is built."""

    name: str
    package: str
    count: Callable[[nn.Module, Tensor], int]
    device: str = "cpu"

    def missing(self) -> str:
        """Why it cannot be measured; empty where it can."""
        return "" if importlib.util.find_spec(self.package) else f"{self.package} is not installed"

    def version(self) -> str:
        """The version of its package."""
        return metadata.version(self.package)


def flop_counter_macs(module: nn.Module, images: Tensor) -> int:
    """PyTorch's own counter: 2 flops a multiply-accumulate."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(images)
    return int(counter.get_total_flops()) // 2


def fvcore_macs(module: nn.Module, images: Tensor) -> int:
    """fvcore's analysis of the traced module; it calls a multiply-accumulate a flop."""
    from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    analysis = FlopCountAnalysis(module, images).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(analysis.total())


def ptflops_macs(module: nn.Module, images: Tensor) -> int:
    """ptflops' hooks on the layers of a module."""
    from ptflops import get_model_complexity_info

    macs, _ = get_model_complexity_info(
        module,
        tuple(images.shape[1:]),
        as_strings=False,
        print_per_layer_stat=False,
        verbose=False,
        backend="pytorch",
    )
    return int(macs)


def torchinfo_macs(module: nn.Module, images: Tensor) -> int:
    """torchinfo's summary, not printed."""
    from torchinfo import summary

    return int(summary(module, input_data=images, verbose=0).total_mult_adds)


def thop_macs(module: nn.Module, images: Tensor) -> int:
    """thop's profile."""
    from thop import profile

    with contextlib.redirect_stdout(io.StringIO()):
        macs, _ = profile(module, inputs=(images,), verbose=False)
    return int(macs)


PEERS = (
    Peer("FlopCounterMode", "torch", flop_counter_macs),
    Peer("FlopCounterMode, meta device", "torch", flop_counter_macs, "meta"),
    Peer("fvcore", "fvcore", fvcore_macs),
    Peer("ptflops", "ptflops", ptflops_macs),
    Peer("torchinfo", "torchinfo", torchinfo_macs),
    Peer("thop", "thop", thop_macs),
)
"""Every peer that is measured where it is installed."""
