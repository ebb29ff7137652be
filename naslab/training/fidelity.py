"""What is trained at a fidelity: the network and its auxiliary heads, the images, and the classes that they lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from naslab.arch.spec import ArchSpec
from naslab.errors import DataError, counted
from naslab.scaling.scale import scale
from naslab.study.outcome import Fidelity
from naslab.training.datasets.labels import strata
from naslab.training.datasets.split import subset_indices

if TYPE_CHECKING:
    from torch import Tensor, nn

    from naslab.training.data import DataSplit

# torch is imported in functions: who asks for the network of a fidelity alone does without


def arch_at(arch: ArchSpec, fidelity: Fidelity) -> ArchSpec:
    """The network that is trained in the place of `arch`: at the fidelity's width and resolution.

    Raises `SpecError` where nothing is left of it.

    >>> from naslab.zoo import model
    >>> arch_at(model("mobilenet_v2"), Fidelity(resolution=(64, 48))).input
    (3, 64, 48)
    """
    narrow = arch if fidelity.width is None else scale(arch, width=fidelity.width)
    if fidelity.resolution is None:
        return narrow
    return msgspec.structs.replace(narrow, input=(arch.input[0], *fidelity.resolution))


def data_at(split: DataSplit, fidelity: Fidelity, seed: int) -> DataSplit:
    """The split with the fidelity's number of training images, each class in proportion; all where there are no more.

    The subset is a function of the seed, and a larger one holds every smaller one of the same seed but for classes
    whose share is rounded. Validation images and statistics stay. Images are resized as batches are made of them.
    Raises `DataError` for fewer images than classes.
    """
    import torch

    count = fidelity.images
    if count is None or count >= len(split.train):
        return split
    if split.task == "classification" and count < split.num_classes:
        raise DataError(
            f"images: must be at least one for each of {counted(split.num_classes, 'class', 'classes')}, got {count}"
        )
    labels = split.train.labels
    ranks = strata(labels.cpu().numpy(), split.task)
    chosen = torch.from_numpy(subset_indices(ranks, count, seed)).to(labels.device)
    return split._replace(train=split.train.chosen(chosen))


PREFIX = "auxiliary."


def with_heads(network: nn.Module, arch: ArchSpec, seed: int) -> nn.Module:
    """A network with the auxiliary heads that its architecture has, to be trained; itself where it has none.

    The network's own weights stay, those of the heads are drawn from the seed.
    """
    if not arch.auxiliary:
        return network
    from naslab.arch.build import build

    supervised = build(arch, seed, auxiliary=True)
    supervised.load_state_dict(supervised.state_dict() | network.state_dict())
    return supervised


def without_heads(module: nn.Module, arch: ArchSpec) -> nn.Module:
    """The network alone, with the weights of `with_heads`'s module; itself where the architecture has no heads."""
    if not arch.auxiliary:
        return module
    import torch

    from naslab.arch.build import build

    device = next(module.parameters()).device
    network = build(arch, seed=0).to(device).to(memory_format=torch.channels_last)
    own = {name: value for name, value in module.state_dict().items() if not name.startswith(PREFIX)}
    network.load_state_dict(own)
    return network


def missing_classes(split: DataSplit) -> dict[str, list[int]]:
    """The classes without an image, by the part that lacks them, `train` or `validation`; parts with all are left out.

    A class that is not trained on is never recognised, one that is not validated on counts for nothing: the accuracy
    is that of the validation images as they are.
    """
    parts = {"train": split.train.labels, "validation": split.validation.labels}
    if split.task != "classification":
        return {}
    missing = {part: _absent(labels, split.num_classes) for part, labels in parts.items()}
    return {part: classes for part, classes in missing.items() if classes}


def _absent(labels: Tensor, num_classes: int) -> list[int]:
    import torch

    counts = torch.bincount(labels, minlength=num_classes)
    return [label for label, count in enumerate(counts.tolist()) if count == 0]
