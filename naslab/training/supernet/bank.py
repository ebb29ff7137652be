"""WeightBank: the tensors that the networks of a space share, each as large as any network needs it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from naslab.arch import ArchSpec, canonical
from naslab.arch.build import build
from naslab.arch.declaration import Initial
from naslab.training.supernet.sharing import SharedTensor, shared_tensors

MODULES_KEPT = 64


class WeightBank(nn.Module):
    """Learned tensors by key. A network's weights are slices of them: first channels, middles of kernels.

    Its parameters are named by their keys, with a `p` before each part but the last: no module may have the name of one
    of its attributes.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.by_key: dict[str, nn.Parameter] = {}
        for key, value in tensors.items():
            self.by_key[key] = parameter = nn.Parameter(value)
            *parts, last = key.split(".")
            owner: nn.Module = self
            for part in parts:
                child = owner._modules.get(f"p{part}")
                if child is None:
                    child = nn.Module()
                    owner.add_module(f"p{part}", child)
                owner = child
            owner.register_parameter(last, parameter)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by key, on the CPU."""
        return {key: value.detach().cpu().contiguous() for key, value in self.by_key.items()}

    def holds(self, arch: ArchSpec) -> bool:
        """Whether every tensor of a network is a slice of the bank's."""
        return not missing_tensors(self.by_key, arch)

    def run(self, arch: ArchSpec, images: Tensor) -> Tensor:
        """The logits of a network for a batch, of shape (batch, classes), differentiable in the bank.

        `images` are float32 of shape (batch, channels, height, width); batch norm uses the batch's statistics.
        """
        weights = {row.name: sliced(self.by_key[row.key], row.shape) for row in shared_tensors(arch)}
        logits: Tensor = functional_call(_bare_module(canonical(arch)), weights, (images,))
        return logits


def make_bank(archs: Iterable[ArchSpec], seed: int) -> WeightBank:
    """A bank with weights drawn by `seed`, as large as is needed for each of `archs` to be a slice of it."""
    shapes: dict[str, tuple[tuple[int, ...], Initial]] = {}
    for arch in archs:
        for row in shared_tensors(arch):
            shape, initial = shapes.get(row.key, (row.shape, row.initial))
            shapes[row.key] = tuple(map(max, shape, row.shape)), initial
    generator = torch.Generator().manual_seed(seed)
    return WeightBank({key: initial_tensor(*shapes[key], generator) for key in sorted(shapes)})


def initial_tensor(shape: tuple[int, ...], initial: Initial, generator: torch.Generator) -> Tensor:
    """A tensor of a shape, float32, initialised as `naslab.arch.build` initialises that of a module.

    `initial` is one value for all of it, or how it is drawn from `generator`: by Gaussians of variance
    2 / (outputs x kernel area) for a `filter` (arXiv 1502.01852), 1 / inputs for a `linear` layer.
    """
    if isinstance(initial, float | int):
        return torch.full(shape, float(initial))
    fan = shape[1] if initial == "linear" else shape[0] * shape[2] * shape[3] / 2
    return torch.randn(shape, generator=generator) * math.sqrt(1 / fan)


def sliced(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The first channels and the middle of the kernel of a tensor, of a given shape that is no larger; a view.

    >>> sliced(torch.arange(9.0).reshape(1, 1, 3, 3), (1, 1, 1, 1)).item()
    4.0
    """
    for dim, length in enumerate(shape):
        more = tensor.shape[dim] - length
        if more:
            tensor = tensor.narrow(dim, more // 2 if dim >= 2 else 0, length)
    return tensor


def missing_tensors(tensors: dict[str, Tensor] | dict[str, nn.Parameter], arch: ArchSpec) -> list[SharedTensor]:
    """The tensors of a network for which `tensors`, a bank's by key, have none or a smaller one."""
    return [
        row
        for row in shared_tensors(arch)
        if row.key not in tensors or any(map(int.__gt__, row.shape, tensors[row.key].shape))
    ]


@lru_cache(maxsize=MODULES_KEPT)
def _bare_module(arch: ArchSpec) -> nn.Module:
    """A network's module without weights and without running statistics, in training mode."""
    with torch.device("meta"):
        module = build(arch)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.track_running_stats = False
            each.running_mean = each.running_var = each.num_batches_tracked = None
    return module.train()
