"""A network out of a supernet: its slices of the bank, and batch norm's statistics of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from naslab.arch import ArchSpec, canonical
from naslab.arch.build import build
from naslab.study.recipe import Recipe
from naslab.training.augment import Normaliser
from naslab.training.data import DataSplit
from naslab.training.images import Images
from naslab.training.precision import forward_precision
from naslab.training.supernet.bank import missing_tensors, sliced
from naslab.training.supernet.sharing import shared_tensors

CALIBRATION_BATCH = 128


def sliced_network(arch: ArchSpec, tensors: dict[str, Tensor], seed: int = 0) -> tuple[nn.Module, int]:
    """The module of a network in canonical form with its slices of a bank, and how many of its tensors lack there.

    Those that lack, of networks outside the supernet's space, are initialised from `seed`. Running statistics are those
    of a fresh module: see `recalibrate`.
    """
    module = build(canonical(arch), seed)
    lacking = {row.name for row in missing_tensors(tensors, arch)}
    weights = {row.name: sliced(tensors[row.key], row.shape) for row in shared_tensors(arch) if row.name not in lacking}
    module.load_state_dict(weights, strict=False)
    return module, len(lacking)


def recalibrate(
    module: nn.Module, split: DataSplit, size: tuple[int, int], recipe: Recipe, num_images: int, seed: int = 0
) -> None:
    """Give every batch norm of `module` the mean statistics of `num_images` training images under its weights.

    Yu and Huang 2019, arXiv 1903.05134, section 3.3. The images of `split`, brought to `size` (height, width), are
    drawn by `seed`, and `recipe` says in which precision they pass. Everything but the batch norms is in evaluation
    mode meanwhile, and the module stays in it.
    """
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    module.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    normalise = Normaliser(split, size)
    with torch.no_grad():
        for pixels in calibration_batches(split.train, num_images, seed):
            with forward_precision(recipe, split.train.labels.device, size):
                module(normalise(pixels))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()


def calibration_batches(images: Images, num_images: int, seed: int) -> list[Tensor]:
    """`num_images` random images of a set, each once, in batches of about 128.

    Each is uint8 of shape (batch, height, width, channels); `seed` alone draws them.
    """
    count = min(num_images, len(images))
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]
    parts = chosen.to(images.labels.device).chunk(max(1, round(count / CALIBRATION_BATCH)))
    return [pixels for pixels, _ in images.batches(list(parts))]
